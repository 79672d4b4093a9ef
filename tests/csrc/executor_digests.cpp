// SPDX-License-Identifier: Apache-2.0
// What one build of the CPU executor gives, as a digest of each kind of work: two builds whose lines are equal gave
// the same bits. Usage: executor_digests BUILD WEIGHTS WIDTH...
// WEIGHTS holds what LiteGenerator.packed_weights gives, WIDTH its hidden layers.
#define LRD_ISA emulated
#include "../../csrc/noise/params.h"
#include "../cuda/frames.h"
#undef LRD_ISA

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <vector>

#include "../../csrc/cpu/isa.h"

namespace {

using frames::Buffer;
using lrd::Build;
using lrd::Dtype;
using lrd::Request;

// FNV-1a over 16-bit pieces; every NaN counts as the same, whose sign and payload are the processor's own.
struct Digest {
  uint64_t value = 0xcbf29ce484222325u;
  void take(uint16_t x) { value = (value ^ x) * 0x100000001b3u; }
  void take(float x) {
    uint32_t bits = 0x7fc00000u;
    if (!std::isnan(x)) std::memcpy(&bits, &x, 4);
    take(static_cast<uint16_t>(bits)), take(static_cast<uint16_t>(bits >> 16));
  }
  void take(const Buffer& b) {
    for (size_t at = 0; at < b.size; at += static_cast<size_t>(frames::size_of(b.frames.dtype))) {
      uint16_t half;
      float whole;
      std::memcpy(&half, b.bytes.get() + at, 2);
      switch (b.frames.dtype) {
        case Dtype::kFloat32: std::memcpy(&whole, b.bytes.get() + at, 4), take(whole); break;
        case Dtype::kFloat16: take(lrd::emulated::from_float16(half)); break;
        case Dtype::kBfloat16: take(lrd::emulated::from_bfloat16(half)); break;
        case Dtype::kUint16: take(half); break;
      }
    }
  }
};

// Words of both tails and of the middle.
std::vector<uint32_t> some_words() {
  std::vector<uint32_t> words = {0, 1, 2, 0x7fffffffu, 0x80000000u, 0xfffffffeu, 0xffffffffu};
  std::mt19937 draw(3);
  while (words.size() < 512) words.push_back(static_cast<uint32_t>(draw()) >> words.size() % 24);
  return words;
}

void quantiles(const Build& build) {
  const std::vector<uint32_t> words = some_words();
  const auto digest = [&](const char* name, lrd::Quantile which, const std::vector<float>& arguments) {
    Digest d;
    std::vector<float> argument(words.size()), result(words.size());
    for (const float a : arguments) {
      argument.assign(words.size(), a);
      build.probe(which, words.data(), argument.data(), result.data(), static_cast<int64_t>(words.size()));
      for (const float x : result) d.take(x);
    }
    std::printf("%s quantile %016llx\n", name, static_cast<unsigned long long>(d.value));
  };
  digest("normal", lrd::Quantile::kNormal, {0.0f});
  digest("Tukey-lambda", lrd::Quantile::kTukeyLambda, {-0.3f, -0.05f, -1e-4f, 0.0f, 1e-5f, 0.14f, 0.9f});
  digest("Poisson", lrd::Quantile::kPoisson, {0.0f, 1e-6f, 0.3f, 2.0f, 7.9f, 19.0f, 33.0f, 200.0f, 1e4f, 1e6f, 3e8f});
}

void table_quantiles(const Build& build) {
  const std::vector<uint32_t> words = some_words();
  const std::vector<float> table = frames::some_quantiles();
  std::vector<float> result(words.size());
  Digest d;
  build.probe(lrd::Quantile::kEmpirical, words.data(), table.data(), result.data(), static_cast<int64_t>(words.size()));
  for (const float x : result) d.take(x);
  std::printf("empirical quantile %016llx\n", static_cast<unsigned long long>(d.value));
}

Request request(const std::vector<float>& table, int64_t batch) {
  Request q = {};
  q.batch = batch, q.cell_rows = 5, q.cell_cols = 67;
  q.origin_row = -3, q.origin_col = (int64_t{1} << 31) - 5;
  q.table = reinterpret_cast<const lrd::TableRow*>(table.data()), q.table_rows = batch, q.has_quantiles = true;
  q.seed_value = -7, q.first_index = (int64_t{1} << 32) - 1;
  return q;
}

std::vector<lrd::TableRow> parameter_table() {
  constexpr int kReadModels = sizeof lrd::emulated::kReadNames / sizeof *lrd::emulated::kReadNames;
  std::vector<lrd::TableRow> table;
  for (int b = 0; b < 2 * kReadModels; ++b) {
    lrd::TableRow row = {};
    row.K = 0.7f + 2 * static_cast<float>(b);
    row.ratio = 100.0f - 10 * static_cast<float>(b);
    row.white = 16383.0f;
    row.read = static_cast<float>(b % kReadModels);
    row.sigma_read = 6.0f;
    row.tukey_lambda = b < kReadModels ? -0.14f : 0.12f;
    row.sigma_row = 1.3f, row.sigma_col = 0.7f;
    for (int site = 0; site < 4; ++site) {
      row.black[site] = 512.0f + 0.5f * static_cast<float>(site);
      row.bias[site] = 0.1f - 0.2f * static_cast<float>(site);
    }
    table.push_back(row);
  }
  return table;
}

// Every output, rounding and clipping in every dtype, both layouts; with a generator's weights or none.
void tiles(const Build& build, const char* name, const std::vector<float>& weights, const std::vector<int>& widths,
           bool sensors = false) {
  const std::vector<lrd::TableRow> rows = parameter_table();
  const std::vector<float> table = sensors ? frames::with_sensors(rows, true, 0) : frames::with_quantiles(rows);
  const float sigma = 3.0f;
  Digest d;
  frames::draw.seed(1);
  for (int mode = 0; mode < 3 * 3 * 3 * 2; ++mode) {
    Request q = request(table, static_cast<int64_t>(rows.size()));
    q.has_sensor = sensors, q.sensor_value = 11;
    q.output = mode % 3, q.quantize = mode / 3 % 3, q.clip = mode / 9 % 3, q.shot = mode % 5 != 0;
    const Dtype in = static_cast<Dtype>(mode % 4),
                out = q.output == 1 ? Dtype::kUint16 : static_cast<Dtype>(mode / 3 % 3);
    if (!weights.empty()) {
      q.weights = weights.data(), q.sigma_init = &sigma, q.sigma_rows = 1;
      for (size_t i = 0; i < widths.size(); ++i) q.widths[i] = widths[i];
    }
    const frames::Shape shape = {mode >= 27, {1, 0, 3, 2}};
    Buffer clean(q, shape, in, q.batch, 3), dark(q, shape, Dtype::kFloat32, 1, 0), noisy(q, shape, out, q.batch, 0);
    frames::fill_signal(clean, 1.0f);
    frames::fill_signal(dark, 30.0f);
    q.clean = clean.frames, q.out = noisy.frames;
    if (mode % 2 == 1) q.dark = dark.frames;
    build.tiles(q, 0, lrd::tile_count(q));
    d.take(noisy);
  }
  std::printf("%s %016llx\n", name, static_cast<unsigned long long>(d.value));
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 4) return 2;
  const Build& build = *arguments[1] == '\0' ? *lrd::available_builds().front() : lrd::build_named(arguments[1]);
  std::ifstream file(arguments[2], std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  std::vector<float> weights(bytes.size() / 4);
  std::memcpy(weights.data(), bytes.data(), weights.size() * 4);
  std::vector<int> widths;
  for (int i = 3; i < count; ++i) widths.push_back(std::atoi(arguments[i]));
  quantiles(build);
  table_quantiles(build);
  tiles(build, "physics", {}, {});
  tiles(build, "physics and sensor", {}, {}, true);
  tiles(build, "physics and conv stack", weights, widths);
  return 0;
}
