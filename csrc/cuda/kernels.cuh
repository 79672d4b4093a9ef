// SPDX-License-Identifier: Apache-2.0
// Kernel bodies of the CUDA executor. No launch syntax and no CUDA header: tests/cuda runs this very text on the host.
//
// A block works on one tile of cells at a time, at most as large as the CPU executor's. Row and column noise and the
// parameters are worked out once per tile, in shared memory. Then the threads take cells, neighbours next to each
// other.
#pragma once

#include "../noise/sample.h"
#include "../noise/site.h"
#include "elements.cuh"

namespace lrd::LRD_ISA {

// Small blocks: fewer warps wait while one fills what a tile shares.
constexpr int kThreads = 128;
constexpr int kRowsAtOnce = kThreads / kTileCellCols;

// A warp's cells lie in two rows, which two methods of the Poisson quantile share less often than one long row.
constexpr int kWarp = 32, kWarpRows = 2, kWarpCols = kWarp / kWarpRows, kWarpsAcross = kTileCellCols / kWarpCols;

// Calls as training makes them run without the code for others, which would cost registers and instructions.
inline bool is_usual(const Request& q) {
  return q.shot && q.quantize == static_cast<int>(Quantize::kRound) && q.dark.data == nullptr && !q.has_quantiles;
}

// A usual call, in words that the compiler reads.
LRD_DEVICE Request usual(Request q) {
  q.shot = true;
  q.quantize = static_cast<int>(Quantize::kRound);
  q.dark.data = nullptr;
  q.has_quantiles = false;
  return q;
}

// What a block keeps of the sample it works on.
struct SampleShared {
  SampleParams params;
  CellConversion conversion;
  Targets targets;  // where they are wanted
};

struct Cell {
  int64_t sample, row, col;
};

struct TileShared {
  SampleShared sample;
  Stream stream;
  Cell first;
  float rows[kTileCellRows][2];
  float columns[2][kTileCellCols];
};

// What figures of the sensor add to a cell: nothing, where a call brings none. SensorShared (sensor_shared.cuh) is the
// other.
struct NoSensor {
  static constexpr float step = 1.0f;
  LRD_DEVICE void add(const Stream&, uint32_t, uint32_t, int, int, float (&)[4][1], float (&)[4][1]) const {}
};

LRD_DEVICE NoSensor sensor_of(const TileShared&) { return {}; }

LRD_DEVICE int64_t offset_of(const Frames& f, const Cell& at) { return offset_of(f, at.sample, at.row, at.col); }

// By one thread. sigma_init: of the learned generator, or 0.
LRD_DEVICE void fill_sample(const Request& q, int64_t sample, float sigma_init, SampleShared& shared) {
  shared.params = params_of(q, sample);
  shared.conversion = cell_conversion(model_of(q), shared.params);
  if (wants_targets(q)) shared.targets = targets_of(q, sample, sigma_init);
}

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
  if (thread < kOctaves) keep_normal_octave(thread, kNormalOctaves);
}

// Of a sample's read noise, by a warp that has nothing else to draw; a table of quantiles stays in global memory.
LRD_DEVICE void fill_read_octaves(const TableRow& row, int cell) {
  const ReadModel read = read_model(row.read, row.sigma_read, row.tukey_lambda);
  if (cell >= 0 && cell < kOctaves && read.which != Read::kNone) keep_read_octave(read, cell);
}

// The tile's sample, by threads whose warps draw no lines.
LRD_DEVICE void fill_tile(const Request& q, const Cell& first, int thread, TileShared& shared) {
  constexpr int kFree = kTileCellCols + kTileCellRows;
  if (thread == 0) {
    fill_sample(q, first.sample, 0.0f, shared.sample);
    shared.stream = stream_of(q, first.sample);
    shared.first = first;
  }
  fill_read_octaves(row_of(q, first.sample), thread - kFree);
}

// The tile's row and column noise.
LRD_DEVICE void draw_lines(const Request& q, int thread, TileShared& shared) {
  const Cell& first = shared.first;
  const TableRow& row = row_of(q, first.sample);
  if (thread < kTileCellCols) {
    keep_column_noise(shared.stream, row.sigma_col, q.origin_col + first.col + thread, thread, shared.columns);
  } else if (thread < kTileCellCols + kTileCellRows) {
    const int i = thread - kTileCellCols;
    keep_row_noise(shared.stream, row.sigma_row, q.origin_row + first.row + i, shared.rows[i]);
  }
}

// What is wanted of a cell beside the noise. clean: as its frame holds it.
LRD_DEVICE void store_targets(const Request& q, const Cell& at, const SampleShared& sample,
                              const float (&clean)[4][1]) {
  const SampleParams& p = sample.params;
  float value[4][1];
  if (q.clean_out.data != nullptr) {
    LRD_UNROLL
    for (int site = 0; site < 4; ++site) value[site][0] = clean_target(sample.targets, site, clean[site][0]);
    store_cell(planes_of(q.clean_out), offset_of(q.clean_out, at), value);
  }
  if (q.sigma_out.data != nullptr) {
    LRD_UNROLL
    for (int site = 0; site < 4; ++site) {
      const float signal = (clean[site][0] - p.signal_offset[site]) * p.signal_scale[site];
      value[site][0] = noise_level(sample.targets, site, signal);
    }
    store_cell(planes_of(q.sigma_out), offset_of(q.sigma_out, at), value);
  }
}

// What every cell is read from and written to.
struct ThroughPlanes {
  Planes clean, out;
};

inline ThroughPlanes through_planes(const Request& q) { return {planes_of(q.clean), planes_of(q.out)}; }

// The cell that lies so far from the first one.
LRD_DEVICE Cell cell_from(const Cell& first, int row, int col) {
  return {first.sample, first.row + row, first.col + col};
}

// One cell from clean to out, where it lies at these elements. noise: its learned noise by site, DN, or null.
template <typename Sensor>
LRD_DEVICE void finish_cell(const Request& q, const ThroughPlanes& planes, const Stream& stream, const Cell& first,
                            int row, int col, int64_t clean, int64_t out, const float (&rows)[2],
                            const float (&columns)[2][1], const SampleShared& sample, const Sensor& sensor,
                            const float (*noise)[1]) {
  const SampleParams& p = sample.params;
  float value[4][1], dark[4][1] = {{-0.0f}, {-0.0f}, {-0.0f}, {-0.0f}};  // what adding changes nothing
  load_cell(planes.clean, clean, value);
  if (wants_targets(q)) store_targets(q, cell_from(first, row, col), sample, value);
  if (q.dark.data != nullptr) load_cell(planes_of(q.dark), offset_of(q.dark, cell_from(first, row, col)), dark);
  if (planes.clean.dtype == Dtype::kUint16) {
    LRD_UNROLL
    for (int site = 0; site < 4; ++site) value[site][0] -= p.signal_offset[site];
  }
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) value[site][0] *= p.signal_scale[site];
  const uint32_t cell_row = static_cast<uint32_t>(q.origin_row + first.row + row);
  const uint32_t cell_col = static_cast<uint32_t>(q.origin_col + first.col + col);
  sensor.add(stream, cell_row, cell_col, row, col, value, dark);
  synthesize<1>(model_of(q), p, SiteWords<1>(stream, cell_col), cell_row, rows, columns, dark, value, noise,
                &sample.conversion, sensor.step);
  store_cell(planes.out, out, value);
}

// tile_rows cell rows from first on. A thread's cells lie below one another, every kRowsAtOnce rows. Shared:
// TileShared, or what sensor_kernel.cuh makes of it, with a fill_tile, draw_lines and sensor_of of its own.
template <typename Shared>
LRD_DEVICE void synthesize_tile(const Request& q, const ThroughPlanes& planes, const Cell& first, int tile_rows,
                                int thread, Shared& shared) {
  fill_tile(q, first, thread, shared);
  LRD_BARRIER();
  draw_lines(q, thread, shared);
  LRD_BARRIER();
  const unsigned warp = static_cast<unsigned>(thread) / kWarp, lane = static_cast<unsigned>(thread) % kWarp;
  const int col = static_cast<int>(warp % kWarpsAcross * kWarpCols + lane % kWarpCols);
  const int64_t left = first.col + col < q.cell_cols ? q.cell_rows - first.row : 0;
  const int end = left < tile_rows ? static_cast<int>(left) : tile_rows;
  int row = static_cast<int>(warp / kWarpsAcross * kWarpRows + lane / kWarpCols);
  int64_t clean = offset_of(q.clean, cell_from(first, row, col)), out = offset_of(q.out, cell_from(first, row, col));
  LRD_KEEP_LOOP
  for (; row < end; row += kRowsAtOnce) {
    LRD_READ_ANEW();  // parameters kept in registers through the loop would take a third of them
    const float (&rows)[2] = shared.rows[row];
    const float columns[2][1] = {{shared.columns[0][col]}, {shared.columns[1][col]}};
    finish_cell(q, planes, shared.stream, shared.first, row, col, clean, out, rows, columns, shared.sample,
                sensor_of(shared), nullptr);
    clean += kRowsAtOnce * q.clean.cell_row;
    out += kRowsAtOnce * q.out.cell_row;
  }
  LRD_BARRIER();  // the next tile overwrites what this one shares
}

// A block's tiles, counted in three directions, so that finding one needs no division. tile_rows: at most
// kTileCellRows.
template <typename Shared>
LRD_DEVICE void synthesize_tiles(const Request& q, const ThroughPlanes& planes, int tile_rows, int thread,
                                 Shared& shared) {
  for (int64_t sample = blockIdx.z; sample < q.batch; sample += gridDim.z) {
    for (unsigned down = blockIdx.y; int64_t{down} * tile_rows < q.cell_rows; down += gridDim.y) {
      for (unsigned across = blockIdx.x; int64_t{across} * kTileCellCols < q.cell_cols; across += gridDim.x) {
        const Cell first = {sample, int64_t{down} * tile_rows, int64_t{across} * kTileCellCols};
        synthesize_tile(q, planes, first, tile_rows, thread, shared);
      }
    }
  }
}

// Of usual calls on a multiprocessor; before sm_90 a few registers of six spill.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
constexpr int kUsualBlocks = 5;
#else
constexpr int kUsualBlocks = 6;
#endif

template <bool kUsual>
LRD_KERNEL(kThreads, kUsual ? kUsualBlocks : 4)
physics_kernel(const Request call, const ThroughPlanes planes, const int tile_rows) {
  LRD_SHARED TileShared shared;
  const int thread = static_cast<int>(threadIdx.x);
  fill_normal_octaves(thread);
  synthesize_tiles(kUsual ? usual(call) : call, planes, tile_rows, thread, shared);
}

}  // namespace lrd::LRD_ISA
