// SPDX-License-Identifier: Apache-2.0
// Runs the CPU executor on a small fixed frame, for counting instructions: driver ISA CASE REPETITIONS, 0 of them for
// the upper tiles alone.
// Linked with csrc/cpu/*.cpp alone: no torch, no Python, so a few seconds under valgrind.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "cpu/isa.h"
#include "noise/params.h"
#include "noise/sensor_row.h"

namespace {

using Quantize = lrd::portable::Quantize;
using Read = lrd::portable::Read;

constexpr int64_t kHeight = 256, kWidth = 512;

// Signal in units of brightness. kRandom: u^3, anew for each pixel; kSmooth: u^3 at every 64th, bilinear between;
// kFlat: 1.
enum class Scene { kRandom, kSmooth, kFlat };

// What the sensor adds: nothing; responses, offsets, dark current and hot pixels; lines through 33 taps; these with
// sinusoids.
enum class Sensor { kNothing, kBody, kTaps, kWaves };

struct Case {
  const char* name;
  bool shot;
  Read read;
  float sigma_row;
  Quantize quantize;
  float brightness;  // 1 is 69 electrons
  Scene scene = Scene::kRandom;
  bool clean = false, sigma = false;  // whether the clean target and the noise level are wanted
  Sensor sensor = Sensor::kNothing;
  int frames = 1;  // of one body in one call, one below the other in the picture
};

constexpr Case kCases[] = {
    {"load-store", false, Read::kNone, 0.0f, Quantize::kNone, 1.0f},
    {"gaussian", false, Read::kGaussian, 0.0f, Quantize::kRound, 1.0f},
    {"tukey-lambda", false, Read::kTukeyLambda, 0.0f, Quantize::kRound, 1.0f},
    {"shot-dark", true, Read::kNone, 0.0f, Quantize::kRound, 0.1f},
    {"shot-low-key", true, Read::kNone, 0.0f, Quantize::kRound, 1.0f},
    {"shot-bright", true, Read::kNone, 0.0f, Quantize::kRound, 100.0f},
    {"poisson-gaussian", true, Read::kGaussian, 0.0f, Quantize::kRound, 1.0f},
    {"eld", true, Read::kTukeyLambda, 1.5f, Quantize::kUniform, 1.0f},
    {"eld+clean", true, Read::kTukeyLambda, 1.5f, Quantize::kUniform, 1.0f, Scene::kRandom, true},
    {"eld+sigma", true, Read::kTukeyLambda, 1.5f, Quantize::kUniform, 1.0f, Scene::kRandom, false, true},
    {"eld+both", true, Read::kTukeyLambda, 1.5f, Quantize::kUniform, 1.0f, Scene::kRandom, true, true},
    {"rounded-smooth", true, Read::kTukeyLambda, 1.5f, Quantize::kRound, 1.0f, Scene::kSmooth},
    {"rounded-0.1e", true, Read::kTukeyLambda, 1.5f, Quantize::kRound, 0.1f / 69.0f, Scene::kFlat},
    {"rounded-5e", true, Read::kTukeyLambda, 1.5f, Quantize::kRound, 5.0f / 69.0f, Scene::kFlat},
    {"rounded-20e", true, Read::kTukeyLambda, 1.5f, Quantize::kRound, 20.0f / 69.0f, Scene::kFlat},
    {"rounded-random", true, Read::kTukeyLambda, 1.5f, Quantize::kRound, 1.0f, Scene::kRandom},
    {"eld+body", true, Read::kTukeyLambda, 1.5f, Quantize::kUniform, 1.0f, Scene::kRandom, false, false, Sensor::kBody},
    {"eld+body,4-frames", true, Read::kTukeyLambda, 1.5f, Quantize::kUniform, 1.0f, Scene::kRandom, false, false,
     Sensor::kBody, 4},
    {"eld+taps", true, Read::kTukeyLambda, 1.5f, Quantize::kUniform, 1.0f, Scene::kRandom, false, false, Sensor::kTaps},
    {"eld+waves", true, Read::kTukeyLambda, 1.5f, Quantize::kUniform, 1.0f, Scene::kRandom, false, false,
     Sensor::kWaves},
};

float light(int64_t i) {
  const float u = static_cast<float>(static_cast<uint32_t>(i) * 2654435761u) * 0x1p-32f;
  return u * u * u;
}

// Between four lights of a grid of 64 pixels.
float smooth_light(int64_t row, int64_t col) {
  constexpr int64_t kGrid = 64, kLights = kWidth / kGrid + 1;
  const int64_t at = row / kGrid * kLights + col / kGrid;
  const float down = static_cast<float>(row % kGrid) / kGrid, right = static_cast<float>(col % kGrid) / kGrid;
  const float upper = light(at) + right * (light(at + 1) - light(at));
  const float lower = light(at + kLights) + right * (light(at + kLights + 1) - light(at + kLights));
  return upper + down * (lower - upper);
}

std::vector<float> scene(Scene which, float brightness) {
  std::vector<float> clean(kHeight * kWidth, brightness);
  for (int64_t i = 0; which != Scene::kFlat && i < kHeight * kWidth; ++i) {
    clean[i] *= which == Scene::kRandom ? light(i) : smooth_light(i / kWidth, i % kWidth);
  }
  return clean;
}

lrd::SensorRow sensor_row(Sensor which) {
  lrd::SensorRow row = {};
  row.step = 1.0f;
  row.row_taps[0] = row.col_taps[0] = 1.0f;
  if (which == Sensor::kBody) {
    row.sigma_prnu = 0.01f, row.sigma_dsnu = 2.0f, row.exposure_s = 0.5f;
    row.dark_current = 1.0f, row.dark_current_spread = 0.6f, row.hot_fraction = 1e-3f, row.hot_current = 50.0f;
    return row;
  }
  for (int j = 0; j < lrd::kTaps; ++j) row.row_taps[j] = row.col_taps[j] = 0.174077656f;
  if (which == Sensor::kWaves) {
    for (int k = 0; k < lrd::kWaves; ++k) row.row_waves[k] = row.col_waves[k] = {1.0f, 7.3f + 11.0f * k};
  }
  return row;
}

}  // namespace

int main(int argc, char** argv) {
  const Case* chosen = nullptr;
  for (const Case& c : kCases) {
    if (argc == 2) std::printf("%s\n", c.name);
    if (argc == 4 && std::strcmp(argv[2], c.name) == 0) chosen = &c;
  }
  if (argc == 2) return 0;
  if (chosen == nullptr) return std::fprintf(stderr, "usage: driver ISA CASE REPETITIONS, or driver list\n"), 2;
  const lrd::Build& build = lrd::build_named(argv[1]);
  std::vector<float> clean = scene(chosen->scene, chosen->brightness), out(clean.size()), target(clean.size()),
                     level(clean.size());
  struct {
    lrd::TableRow figures;
    lrd::SensorRow sensor;
  } table = {{}, sensor_row(chosen->sensor)};
  lrd::TableRow& row = table.figures;  // up to 69 electrons at brightness 1
  row.K = 2.3f;
  row.ratio = 100.0f;
  row.white = 16383.0f;
  for (float& black : row.black) black = 512.0f;
  row.read = static_cast<float>(chosen->read);
  row.sigma_read = 6.0f;
  row.tukey_lambda = -0.1f;
  row.sigma_row = chosen->sigma_row;
  lrd::Request q = {};
  const int64_t height = kHeight / chosen->frames;
  const auto frames = [height](std::vector<float>& of) {
    return lrd::mosaic_frames(of.data(), lrd::Dtype::kFloat32, height * kWidth, kWidth);
  };
  q.clean = frames(clean);
  q.out = frames(out);
  if (chosen->clean) q.clean_out = frames(target);
  if (chosen->sigma) q.sigma_out = frames(level);
  q.batch = chosen->frames;
  q.table_rows = 1;
  q.cell_rows = height / 2;
  q.cell_cols = kWidth / 2;
  q.table = &row;
  q.has_sensor = chosen->sensor != Sensor::kNothing;
  q.seed_value = 7;
  q.first_index = 3;
  q.shot = chosen->shot;
  q.quantize = static_cast<int>(chosen->quantize);
  for (int i = std::atoi(argv[3]); i > 0; --i) build.tiles(q, 0, lrd::tile_count(q));
  if (std::atoi(argv[3]) == 0) build.tiles(q, 0, kWidth / 2 / lrd::kTileCellCols);
  double sum = 0;
  for (const auto* frame : {&out, &target, &level}) {
    for (float v : *frame) sum += v;
  }
  std::printf("%g\n", sum);  // so that nothing is optimized away
}
