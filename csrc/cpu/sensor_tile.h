// SPDX-License-Identifier: Apache-2.0
// What a tile keeps where the table holds what the sensor adds; nothing of it is compiled into the tile without.
#pragma once

#include "../noise/body.h"
#include "../noise/lines.h"
#include "../noise/sample.h"

namespace lrd::LRD_ISA {
namespace {

// What is drawn by row, DN: the frame's noise and the body's offsets. Tiles side by side share it.
struct SensorRows {
  int64_t sample = -1;
  uint32_t cell_row;
  float noise[kTileCellRows][2], fixed[kTileCellRows][2];
};

// What is drawn of the body in a tile: the same in every frame of the body.
struct BodyTile {
  uint32_t place[7] = {};  // whose it is: the stream, the first cell, and which parts were drawn; 0 of these: none
  BodyDraws<kTileCellCols> rows[kTileCellRows];

  // Whether it is that already; from now on it is.
  bool holds(const Body& b, uint32_t cell_row, uint32_t cell_col) {
    const uint32_t parts = b.has_pattern + 2u * b.has_dark_current + 4u * spreads(b.dark);
    const Stream& s = b.stream;
    const uint32_t asked[7] = {s.key0, s.key1, s.index_low, s.index_high, cell_row, cell_col, parts};
    if (memcmp(place, asked, sizeof place) == 0) return true;
    memcpy(place, asked, sizeof place);
    return false;
  }
};

// What one tile may leave for the next. Hundreds of KB of stack, touched only where there is a sensor.
struct Kept {
  ReadOctaves octaves;
  SensorRows rows;
  BodyTile body;
};

template <int N, bool kSensor>
struct SensorTile {
  SensorTile(const Request&, int64_t, const Stream&, uint32_t) {}
};

template <int N>
struct SensorTile<N, true> {
  const SensorRow& row;
  Body body;
  BodyWords<N> words;
  BodyDraws<N> draws;             // of one row, where no tile of them is kept
  float columns[2][N], drift[4];  // fixed offsets of lines, DN

  SensorTile(const Request& q, int64_t sample, const Stream& frame, uint32_t cell_col)
      : row(sensor_row_of(q, sample)),
        body(body_of(row, row_of(q, sample).K, body_stream_of(q, sample))),
        words(body.stream, cell_col) {
    if (body.has_lines) column_noise<N>(body.stream, row.sigma_col_fixed, cell_col, columns, kFixedColumn);
    LRD_ISA::drift(frame, row.sigma_drift, drift);
  }
};

constexpr int kTapLanes = 16;  // cells before the first whose deviates are drawn, whole registers of them
static_assert(kTapLanes >= kTapCells, "as far as taps reach");

constexpr int kFirstWhite = 2 * kTapLanes - kTaps + 1;

// Coloured noise of kTileCellRows cell rows in place of the white one, and of N cells' columns.
inline void coloured_rows(const SensorRow& row, const TableRow& figures, const Stream& frame, uint32_t cell_row,
                          float (&rows)[kTileCellRows][2]) {
  constexpr int kDown = kTileCellRows + kTapLanes;
  float white[kDown][2], upright[2 * kTileCellRows];
  row_noise<kDown>(frame, 1.0f, cell_row - kTapLanes, white);
  const Waves waves = waves_of(frame, kRowWaves, row.row_waves);
  line_noise(&white[0][0] + kFirstWhite, row.row_taps, figures.sigma_row, waves, 2 * cell_row, upright);
  memcpy(rows, upright, sizeof upright);
}

// The rows from a tile's cell_row on, as they were kept or anew.
inline void draw_rows(const SensorRow& row, const TableRow& figures, const Stream& frame, const Body& body,
                      int64_t sample, uint32_t cell_row, SensorRows& rows) {
  if (rows.sample == sample && rows.cell_row == cell_row) return;
  coloured_rows(row, figures, frame, cell_row, rows.noise);
  if (body.has_lines) row_noise<kTileCellRows>(body.stream, row.sigma_row_fixed, cell_row, rows.fixed, kFixedRow);
  rows.sample = sample;
  rows.cell_row = cell_row;
}

template <int N>
void coloured_columns(const SensorRow& row, const TableRow& figures, const Stream& frame, uint32_t cell_col,
                      float (&columns)[2][N]) {
  constexpr int kAcross = N + kTapLanes;
  float pairs[2][kAcross], line[2 * kAcross], flat[2 * N];
  column_noise<kAcross>(frame, 1.0f, cell_col - kTapLanes, pairs);
  for (int i = 0; i < kAcross; ++i) {
    line[2 * i] = pairs[0][i];
    line[2 * i + 1] = pairs[1][i];
  }
  const Waves waves = waves_of(frame, kColumnWaves, row.col_waves);
  line_noise(line + kFirstWhite, row.col_taps, figures.sigma_col, waves, 2 * cell_col, flat);
  for (int i = 0; i < N; ++i) {
    columns[0][i] = flat[2 * i];
    columns[1][i] = flat[2 * i + 1];
  }
}

}  // namespace
}  // namespace lrd::LRD_ISA
