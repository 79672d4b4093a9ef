// SPDX-License-Identifier: Apache-2.0
// The CUDA kernel with the conv stack, its own text on the emulator, against the CPU executor: float32 bit for bit,
// bfloat16 within a bound.
// Usage: emulated_stack WEIGHTS WIDTH LAYERS PRECISION BOUND [overrun | little | barrier N | windows | draw ...]
// WEIGHTS holds what LiteGenerator.packed_weights_for_cuda gives; PRECISION is float32 or bfloat16; BOUND is the
// largest error in units of sigma_init. overrun and little plant a fault that a sanitizer must catch, barrier leaves
// out one barrier, which must change results. windows compares crops and strips of the same noise bit for bit.
// draw ROWS COLS BATCH SIGMA FILE writes noise alone as float32 mosaics of so many cells: seed 3, index 0 and on.
#include "emulator.h"

#define LRD_ISA emulated
#include "emulated_tiles.h"
#include "../../csrc/cuda/stack_kernel.cuh"
#undef LRD_ISA

#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <numeric>
#include <string>

#include "../../csrc/cpu/isa.h"
#include "frames.h"

namespace {

namespace model = lrd::emulated;
using frames::Buffer;
using lrd::Dtype;
using lrd::Request;
using model::Precision;

struct Case {
  int64_t rows, cols, batch;
  bool packed, shot;
  Dtype in, out;
  int output, quantize;
  int64_t pad;
  bool lines, dark;
  int tile_rows;
  unsigned most_blocks;  // fewer than strips: blocks stride
  emulator::Order order;
  int sensor = -1;  // what the sensors of the samples add (frames::some_sensor), from this number on; -1: nothing
};

struct Generator {
  std::vector<float> weights;
  int width, layers;
  bool bfloat16;
  float bound;
};

template <int kWidth, Precision kPrecision, bool kSensor>
void emulate(const Request& q, const model::Stack& stack, const Case& c, bool too_little) {
  const int64_t columns = model::strip_columns<kWidth>(stack.layers);
  const auto blocks = [&](int64_t length, int64_t tile) {
    return static_cast<unsigned>(std::min<int64_t>((length + tile - 1) / tile, c.most_blocks));
  };
  const uint3 grid = {blocks(q.cell_cols, columns), blocks(q.cell_rows, c.tile_rows), blocks(q.batch, 1)};
  const int bytes = model::shared_bytes<kWidth, kPrecision, kSensor>(stack.layers) - (too_little ? 16 : 0);
  std::memset(&model::block_octaves(), 0xFF, sizeof(model::BlockOctaves));  // NaN: nothing is there yet
  emulator::launch(grid, model::Strip<kWidth>::kThreads, static_cast<size_t>(bytes), c.order, frames::draw, [&] {
    model::stack_kernel<kWidth, kPrecision, kSensor>(q, model::through_planes(q), stack, c.tile_rows);
  });
}

template <int kWidth, Precision kPrecision>
void emulate(const Request& q, const model::Stack& stack, const Case& c, bool too_little) {
  if (q.has_sensor) return emulate<kWidth, kPrecision, true>(q, stack, c, too_little);
  emulate<kWidth, kPrecision, false>(q, stack, c, too_little);
}

void emulate(const Request& q, const Generator& g, const Case& c, bool too_little) {
  model::Stack stack = model::unpack_stack(q.weights, q.widths);
  stack.fragments = reinterpret_cast<const uint32_t*>(q.weights + model::packed_size(q.widths));
  if (g.width == 16 && !g.bfloat16) return emulate<16, Precision::kFloat32>(q, stack, c, too_little);
  if (g.width == 16) return emulate<16, Precision::kBfloat16>(q, stack, c, too_little);
  if (!g.bfloat16) return emulate<32, Precision::kFloat32>(q, stack, c, too_little);
  return emulate<32, Precision::kBfloat16>(q, stack, c, too_little);
}

std::vector<lrd::TableRow> parameter_table(const Case& c) {
  std::vector<lrd::TableRow> table;
  for (int b = 0; b < c.batch; ++b) {
    lrd::TableRow row = {};
    row.K = 2.3f + b;
    row.ratio = 100.0f;
    row.white = 16383.0f;
    row.sigma_row = c.lines ? 1.3f : 0.0f;
    row.sigma_col = c.lines ? 0.7f : 0.0f;
    for (int site = 0; site < 4; ++site) {
      row.black[site] = 512.0f + 0.5f * static_cast<float>(site);
      row.bias[site] = 0.1f - 0.2f * static_cast<float>(site);
    }
    table.push_back(row);
  }
  return table;
}

// Largest difference in units of sigma_init, float output; NaN against anything else counts as infinite.
double largest_error(const Buffer& expected, const Buffer& got, float sigma) {
  double largest = 0;
  for (size_t at = 0; at < expected.size; at += 4) {
    float x, y;
    std::memcpy(&x, expected.bytes.get() + at, 4);
    std::memcpy(&y, got.bytes.get() + at, 4);
    if (std::isnan(x) && std::isnan(y)) continue;
    const double error = std::fabs(double{x} - double{y}) / sigma;
    largest = error <= largest ? largest : std::isnan(error) ? INFINITY : error;
  }
  return largest;
}

// Tells whether the case is right; worst takes up the largest error seen.
bool agree(const Generator& g, const Case& c, const std::string& plant, double& worst) {
  Request q = {};
  const frames::Shape shape = {c.packed, {0, 1, 3, 2}};
  q.batch = c.batch, q.cell_rows = c.rows, q.cell_cols = c.cols;
  q.origin_row = -3, q.origin_col = (int64_t{1} << 31) - 5;
  const std::vector<lrd::TableRow> rows = parameter_table(c);
  const std::vector<float> sigma = {3.0f, 0.7f, 11.0f}, table = frames::with_sensors(rows, false, c.sensor);
  const int64_t seed = -7, index[] = {5, int64_t{1} << 40, 77}, sensors[] = {5, (int64_t{1} << 55) + 1, 5};
  q.has_sensor = c.sensor >= 0, q.sensor = sensors;
  q.table = q.has_sensor ? reinterpret_cast<const lrd::TableRow*>(table.data()) : rows.data();
  q.table_rows = c.batch, q.seed = &seed, q.index = index;
  q.output = c.output, q.quantize = c.quantize, q.clip = c.output == 1 ? 0 : 2, q.shot = c.shot;
  q.weights = g.weights.data(), q.sigma_init = sigma.data(), q.sigma_rows = c.batch;
  for (int i = 0; i < g.layers; ++i) q.widths[i] = g.width;
  Buffer clean(q, shape, c.in, c.batch, c.pad), dark(q, shape, Dtype::kFloat32, 1, c.pad);
  frames::fill_signal(clean, 1.0f);
  frames::fill_signal(dark, 30.0f);
  q.clean = clean.frames;
  if (c.dark) q.dark = dark.frames;
  const int targets = static_cast<int>(c.rows + c.cols) % 4;
  const frames::Results expected(q, shape, c.out, targets, c.pad), got(q, shape, c.out, targets, c.pad, plant);
  expected.put_into(q);
  lrd::chosen_build().tiles(q, 0, lrd::tile_count(q));
  got.put_into(q);
  emulate(q, g, c, plant == "little");
  const size_t wrong = g.bfloat16 ? frames::differing_targets(expected, got) : frames::differing(expected, got);
  const double error = g.bfloat16 ? largest_error(expected.out, got.out, sigma[c.batch == 1 ? 0 : 1]) : 0;
  worst = std::max(worst, error);
  const bool right = wrong == 0 && error <= g.bound;
  if (!right) {
    std::printf(
        "%zu elements differ, error %g sigma_init: %lldx%lld cells, batch %lld, packed %d, in %d, out %d, "
        "sensor %d\n",
        wrong, error, static_cast<long long>(c.rows), static_cast<long long>(c.cols), static_cast<long long>(c.batch),
        c.packed, static_cast<int>(c.in), static_cast<int>(c.out), c.sensor);
  }
  return right;
}

// Shapes that fill no strip, several strips in both directions, blocks that take several strips, every order of
// threads. Learned and line noise alone for bfloat16.
std::vector<Case> cases(bool bfloat16) {
  constexpr auto kF32 = Dtype::kFloat32, kF16 = Dtype::kFloat16, kBf16 = Dtype::kBfloat16, kU16 = Dtype::kUint16;
  using emulator::Order;
  if (bfloat16) {
    return {{5, 9, 1, false, false, kF32, kF32, 2, 2, 0, false, false, 16, 9, Order::kForward},
            {21, 70, 1, true, false, kF32, kF32, 2, 2, 3, true, true, 16, 9, Order::kReverse},
            {9, 33, 2, false, false, kU16, kF32, 2, 2, 0, true, false, 4, 1, Order::kForward},
            {9, 33, 2, true, false, kF32, kF32, 2, 2, 0, true, false, 4, 1, Order::kReverse},
            {66, 20, 1, false, false, kF32, kF32, 2, 2, 0, true, false, 64, 9, Order::kRandom},
            {9, 33, 2, true, false, kF32, kF32, 2, 2, 0, true, true, 4, 1, Order::kReverse, 0},
            {21, 70, 1, false, false, kU16, kF32, 2, 2, 3, true, false, 16, 9, Order::kForward, 3}};
  }
  return {{1, 1, 1, false, true, kF32, kF32, 0, 0, 0, true, false, 16, 9, Order::kForward},
          {5, 9, 1, true, false, kF32, kF32, 2, 2, 1, false, false, 16, 9, Order::kReverse},
          {21, 70, 1, false, true, kU16, kU16, 1, 0, 3, true, true, 16, 9, Order::kRandom},
          {67, 30, 1, true, true, kF16, kBf16, 0, 1, 0, true, false, 64, 9, Order::kForward},
          {9, 130, 3, false, true, kBf16, kF16, 2, 0, 0, true, true, 8, 1, Order::kReverse},
          {9, 70, 2, true, true, kF32, kF32, 2, 2, 0, true, false, 4, 1, Order::kForward},
          {4, 60, 2, true, false, kU16, kU16, 1, 1, 5, true, false, 4, 9, Order::kRandom},
          {21, 70, 1, false, true, kU16, kU16, 1, 0, 3, true, true, 16, 9, Order::kRandom, 0},
          {9, 130, 3, true, true, kF32, kF32, 0, 0, 0, true, false, 8, 1, Order::kReverse, 1},
          {67, 30, 3, false, true, kBf16, kF16, 2, 1, 1, false, false, 64, 9, Order::kForward, 4},
          {5, 61, 2, true, false, kF32, kF32, 2, 2, 0, true, true, 4, 1, Order::kReverse, 6},
          {9, 62, 2, false, true, kF16, kF32, 2, 2, 0, true, false, 16, 1, Order::kRandom, 12}};
}

// Noise alone of rows x cols cells, mosaic, by the kernel.
Buffer drawn(const Generator& g, int64_t rows, int64_t cols, int64_t batch, int64_t origin_row, int64_t origin_col,
             int64_t first_index, int tile_rows, float sigma_init = 3.0f) {
  const Case c = {rows, cols,  batch, false,     false, Dtype::kFloat32,          Dtype::kFloat32, 2, 2,
                  0,    false, false, tile_rows, 9,     emulator::Order::kForward};
  Request q = {};
  q.batch = batch, q.cell_rows = rows, q.cell_cols = cols, q.origin_row = origin_row, q.origin_col = origin_col;
  const std::vector<lrd::TableRow> table = parameter_table(c);
  const std::vector<float> sigma(static_cast<size_t>(batch), sigma_init);
  std::vector<int64_t> index(static_cast<size_t>(batch));
  std::iota(index.begin(), index.end(), first_index);
  const int64_t seed = 3;
  q.table = table.data(), q.table_rows = batch, q.seed = &seed, q.index = index.data();
  q.output = 2, q.quantize = 2, q.clip = 2;
  q.weights = g.weights.data(), q.sigma_init = sigma.data(), q.sigma_rows = batch;
  for (int i = 0; i < g.layers; ++i) q.widths[i] = g.width;
  Buffer clean(q, {}, Dtype::kFloat32, batch, 0), out(q, {}, Dtype::kFloat32, batch, 0);
  std::memset(clean.bytes.get(), 0, clean.size);
  q.clean = clean.frames, q.out = out.frames;
  emulate(q, g, c, false);
  return out;
}

// Whether a crop of one sample in taller strips has the bits of the whole.
bool windows_agree(const Generator& g) {
  constexpr int64_t kRows = 17, kCols = 66, kTop = 3, kLeft = 5;
  const Buffer whole = drawn(g, kRows, kCols, 2, 10, 20, 7, 4);
  const Buffer crop = drawn(g, kRows - kTop, kCols - kLeft, 1, 10 + kTop, 20 + kLeft, 8, 16);
  size_t wrong = 0;
  for (int64_t row = 0; row < 2 * (kRows - kTop); ++row) {
    const int64_t from = (2 * kRows + row + 2 * kTop) * 2 * kCols + 2 * kLeft, to = row * 2 * (kCols - kLeft);
    wrong += std::memcmp(whole.bytes.get() + 4 * from, crop.bytes.get() + 4 * to, 8 * (kCols - kLeft)) != 0;
  }
  std::printf("%zu rows of the crop differ from the whole\n", wrong);
  return wrong == 0;
}

bool write_drawn(const Generator& g, char** given) {
  const auto number = [&](int i) { return static_cast<int64_t>(std::atoll(given[i])); };
  const float sigma = static_cast<float>(std::atof(given[3]));
  const Buffer noise = drawn(g, number(0), number(1), number(2), 0, 0, 0, 16, sigma);
  std::ofstream file(given[4], std::ios::binary);
  file.write(reinterpret_cast<const char*>(noise.bytes.get()), static_cast<std::streamsize>(noise.size));
  return file.good();
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 6) return 2;
  std::ifstream file(arguments[1], std::ios::binary);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  Generator g = {std::vector<float>(bytes.size() / 4), std::atoi(arguments[2]), std::atoi(arguments[3]),
                 std::string(arguments[4]) == "bfloat16", static_cast<float>(std::atof(arguments[5]))};
  std::memcpy(g.weights.data(), bytes.data(), bytes.size());
  const std::string wanted = count > 6 ? arguments[6] : "";
  if (wanted == "draw") return count == 12 && write_drawn(g, arguments + 7) ? 0 : 1;
  if (wanted == "windows") return windows_agree(g) ? 0 : 1;
  if (wanted == "barrier") emulator::without_barrier = std::atoi(arguments[7]);
  std::vector<Case> all = cases(g.bfloat16);
  if (wanted == "overrun" || wanted == "little") all.resize(1);
  size_t failed = 0;
  double worst = 0;
  for (const Case& c : all) failed += !agree(g, c, wanted, worst);
  std::printf("%zu of %zu cases agree with the CPU executor (%s), largest error %.2g sigma_init\n", all.size() - failed,
              all.size(), lrd::chosen_build().name, worst);
  return failed == 0 ? 0 : 1;
}
