// SPDX-License-Identifier: Apache-2.0
// The CUDA kernel's own text on the emulator against the CPU executor, bit for bit, NaN for NaN.
// Usage: emulated_parity [overrun | "overrun beside"], which plant a fault that a sanitizer must catch;
// emulated_parity barrier N leaves out one barrier of the kernel, which must change results.
#include "emulator.h"

#define LRD_ISA emulated
#include "../../csrc/cuda/kernels.cuh"
#undef LRD_ISA

#include <algorithm>
#include <string>

#include "../../csrc/cpu/isa.h"
#include "frames.h"

namespace {

using frames::Buffer;
using frames::draw;
using frames::fill_signal;
using frames::Results;
using frames::Shape;
using frames::size_of;
using lrd::Dtype;
using lrd::Request;

struct Case {
  int64_t rows, cols, batch;
  bool packed, shot;
  Dtype in, out;
  int read;  // a distribution for all samples, or kMixed
  int output, quantize, clip;
  int64_t pad;
  int darks, table_rows;  // darks: 0, 1 or batch
  bool quiet;             // row and column noise off
  unsigned most_blocks;   // fewer than tiles: blocks stride
  emulator::Order order;
  int channels;  // which of kChannels packed frames have
  int targets;   // 1: the clean target is wanted, 2: the noise level, 3: both
  int tile_rows = lrd::kTileCellRows;
};

constexpr int kReadModels = sizeof lrd::emulated::kReadNames / sizeof *lrd::emulated::kReadNames;
constexpr int kMixed = kReadModels;  // samples take turns

// By site, as R, Gr, B, Gb of each phase lie, and R, Gr, Gb, B of the phases that do not lie so by themselves.
constexpr int64_t kChannels[][4] = {{0, 1, 2, 3}, {0, 1, 3, 2}, {1, 0, 2, 3}, {3, 2, 0, 1},
                                    {2, 3, 1, 0}, {1, 0, 3, 2}, {3, 2, 1, 0}, {2, 3, 0, 1}};

constexpr float kBlack[] = {512.0f, 511.0f, 513.0f, 512.5f}, kBias[] = {0.1f, -0.2f, 0.3f, 0.05f};

std::vector<lrd::TableRow> parameter_table(const Case& c) {
  std::vector<lrd::TableRow> table;
  for (int b = 0; b < c.table_rows; ++b) {
    const float s = static_cast<float>(b);
    const float shape = b % 3 == 2 ? 0.0f : b % 3 == 1 ? 0.12f : -0.14f;
    lrd::TableRow row = {};
    row.K = 2.3f + s;
    row.ratio = 100.0f - 30 * s;
    row.white = 16383.0f;
    row.read = static_cast<float>(c.read == kMixed ? b % kReadModels : c.read);
    row.sigma_read = 6.0f;
    row.tukey_lambda = shape;
    row.sigma_row = c.quiet ? 0.0f : 1.3f;
    row.sigma_col = c.quiet ? 0.0f : 0.7f;
    for (int site = 0; site < 4; ++site) {
      row.black[site] = kBlack[site];
      row.bias[site] = kBias[site];
    }
    table.push_back(row);
  }
  return table;
}

void emulate(const Request& q, const Case& c) {
  const auto blocks = [&](int64_t length, int64_t tile) {
    return static_cast<unsigned>(std::min<int64_t>((length + tile - 1) / tile, c.most_blocks));
  };
  const uint3 grid = {blocks(q.cell_cols, lrd::kTileCellCols), blocks(q.cell_rows, c.tile_rows), blocks(q.batch, 1)};
  const lrd::emulated::ThroughPlanes planes = lrd::emulated::through_planes(q);
  std::memset(&lrd::emulated::block_octaves(), 0xFF, sizeof(lrd::emulated::BlockOctaves));  // NaN: nothing is there yet
  const auto kernel =
      lrd::emulated::is_usual(q) ? lrd::emulated::physics_kernel<true> : lrd::emulated::physics_kernel<false>;
  emulator::launch(grid, lrd::emulated::kThreads, 0, c.order, draw, [&] { kernel(q, planes, c.tile_rows); });
}

// Tells whether both executors wrote the same elements.
bool agree(const Case& c, const std::string& plant) {
  Request q = {};
  Shape shape = {c.packed};
  std::copy_n(kChannels[c.channels], 4, shape.channel);
  q.batch = c.batch;
  q.cell_rows = c.rows;
  q.cell_cols = c.cols;
  q.origin_row = -3;
  q.origin_col = (int64_t{1} << 31) - 5;
  const std::vector<lrd::TableRow> rows = parameter_table(c);
  const std::vector<float> table = frames::with_quantiles(rows);
  q.has_quantiles = c.read == kMixed || c.read == static_cast<int>(lrd::emulated::Read::kEmpirical);
  q.table = q.has_quantiles ? reinterpret_cast<const lrd::TableRow*>(table.data()) : rows.data();
  q.table_rows = c.table_rows;
  const int64_t seed = -7;
  q.seed = &seed;
  std::vector<int64_t> index;
  for (int64_t b = 0; b < c.batch; ++b) index.push_back((b << 40) + 5);
  q.index = index.data();
  if (c.pad == 0) q.seed = nullptr, q.seed_value = seed, q.index = nullptr, q.first_index = (int64_t{1} << 32) - 1;
  q.shot = c.shot, q.output = c.output, q.quantize = c.quantize, q.clip = c.clip;
  Buffer clean(q, shape, c.in, c.batch, c.pad), dark(q, shape, Dtype::kFloat32, c.darks == 0 ? 1 : c.darks, c.pad);
  fill_signal(clean, 1.0f);
  fill_signal(dark, 30.0f);
  q.clean = clean.frames;
  if (c.darks != 0) q.dark = dark.frames;
  Results expected(q, shape, c.out, c.targets, c.pad), got(q, shape, c.out, c.targets, c.pad, plant);
  expected.put_into(q);
  lrd::chosen_build().tiles(q, 0, lrd::tile_count(q));
  got.put_into(q);
  emulate(q, c);
  const size_t wrong = frames::differing(expected, got), elements = expected.out.size / size_of(c.out);
  if (wrong != 0) {
    std::printf(
        "%zu of %zu differ: %lldx%lld cells, batch %lld, packed %d, in %d, out %d, read %d, shot %d, output %d, "
        "quantize %d, clip %d, pad %lld, darks %d, order %d, channels %d, targets %d\n",
        wrong, elements, static_cast<long long>(c.rows), static_cast<long long>(c.cols),
        static_cast<long long>(c.batch), c.packed, static_cast<int>(c.in), static_cast<int>(c.out), c.read, c.shot,
        c.output, c.quantize, c.clip, static_cast<long long>(c.pad), c.darks, static_cast<int>(c.order), c.channels,
        c.targets);
  }
  return wrong == 0;
}

// Every combination of modes, dtypes and layouts, on frames that fill neither a tile nor a group; shapes, strides, dark
// frames and thread orders take turns.
std::vector<Case> cases() {
  constexpr int64_t kShapes[][3] = {{3, 7, 1}, {1, 1, 1}, {5, 8, 2}, {2, 13, 1}, {33, 3, 1}, {1, 67, 1}, {4, 4, 3}};
  std::vector<Case> all;
  int turn = 0;
  for (int in = 0; in < 4; ++in) {
    for (int out = 0; out < 7; ++out) {  // dn in uint16; normalized and dn_float in three dtypes
      for (int modes = 0; modes < 2 * 2 * kReadModels * 3 * 3; ++modes, ++turn) {
        const auto& shape = kShapes[turn % 7];
        Case c = {shape[0],
                  shape[1],
                  shape[2],
                  modes % 2 == 1,
                  modes / 2 % 2 == 1,
                  static_cast<Dtype>(in),
                  out == 6 ? Dtype::kUint16 : static_cast<Dtype>(out % 3),
                  modes / 4 % kReadModels,
                  out == 6 ? 1 : out / 3 * 2,
                  modes / (4 * kReadModels) % 3,
                  modes / (12 * kReadModels) % 3,
                  turn / 7 % 4 == 3 ? 5 : turn / 7 % 4 * 4,
                  0,
                  1,
                  turn % 11 == 0,
                  65535,
                  static_cast<emulator::Order>(turn % 3),
                  turn % 8,
                  turn / 3 % 4};
        c.darks = turn % 5 == 0 ? 1 : turn % 5 == 1 ? static_cast<int>(c.batch) : 0;
        c.table_rows = turn % 2 == 0 ? 1 : static_cast<int>(c.batch);
        if (c.table_rows > 1 && turn % 4 == 1) c.read = kMixed;
        c.tile_rows = turn % 3 == 0 ? lrd::kTileCellRows / 4 : lrd::kTileCellRows;
        all.push_back(c);
      }
    }
  }
  // Frames of several tiles, with a block per tile and with blocks that stride over them.
  constexpr int64_t kLarge[][3] = {{32, 64, 1}, {33, 65, 2}, {31, 63, 1}, {70, 140, 3}};
  for (const auto& shape : kLarge) {
    for (int variant = 0; variant < 12; ++variant) {
      const Dtype dtype = static_cast<Dtype>(variant % 3);
      all.push_back({shape[0], shape[1], shape[2], variant % 2 == 1, true, dtype, dtype, variant % 2 == 0 ? 2 : kMixed,
                     0, 0, 0, variant / 6, 0, static_cast<int>(shape[2]), false, variant % 4 < 2 ? 65535u : 1u,
                     static_cast<emulator::Order>(variant % 3), variant % 8, variant % 4});
    }
  }
  return all;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string plant = count > 1 ? arguments[1] : "";
  if (plant == "barrier" && count > 2) {
    emulator::without_barrier = std::atoi(arguments[2]);
  } else if (!plant.empty()) {
    agree({2, 4, 1, false, true, Dtype::kFloat32, Dtype::kFloat32, 1, 0, 0, 0, 0, 0, 1, false, 1,
           emulator::Order::kForward, 0, plant == "overrun beside" ? 3 : 0},
          plant);
    std::puts("the planted fault went unnoticed");
    return 0;
  }
  size_t failed = 0;
  const std::vector<Case> all = cases();
  for (const Case& c : all) failed += !agree(c, "");
  std::printf("%zu of %zu cases agree with the CPU executor (%s)\n", all.size() - failed, all.size(),
              lrd::chosen_build().name);
  return failed == 0 ? 0 : 1;
}
