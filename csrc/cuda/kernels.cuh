// SPDX-License-Identifier: Apache-2.0
// Kernel bodies of the CUDA executor. No launch syntax and no CUDA header: tests/cuda runs this very text on the host.
//
// A block works on one tile of cells at a time, the tile of the CPU executor. Row and column noise and the parameters
// are worked out once per tile, in shared memory. Then a thread takes groups of kGroup neighbouring cells of a cell
// row.
#pragma once

#include "../noise/sample.h"
#include "../noise/site.h"
#include "elements.cuh"

namespace lrd::LRD_ISA {

constexpr int kGroupsAcross = kTileCellCols / kGroup;
constexpr int kGroups = kGroupsAcross * kTileCellRows;

struct TileShared {
  Staged staged;
  SampleParams params;
  Targets targets;  // where they are wanted
  float rows[kTileCellRows][2];
  float columns[2][kTileCellCols];
};

// Frames whose groups are read and written as vectors.
struct Vectors {
  bool clean, out, clean_out, sigma_out;
};

inline Vectors vectors_of(const Request& q) {
  return {holds_whole_vectors(q.clean), holds_whole_vectors(q.out), holds_whole_vectors(q.clean_out),
          holds_whole_vectors(q.sigma_out)};
}

struct Cell {
  int64_t sample, row, col;
};

LRD_DEVICE int64_t offset_of(const Frames& f, const Cell& at) { return offset_of(f, at.sample, at.row, at.col); }

// Column noise of one cell, and row noise of one cell row, to where a block keeps them. A sigma of 0 is not drawn: only
// the sign of a zero could differ, and that sign is lost where black is subtracted.
template <int kCols>
LRD_DEVICE void keep_column_noise(const Stream& stream, float sigma, int64_t cell_col, int i,
                                  float (&columns)[2][kCols]) {
  float noise[2][1] = {};
  if (sigma != 0.0f) column_noise<1>(stream, sigma, static_cast<uint32_t>(cell_col), noise);
  columns[0][i] = noise[0][0];
  columns[1][i] = noise[1][0];
}
LRD_DEVICE void keep_row_noise(const Stream& stream, float sigma, int64_t cell_row, float (&row)[2]) {
  float noise[2] = {};
  if (sigma != 0.0f) row_noise(stream, sigma, static_cast<uint32_t>(cell_row), noise);
  row[0] = noise[0];
  row[1] = noise[1];
}

// Once a launch, before anything normal is drawn.
LRD_DEVICE void fill_normal_octaves(int thread) {
  if (thread < kOctaves) keep_normal_octave(thread, normal_octaves());
}

// Of a sample's read noise, by a warp that has nothing else to draw; a table of quantiles stays in global memory.
LRD_DEVICE void fill_read_octaves(const TableRow& row, int cell) {
  const ReadModel read = read_model(row.read, row.sigma_read, row.tukey_lambda);
  if (cell >= 0 && cell < kOctaves && read.which != Read::kNone) keep_read_octave(read, cell, read_octaves());
}

// The tile's row and column noise and its sample's parameters, each by threads of their own.
LRD_DEVICE void fill_shared(const Request& q, const Cell& first, const Stream& stream, int thread, TileShared& shared) {
  const TableRow& row = row_of(q, first.sample);
  if (thread < kTileCellCols) {
    keep_column_noise(stream, row.sigma_col, q.origin_col + first.col + thread, thread, shared.columns);
  } else if (thread < kTileCellCols + kTileCellRows) {
    const int i = thread - kTileCellCols;
    keep_row_noise(stream, row.sigma_row, q.origin_row + first.row + i, shared.rows[i]);
  } else if (thread == kTileCellCols + kTileCellRows) {
    shared.params = params_of(q, first.sample);
  } else if (thread == kTileCellCols + kTileCellRows + 1 && wants_targets(q)) {
    shared.targets = targets_of(q, first.sample, 0.0f);
  }
  fill_read_octaves(row, thread - (kTileCellCols + 2 * kTileCellRows));
}

// The waiting cell i of a thread, in place.
LRD_DEVICE void synthesize_cell(const Request& q, const Stream& stream, const Cell& first, const Cell& at, int i,
                                int thread, TileShared& shared) {
  const SampleParams& p = shared.params;
  const int row = static_cast<int>(at.row - first.row), col = static_cast<int>(at.col - first.col) + i;
  const float rows[2] = {shared.rows[row][0], shared.rows[row][1]};
  const float columns[2][1] = {{shared.columns[0][col]}, {shared.columns[1][col]}};
  float value[4][1], dark[4][1] = {};
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) {
    value[site][0] = (shared.staged.value[i][site][thread] - p.signal_offset[site]) * p.signal_scale[site];
  }
  if (q.dark.data != nullptr) {
    load_cell(q.dark, offset_of(q.dark, at) + i * q.dark.cell_col, dark);
  }
  synthesize<1>(model_of(q), p, stream, static_cast<uint32_t>(q.origin_row + at.row),
                static_cast<uint32_t>(q.origin_col + at.col + i), rows, columns, dark, value);
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) shared.staged.value[i][site][thread] = value[site][0];
}

// What a group becomes, one after another; the last always.
enum Result : int { kCleanTarget, kNoiseLevel, kNoisy };

// The waiting cell i of a thread, in place, to what is wanted beside the noise.
LRD_DEVICE void derive_cell(Result result, int i, int thread, TileShared& shared) {
  const SampleParams& p = shared.params;
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) {
    float& x = shared.staged.value[i][site][thread];
    x = result == kCleanTarget ? clean_target(shared.targets, site, x)
                               : noise_level(shared.targets, site, (x - p.signal_offset[site]) * p.signal_scale[site]);
  }
}

// n <= kGroup cells from at on, in the tile that begins at first. A loop over the results, which reads the group anew
// for each, because the code of a load and a store is too long to stand three times.
LRD_DEVICE void synthesize_group(const Request& q, const Vectors& vectors, const Stream& stream, const Cell& first,
                                 const Cell& at, int n, int thread, TileShared& shared) {
  LRD_KEEP_LOOP
  for (int result = wants_targets(q) ? kCleanTarget : kNoisy; result <= kNoisy; ++result) {
    const Frames& target = result == kCleanTarget ? q.clean_out : result == kNoiseLevel ? q.sigma_out : q.out;
    const bool whole = result == kCleanTarget  ? vectors.clean_out
                       : result == kNoiseLevel ? vectors.sigma_out
                                               : vectors.out;
    if (target.data == nullptr) continue;
    load_group(q.clean, offset_of(q.clean, at), vectors.clean, n, shared.staged, thread);
    LRD_KEEP_LOOP
    for (int i = 0; i < n; ++i) {
      LRD_READ_ANEW();  // parameters kept in registers through the loop would take a third of them
      if (result == kNoisy) {
        synthesize_cell(q, stream, first, at, i, thread, shared);
      } else {
        derive_cell(static_cast<Result>(result), i, thread, shared);
      }
    }
    store_group(target, offset_of(target, at), whole, n, shared.staged, thread);
  }
}

LRD_DEVICE void synthesize_tile(const Request& q, const Vectors& vectors, const Cell& first, int thread,
                                TileShared& shared) {
  const Stream stream = stream_of(q, first.sample);
  fill_shared(q, first, stream, thread, shared);
  LRD_BARRIER();
  LRD_KEEP_LOOP
  for (int group = thread; group < kGroups; group += kThreads) {
    const Cell at = {first.sample, first.row + group / kGroupsAcross, first.col + group % kGroupsAcross * kGroup};
    const int64_t left = q.cell_cols - at.col;
    if (at.row >= q.cell_rows || left <= 0) continue;
    const int n = left < kGroup ? static_cast<int>(left) : kGroup;
    synthesize_group(q, vectors, stream, first, at, n, thread, shared);
  }
  LRD_BARRIER();  // the next tile overwrites what this one shares
}

// Tiles are counted in three directions, so that finding one needs no division.
LRD_KERNEL(kThreads) physics_kernel(const Request q, const Vectors vectors) {
  LRD_SHARED TileShared shared;
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t row_step = int64_t{gridDim.y} * kTileCellRows, col_step = int64_t{gridDim.x} * kTileCellCols;
  fill_normal_octaves(thread);
  LRD_BARRIER();
  for (int64_t sample = blockIdx.z; sample < q.batch; sample += gridDim.z) {
    for (int64_t row = int64_t{blockIdx.y} * kTileCellRows; row < q.cell_rows; row += row_step) {
      for (int64_t col = int64_t{blockIdx.x} * kTileCellCols; col < q.cell_cols; col += col_step) {
        synthesize_tile(q, vectors, {sample, row, col}, thread, shared);
      }
    }
  }
}

}  // namespace lrd::LRD_ISA
