// SPDX-License-Identifier: Apache-2.0
// What a tile keeps where the table holds what the sensor adds; nothing of it is compiled into the tile without.
#pragma once

#include "../noise/body.h"
#include "../noise/lines.h"
#include "../noise/sample.h"

namespace lrd::LRD_ISA {
namespace {

template <int N, bool kSensor>
struct SensorTile {
  SensorTile(const Request&, int64_t, const Stream&, uint32_t, uint32_t) {}
};

template <int N>
struct SensorTile<N, true> {
  const SensorRow& row;
  Body body;
  BodyWords<N> words;
  float rows[kTileCellRows][2], columns[2][N], drift[4];  // fixed offsets of lines, DN

  SensorTile(const Request& q, int64_t sample, const Stream& frame, uint32_t cell_row, uint32_t cell_col)
      : row(sensor_row_of(q, sample)), words(body_stream_of(q, sample), cell_col) {
    const Stream stream = body_stream_of(q, sample);
    body = body_of(row, row_of(q, sample).K, stream, frame);
    row_noise<kTileCellRows>(stream, row.sigma_row_fixed, cell_row, rows, kFixedRow);
    column_noise<N>(stream, row.sigma_col_fixed, cell_col, columns, kFixedColumn);
    LRD_ISA::drift(frame, row.sigma_drift, drift);
  }
};

constexpr int kTapLanes = 16;  // cells before the first whose deviates are drawn, whole registers of them
static_assert(kTapLanes >= kTapCells, "as far as taps reach");

// Coloured noise of a tile's lines in place of the white one.
template <int N>
void coloured_lines(const SensorRow& row, const TableRow& figures, const Stream& frame, uint32_t cell_row,
                    uint32_t cell_col, float (&rows)[kTileCellRows][2], float (&columns)[2][N]) {
  constexpr int kDown = kTileCellRows + kTapLanes, kAcross = N + kTapLanes;
  float white[kDown][2], pairs[2][kAcross], line[2 * kAcross];
  const Waves down = waves_of(frame, kRowWaves, row.row_waves), across = waves_of(frame, kColumnWaves, row.col_waves);
  row_noise<kDown>(frame, 1.0f, cell_row - kTapLanes, white);
  constexpr int kFirst = 2 * kTapLanes - kTaps + 1;
  float flat[2 * N], upright[2 * kTileCellRows];
  line_noise(&white[0][0] + kFirst, row.row_taps, figures.sigma_row, down, 2 * cell_row, upright);
  memcpy(rows, upright, sizeof upright);
  column_noise<kAcross>(frame, 1.0f, cell_col - kTapLanes, pairs);
  for (int i = 0; i < kAcross; ++i) {
    line[2 * i] = pairs[0][i];
    line[2 * i + 1] = pairs[1][i];
  }
  line_noise(line + kFirst, row.col_taps, figures.sigma_col, across, 2 * cell_col, flat);
  for (int i = 0; i < N; ++i) {
    columns[0][i] = flat[2 * i];
    columns[1][i] = flat[2 * i + 1];
  }
}

}  // namespace
}  // namespace lrd::LRD_ISA
