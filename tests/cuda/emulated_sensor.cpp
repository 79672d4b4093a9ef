// SPDX-License-Identifier: Apache-2.0
// The CUDA kernel for what a sensor adds, its own text on the emulator, against the CPU executor, bit for bit.
// Usage: emulated_sensor [overrun | barrier N]: the first plants a fault that a sanitizer must catch, the second leaves
// out one of the kernel's barriers, which must change results.
#include "emulator.h"

#define LRD_ISA emulated
#include "../../csrc/cuda/sensor_kernel.cuh"
#undef LRD_ISA

#include <algorithm>
#include <string>

#include "../../csrc/cpu/isa.h"
#include "frames.h"

namespace {

using frames::Buffer;
using frames::Results;
using lrd::Dtype;
using lrd::Request;

constexpr int kReadModels = sizeof lrd::emulated::kReadNames / sizeof *lrd::emulated::kReadNames;

std::vector<lrd::TableRow> rows_of(int number, int64_t batch) {
  std::vector<lrd::TableRow> rows;
  for (int64_t b = 0; b < batch; ++b) {
    lrd::TableRow row = {};
    row.K = 2.3f + static_cast<float>(b);
    row.ratio = 100.0f;
    row.white = 16383.0f;
    row.read = static_cast<float>((number + b) % kReadModels);
    row.sigma_read = 6.0f;
    row.tukey_lambda = -0.14f;
    row.sigma_row = number % 3 == 0 ? 0.0f : 1.3f;
    row.sigma_col = 0.7f;
    for (int site = 0; site < 4; ++site) {
      row.black[site] = 512.0f + 0.5f * static_cast<float>(site);
      row.bias[site] = 0.1f - 0.2f * static_cast<float>(site);
    }
    rows.push_back(row);
  }
  return rows;
}

// Tells whether both executors wrote the same elements. Modes, dtypes, layouts and sensors take turns by number.
bool agree(int number, int64_t cell_rows, int64_t cell_cols, int64_t batch, const std::string& plant) {
  Request q = {};
  q.batch = batch, q.cell_rows = cell_rows, q.cell_cols = cell_cols;
  q.origin_row = -3, q.origin_col = (int64_t{1} << 31) - 5;
  const std::vector<float> table = frames::with_sensors(rows_of(number, batch), number % 2 == 0, number);
  q.table = reinterpret_cast<const lrd::TableRow*>(table.data()), q.table_rows = batch;
  q.has_quantiles = number % 2 == 0, q.has_sensor = true;
  const std::vector<int64_t> sensors = {5, (int64_t{1} << 55) + 1, 5};
  q.sensor_value = 9;
  if (number % 3 == 1) q.sensor = sensors.data();
  q.seed_value = -7, q.first_index = (int64_t{1} << 32) - 1;
  q.shot = number % 5 != 0, q.output = number % 3, q.quantize = number / 3 % 3, q.clip = number / 9 % 3;
  const frames::Shape shape = {number % 4 >= 2, {1, 0, 3, 2}};
  const Dtype in = static_cast<Dtype>(number % 4),
              out = q.output == 1 ? Dtype::kUint16 : static_cast<Dtype>(number % 2);
  Buffer clean(q, shape, in, batch, number % 3), dark(q, shape, Dtype::kFloat32, 1, 0);
  frames::fill_signal(clean, 1.0f);
  frames::fill_signal(dark, 30.0f);
  q.clean = clean.frames;
  if (number % 4 == 1) q.dark = dark.frames;
  Results expected(q, shape, out, number % 4, 0), got(q, shape, out, number % 4, 0, plant);
  expected.put_into(q);
  lrd::chosen_build().tiles(q, 0, lrd::tile_count(q));
  got.put_into(q);
  std::memset(&lrd::emulated::block_octaves(), 0xFF, sizeof(lrd::emulated::BlockOctaves));  // NaN: nothing is there yet
  const lrd::emulated::ThroughPlanes planes = lrd::emulated::through_planes(q);
  const int tile_rows = number % 5 == 0 ? lrd::kTileCellRows / 4 : lrd::kTileCellRows;
  const uint3 grid = {number % 2 == 0 ? 1u : static_cast<unsigned>((cell_cols + 63) / 64), 1, 1};
  const auto order = static_cast<emulator::Order>(number % 3);
  emulator::launch(grid, lrd::emulated::kThreads, 0, order, frames::draw,
                   [&] { lrd::emulated::sensor_kernel(q, planes, tile_rows); });
  const size_t wrong = frames::differing(expected, got);
  if (wrong != 0) std::printf("%zu elements differ in case %d\n", wrong, number);
  return wrong == 0;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string plant = count > 1 ? arguments[1] : "";
  if (plant == "barrier" && count > 2) {
    emulator::without_barrier = std::atoi(arguments[2]);
  } else if (!plant.empty()) {
    agree(6, 2, 4, 1, plant);
    std::puts("the planted fault went unnoticed");
    return 0;
  }
  constexpr int64_t kShapes[][3] = {{3, 7, 1}, {1, 1, 1}, {5, 8, 2}, {33, 65, 1}, {2, 130, 3}};
  int failed = 0, cases = 0;
  for (int number = 0; number < 360; ++number, ++cases) {
    const auto& shape = kShapes[number / 12 % 5];
    failed += !agree(number, shape[0], shape[1], shape[2], "");
  }
  std::printf("%d of %d cases agree with the CPU executor (%s)\n", cases - failed, cases, lrd::chosen_build().name);
  return failed == 0 ? 0 : 1;
}
