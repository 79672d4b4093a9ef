// SPDX-License-Identifier: Apache-2.0
// What a tile keeps where the table holds what the sensor adds; nothing of it is compiled into the tile without.
#pragma once

#include "../noise/body.h"
#include "../noise/lines.h"
#include "../noise/sample.h"

namespace lrd::LRD_ISA {
namespace {

// The log-normal quantiles of one sample after another: samples of one spread in a row share them.
class LogNormalTable {
 public:
  const float* of(float spread) {
    if (!made_ || spread != spread_) {
      for (int knot = 0; knot < kKnots; ++knot) table_[knot] = log_normal_knot(knot, spread);
    }
    made_ = true;
    spread_ = spread;
    return table_;
  }

 private:
  bool made_ = false;
  float spread_ = 0.0f;
  float table_[kKnots];
};

template <bool kSensor>
struct SensorTile {
  SensorTile(const Request&, int64_t, const Stream&, uint32_t, uint32_t, LogNormalTable&) {}
};

template <>
struct SensorTile<true> {
  const SensorRow& row;
  Body body;
  BodyWords<kTileCellCols> words;
  float rows[kTileCellRows][2], columns[2][kTileCellCols], drift[4];  // fixed offsets of lines, DN

  SensorTile(const Request& q, int64_t sample, const Stream& frame, uint32_t cell_row, uint32_t cell_col,
             LogNormalTable& table)
      : row(sensor_row_of(q, sample)), words(body_stream_of(q, sample), cell_col) {
    const Stream stream = body_stream_of(q, sample);
    const float* quantiles = draws_dark_current(row) ? table.of(row.dark_current_spread) : nullptr;
    body = body_of(row, row_of(q, sample).K, stream, frame, quantiles);
    row_noise<kTileCellRows>(stream, row.sigma_row_fixed, cell_row, rows, kFixedRow);
    column_noise<kTileCellCols>(stream, row.sigma_col_fixed, cell_col, columns, kFixedColumn);
    LRD_ISA::drift(frame, row.sigma_drift, drift);
  }
};

constexpr int kTapLanes = 16;  // cells before the first whose deviates are drawn, whole registers of them
static_assert(kTapLanes >= kTapCells, "as far as taps reach");

// Coloured noise of a tile's lines in place of the white one.
inline void coloured_lines(const SensorRow& row, const TableRow& figures, const Stream& frame, uint32_t cell_row,
                           uint32_t cell_col, float (&rows)[kTileCellRows][2], float (&columns)[2][kTileCellCols]) {
  constexpr int kDown = kTileCellRows + kTapLanes, kAcross = kTileCellCols + kTapLanes;
  float white[kDown][2], pairs[2][kAcross], line[2 * kAcross];
  const Waves down = waves_of(frame, kRowWaves, row.row_waves), across = waves_of(frame, kColumnWaves, row.col_waves);
  row_noise<kDown>(frame, 1.0f, cell_row - kTapLanes, white);
  for (int i = 0; i < 2 * kTileCellRows; ++i) {
    rows[i / 2][i % 2] = line_noise(&white[0][0] + (2 * kTapLanes - kTaps + 1) + i, row.row_taps, figures.sigma_row,
                                    down, 2 * cell_row + static_cast<uint32_t>(i));
  }
  column_noise<kAcross>(frame, 1.0f, cell_col - kTapLanes, pairs);
  for (int i = 0; i < kAcross; ++i) {
    line[2 * i] = pairs[0][i];
    line[2 * i + 1] = pairs[1][i];
  }
  for (int i = 0; i < 2 * kTileCellCols; ++i) {
    columns[i % 2][i / 2] = line_noise(line + (2 * kTapLanes - kTaps + 1) + i, row.col_taps, figures.sigma_col, across,
                                       2 * cell_col + static_cast<uint32_t>(i));
  }
}

}  // namespace
}  // namespace lrd::LRD_ISA
