// SPDX-License-Identifier: Apache-2.0
// The CUDA kernel's own text on the emulator against the CPU executor, bit for bit, NaN for NaN.
// Usage: emulated_parity [overrun | misaligned], which plant a fault that a sanitizer must catch;
// emulated_parity barrier N leaves out one barrier of the kernel, which must change results.
#include "emulator.h"

#define LRD_ISA emulated
#include "../../csrc/cuda/kernels.cuh"
#undef LRD_ISA

#include <string>

#include "../../csrc/cpu/isa.h"
#include "frames.h"

namespace {

using frames::Buffer;
using frames::draw;
using frames::fill_signal;
using frames::size_of;
using lrd::Dtype;
using lrd::Request;

struct Case {
  int64_t rows, cols, batch;
  bool packed, shot;
  Dtype in, out;
  int read, output, quantize, clip;
  int64_t pad;
  int darks, table_rows;  // darks: 0, 1 or batch
  bool quiet;             // row and column noise off
  unsigned most_blocks;   // fewer than tiles: blocks stride
  emulator::Order order;
};

std::vector<float> parameter_table(const Case& c) {
  std::vector<float> table;
  for (int b = 0; b < c.table_rows; ++b) {
    const float s = static_cast<float>(b);
    const float shape = b % 3 == 2 ? 0.0f : b % 3 == 1 ? 0.12f : -0.14f;
    const float row[] = {2.3f + s,
                         100.0f - 30 * s,
                         16383.0f,
                         6.0f,
                         shape,
                         c.quiet ? 0.0f : 1.3f,
                         c.quiet ? 0.0f : 0.7f,
                         512.0f,
                         511.0f,
                         513.0f,
                         512.5f,
                         0.1f,
                         -0.2f,
                         0.3f,
                         0.05f};
    table.insert(table.end(), row, row + 15);
  }
  return table;
}

void emulate(const Request& q, const Case& c, bool claim_vectors) {
  const auto blocks = [&](int64_t length, int64_t tile) {
    return static_cast<unsigned>(std::min<int64_t>((length + tile - 1) / tile, c.most_blocks));
  };
  const uint3 grid = {blocks(q.cell_cols, lrd::kTileCellCols), blocks(q.cell_rows, lrd::kTileCellRows),
                      blocks(q.batch, 1)};
  lrd::emulated::Vectors vectors = lrd::emulated::vectors_of(q);
  if (claim_vectors) vectors = {true, true};
  emulator::launch(grid, lrd::emulated::kThreads, 0, c.order, draw, [&] { lrd::emulated::physics_kernel(q, vectors); });
}

// Tells whether both executors wrote the same elements.
bool agree(const Case& c, const std::string& plant) {
  Request q = {};
  q.packed = c.packed;
  q.batch = c.batch;
  q.cell_rows = c.rows;
  q.cell_cols = c.cols;
  q.origin_row = -3;
  q.origin_col = (int64_t{1} << 31) - 5;
  const std::vector<float> table = parameter_table(c);
  q.table = table.data();
  q.table_rows = c.table_rows;
  const int64_t seed = -7;
  q.seed = &seed;
  std::vector<int64_t> index;
  for (int64_t b = 0; b < c.batch; ++b) index.push_back((b << 40) + 5);
  q.index = index.data();
  q.read = c.read, q.shot = c.shot, q.output = c.output, q.quantize = c.quantize, q.clip = c.clip;
  Buffer clean(q, c.in, c.batch, c.pad), dark(q, Dtype::kFloat32, c.darks == 0 ? 1 : c.darks, c.pad);
  fill_signal(clean, 1.0f);
  fill_signal(dark, 30.0f);
  q.clean = clean.frames;
  if (c.darks != 0) q.dark = dark.frames;
  Buffer expected(q, c.out, c.batch, c.pad), got(q, c.out, c.batch, c.pad, plant == "overrun");
  q.out = expected.frames;
  lrd::chosen_build().tiles(q, 0, lrd::tile_count(q));
  q.out = got.frames;
  emulate(q, c, plant == "misaligned");
  const size_t wrong = frames::differing(expected, got), elements = expected.size / size_of(c.out);
  if (wrong != 0) {
    std::printf(
        "%zu of %zu differ: %lldx%lld cells, batch %lld, packed %d, in %d, out %d, read %d, shot %d, output %d, "
        "quantize %d, clip %d, pad %lld, darks %d, order %d\n",
        wrong, elements, static_cast<long long>(c.rows), static_cast<long long>(c.cols),
        static_cast<long long>(c.batch), c.packed, static_cast<int>(c.in), static_cast<int>(c.out), c.read, c.shot,
        c.output, c.quantize, c.clip, static_cast<long long>(c.pad), c.darks, static_cast<int>(c.order));
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
      for (int modes = 0; modes < 2 * 2 * 3 * 3 * 3; ++modes, ++turn) {
        const auto& shape = kShapes[turn % 7];
        Case c = {shape[0],
                  shape[1],
                  shape[2],
                  modes % 2 == 1,
                  modes / 2 % 2 == 1,
                  static_cast<Dtype>(in),
                  out == 6 ? Dtype::kUint16 : static_cast<Dtype>(out % 3),
                  modes / 4 % 3,
                  out == 6 ? 1 : out / 3 * 2,
                  modes / 12 % 3,
                  modes / 36 % 3,
                  turn / 7 % 4 == 3 ? 5 : turn / 7 % 4 * 4,
                  0,
                  1,
                  turn % 11 == 0,
                  65535,
                  static_cast<emulator::Order>(turn % 3)};
        c.darks = turn % 5 == 0 ? 1 : turn % 5 == 1 ? static_cast<int>(c.batch) : 0;
        c.table_rows = turn % 2 == 0 ? 1 : static_cast<int>(c.batch);
        all.push_back(c);
      }
    }
  }
  // Frames of several tiles, with a block per tile and with blocks that stride over them.
  constexpr int64_t kLarge[][3] = {{32, 64, 1}, {33, 65, 2}, {31, 63, 1}, {70, 140, 3}};
  for (const auto& shape : kLarge) {
    for (int variant = 0; variant < 12; ++variant) {
      const Dtype dtype = static_cast<Dtype>(variant % 3);
      all.push_back({shape[0], shape[1], shape[2], variant % 2 == 1, true, dtype, dtype, 2, 0, 0, 0, variant / 6, 0,
                     static_cast<int>(shape[2]), false, variant % 4 < 2 ? 65535u : 1u,
                     static_cast<emulator::Order>(variant % 3)});
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
    agree({2, 4, 1, false, true, Dtype::kFloat32, Dtype::kFloat32, 1, 0, 0, 0, plant == "misaligned" ? 1 : 0, 0, 1,
           false, 1, emulator::Order::kForward},
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
