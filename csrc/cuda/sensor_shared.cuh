// SPDX-License-Identifier: Apache-2.0
// What a block keeps of what the sensor adds (csrc/noise/body.h, lines.h) to the cells it works on, a tile's or a
// strip's, and how it is filled: white deviates and what is fixed by line, then, behind a barrier, the lines' colour.
#pragma once

#include "../noise/body.h"
#include "../noise/lines.h"
#include "kernels.cuh"

namespace lrd::LRD_ISA {

// White deviates by mosaic line, from kTapCells cells before the first one. Needed until the lines have their colour.
template <int kRows, int kCols>
struct WhiteLines {
  float rows[2 * (kRows + kTapCells)], cols[2 * (kCols + kTapCells)];
};

template <int kRows, int kCols>
struct SensorShared {
  Body body;
  Waves row_waves, col_waves;
  float step;
  float fixed_rows[kRows][2], fixed_columns[2][kCols];  // DN

  // frame: of the sample's own stream; row, col: of the cell, in the tile or strip.
  LRD_DEVICE void add(const Stream& frame, uint32_t cell_row, uint32_t cell_col, int row, int col, float (&value)[4][1],
                      float (&offset)[4][1]) const {
    const float rows[2] = {fixed_rows[row][0], fixed_rows[row][1]};
    const float columns[2][1] = {{fixed_columns[0][col]}, {fixed_columns[1][col]}};
    add_body(body, frame, cell_row, cell_col, rows, columns, value, offset);
  }
};

// By the thread that has filled sample: all but what is drawn by line.
template <int kRows, int kCols>
LRD_DEVICE void fill_sensor(const Request& q, int64_t sample, const Stream& frame, SampleShared& shared,
                            SensorShared<kRows, kCols>& sensor) {
  const SensorRow& row = sensor_row_of(q, sample);
  float level[4];
  drift(frame, row.sigma_drift, level);
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) shared.params.bias[site] += level[site];
  sensor.body = body_of(row, shared.params.K, body_stream_of(q, sample));
  sensor.step = row.step;
  sensor.row_waves = waves_of(frame, kRowWaves, row.row_waves);
  sensor.col_waves = waves_of(frame, kColumnWaves, row.col_waves);
}

// White deviates of the lines from first on, and the body's offsets of lines.
template <int kThreads, int kRows, int kCols>
LRD_DEVICE void draw_by_line(const Request& q, const Cell& first, const Stream& frame, int thread,
                             WhiteLines<kRows, kCols>& white, SensorShared<kRows, kCols>& sensor) {
  const SensorRow& row = sensor_row_of(q, first.sample);
  const Stream body = body_stream_of(q, first.sample);
  const uint32_t top = static_cast<uint32_t>(q.origin_row + first.row);
  const uint32_t left = static_cast<uint32_t>(q.origin_col + first.col);
  constexpr int kDown = kRows + kTapCells, kAcross = kCols + kTapCells;
  LRD_KEEP_LOOP
  for (int i = thread; i < kDown + kAcross; i += kThreads) {
    const bool across = i >= kDown;
    const uint32_t at = static_cast<uint32_t>(across ? i - kDown : i), behind = at - kTapCells;
    float* line = (across ? white.cols : white.rows) + 2 * at;
    const Words w = across ? words(frame, kColumn, 0, left + behind) : words(frame, kRow, top + behind, 0);
    line[0] = normal_quantile(w.v[0]);
    line[1] = normal_quantile(w.v[1]);
  }
  LRD_KEEP_LOOP
  for (int i = kThreads - 1 - thread; i < kRows + kCols; i += kThreads) {
    if (i < kRows) {
      row_noise(body, row.sigma_row_fixed, top + static_cast<uint32_t>(i), sensor.fixed_rows[i], kFixedRow);
    } else {
      float pair[2][1];
      column_noise<1>(body, row.sigma_col_fixed, left + static_cast<uint32_t>(i - kRows), pair, kFixedColumn);
      sensor.fixed_columns[0][i - kRows] = pair[0][0];
      sensor.fixed_columns[1][i - kRows] = pair[1][0];
    }
  }
}

// The lines' noise out of their white deviates, DN.
template <int kThreads, int kRows, int kCols>
LRD_DEVICE void colour_lines(const Request& q, const Cell& first, int thread, const WhiteLines<kRows, kCols>& white,
                             const SensorShared<kRows, kCols>& sensor, float (&rows)[kRows][2],
                             float (&columns)[2][kCols]) {
  const TableRow& figures = row_of(q, first.sample);
  const SensorRow& row = sensor_row_of(q, first.sample);
  LRD_KEEP_LOOP
  for (int i = thread; i < 2 * (kRows + kCols); i += kThreads) {
    const bool across = i >= 2 * kRows;
    const int at = across ? i - 2 * kRows : i;
    const int64_t cell = across ? q.origin_col + first.col : q.origin_row + first.row;
    float noise[1];
    line_noise((across ? white.cols : white.rows) + at, across ? row.col_taps : row.row_taps,
               across ? figures.sigma_col : figures.sigma_row, across ? sensor.col_waves : sensor.row_waves,
               2 * static_cast<uint32_t>(cell) + static_cast<uint32_t>(at), noise);
    (across ? columns[at % 2][at / 2] : rows[at / 2][at % 2]) = noise[0];
  }
}

}  // namespace lrd::LRD_ISA
