// SPDX-License-Identifier: Apache-2.0
// The physics kernel for calls whose table holds what the sensor adds: a kernel of its own, so that those without keep
// theirs. No launch syntax: tests/cuda runs this very text on the host.
//
// A block works on one tile of cells at a time, as physics_kernel. What is drawn by line and the parameters are worked
// out once per tile, in shared memory; then each thread takes cells, one by one.
#pragma once

#include "../noise/body.h"
#include "../noise/lines.h"
#include "kernels.cuh"

namespace lrd::LRD_ISA {

constexpr int kSensorThreads = 256;

constexpr int kWhiteRows = kTileCellRows + kTapCells, kWhiteCols = kTileCellCols + kTapCells;

struct SensorShared {
  SampleShared sample;
  Cell first;  // of the tile
  Body body;
  Waves row_waves, col_waves;
  float step;
  float white_rows[2 * kWhiteRows],
      white_cols[2 * kWhiteCols];                           // deviates by line, from kTapCells cells before the tile
  float rows[kTileCellRows][2], columns[2][kTileCellCols];  // what a frame draws by line, DN
  float fixed_rows[kTileCellRows][2], fixed_columns[2][kTileCellCols];
};

// By one thread: all but what is drawn by line.
LRD_DEVICE void fill_sensor(const Request& q, int64_t sample, const Stream& frame, const Stream& body,
                            SensorShared& shared) {
  const SensorRow& row = sensor_row_of(q, sample);
  fill_sample(q, sample, 0.0f, shared.sample);
  float level[4];
  drift(frame, row.sigma_drift, level);
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) shared.sample.params.bias[site] += level[site];
  shared.body = body_of(row, shared.sample.params.K, body, frame);
  shared.step = row.step;
  shared.row_waves = waves_of(frame, kRowWaves, row.row_waves);
  shared.col_waves = waves_of(frame, kColumnWaves, row.col_waves);
}

// White deviates of the lines and the body's offsets of lines, each by threads of their own.
LRD_DEVICE void draw_by_line(const Request& q, const Cell& first, const Stream& frame, const Stream& body, int thread,
                             SensorShared& shared) {
  const SensorRow& row = sensor_row_of(q, first.sample);
  const int64_t top = q.origin_row + first.row, left = q.origin_col + first.col;
  LRD_KEEP_LOOP
  for (int i = thread; i < kWhiteRows + kWhiteCols; i += kSensorThreads) {
    const bool across = i >= kWhiteRows;
    const int at = across ? i - kWhiteRows : i;
    float* line = (across ? shared.white_cols : shared.white_rows) + 2 * at;
    const Words w = across ? words(frame, kColumn, 0, static_cast<uint32_t>(left + at - kTapCells))
                           : words(frame, kRow, static_cast<uint32_t>(top + at - kTapCells), 0);
    line[0] = normal_quantile(w.v[0]);
    line[1] = normal_quantile(w.v[1]);
  }
  LRD_KEEP_LOOP
  for (int i = kSensorThreads - 1 - thread; i < kTileCellRows + kTileCellCols; i += kSensorThreads) {
    if (i < kTileCellRows) {
      row_noise(body, row.sigma_row_fixed, static_cast<uint32_t>(top + i), shared.fixed_rows[i], kFixedRow);
    } else {
      const int at = i - kTileCellRows;
      float pair[2][1];
      column_noise<1>(body, row.sigma_col_fixed, static_cast<uint32_t>(left + at), pair, kFixedColumn);
      shared.fixed_columns[0][at] = pair[0][0];
      shared.fixed_columns[1][at] = pair[1][0];
    }
  }
}

// The lines' noise out of their white deviates, a line a thread.
LRD_DEVICE void colour_lines(const Request& q, const Cell& first, int thread, SensorShared& shared) {
  const TableRow& figures = row_of(q, first.sample);
  const SensorRow& row = sensor_row_of(q, first.sample);
  if (thread < 2 * kTileCellRows) {
    const uint32_t line = 2 * static_cast<uint32_t>(q.origin_row + first.row) + static_cast<uint32_t>(thread);
    float noise[1];
    line_noise(shared.white_rows + thread, row.row_taps, figures.sigma_row, shared.row_waves, line, noise);
    shared.rows[thread / 2][thread % 2] = noise[0];
  } else if (thread < 2 * (kTileCellRows + kTileCellCols)) {
    const int at = thread - 2 * kTileCellRows;
    const uint32_t line = 2 * static_cast<uint32_t>(q.origin_col + first.col) + static_cast<uint32_t>(at);
    float noise[1];
    line_noise(shared.white_cols + at, row.col_taps, figures.sigma_col, shared.col_waves, line, noise);
    shared.columns[at % 2][at / 2] = noise[0];
  }
}

LRD_DEVICE void synthesize_sensor_cell(const Request& q, const ThroughPlanes& planes, int row, int col,
                                       const SensorShared& shared) {
  const SampleParams& p = shared.sample.params;
  const Cell at = cell_from(shared.first, row, col);
  const uint32_t cell_row = static_cast<uint32_t>(q.origin_row + at.row);
  const uint32_t cell_col = static_cast<uint32_t>(q.origin_col + at.col);
  float value[4][1], offset[4][1] = {};
  load_cell(planes.clean, offset_of(q.clean, at), value);
  if (wants_targets(q)) store_targets(q, at, shared.sample, value);
  if (q.dark.data != nullptr) load_cell(planes_of(q.dark), offset_of(q.dark, at), offset);
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) {
    value[site][0] = (value[site][0] - p.signal_offset[site]) * p.signal_scale[site];
  }
  const float fixed_rows[2] = {shared.fixed_rows[row][0], shared.fixed_rows[row][1]};
  const float fixed_columns[2][1] = {{shared.fixed_columns[0][col]}, {shared.fixed_columns[1][col]}};
  add_body<1>(shared.body, BodyWords<1>(shared.body.stream, cell_col), cell_row, cell_col, fixed_rows, fixed_columns,
              value, offset);
  const float rows[2] = {shared.rows[row][0], shared.rows[row][1]};
  const float columns[2][1] = {{shared.columns[0][col]}, {shared.columns[1][col]}};
  synthesize<1>(model_of(q), p, SiteWords<1>(shared.body.dark.frame, cell_col), cell_row, rows, columns, offset, value,
                nullptr, &shared.sample.conversion, shared.step);
  store_cell(planes.out, offset_of(q.out, at), value);
}

LRD_DEVICE void synthesize_sensor_tile(const Request& q, const ThroughPlanes& planes, const Cell& first, int thread,
                                       SensorShared& shared) {
  const Stream frame = stream_of(q, first.sample), body = body_stream_of(q, first.sample);
  draw_by_line(q, first, frame, body, thread, shared);
  if (thread == kSensorThreads / 2) {
    fill_sensor(q, first.sample, frame, body, shared);
    shared.first = first;
  }
  fill_read_octaves(row_of(q, first.sample), thread - 32);
  LRD_BARRIER();
  colour_lines(q, first, thread, shared);
  LRD_BARRIER();
  LRD_KEEP_LOOP
  for (int i = thread; i < kTileCellRows * kTileCellCols; i += kSensorThreads) {
    LRD_READ_ANEW();  // parameters kept in registers through the loop would spill others
    const int row = i / kTileCellCols, col = i % kTileCellCols;
    if (shared.first.row + row < q.cell_rows && shared.first.col + col < q.cell_cols) {
      synthesize_sensor_cell(q, planes, row, col, shared);
    }
  }
  LRD_BARRIER();  // the next tile overwrites what this one shares
}

LRD_KERNEL(kSensorThreads, 1) sensor_kernel(const Request q, const ThroughPlanes planes) {
  LRD_SHARED SensorShared shared;
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t row_step = int64_t{gridDim.y} * kTileCellRows, col_step = int64_t{gridDim.x} * kTileCellCols;
  fill_normal_octaves(thread);
  LRD_BARRIER();
  for (int64_t sample = blockIdx.z; sample < q.batch; sample += gridDim.z) {
    for (int64_t row = int64_t{blockIdx.y} * kTileCellRows; row < q.cell_rows; row += row_step) {
      for (int64_t col = int64_t{blockIdx.x} * kTileCellCols; col < q.cell_cols; col += col_step) {
        synthesize_sensor_tile(q, planes, {sample, row, col}, thread, shared);
      }
    }
  }
}

}  // namespace lrd::LRD_ISA
