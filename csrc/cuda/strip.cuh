// SPDX-License-Identifier: Apache-2.0
// What a block keeps of a strip of cells while the learned generator's conv stack runs down it, and all that is drawn
// for it. Mirrors begin_tile, draw_input_row and sum_lines of csrc/noise/conv_tile.h, sum for sum.
//
// A strip is kCols positions wide, halo included; a layer's position p is made of positions p ... p + 2 of its input,
// so that a stack of n convolutions leaves kCols - 2 n columns of noise. Rows come kStep at a time, one thread a
// position. In step s every layer brings out rows kStep * s ... kStep * s + kStep - 1, row j made of rows j - 2 ... j
// of its input; so each keeps six rows of its output, and N_init eight, since the residual reads up to four rows back.
#pragma once

#include "../noise/conv_tile.h"
#include "sensor_shared.cuh"

namespace lrd::LRD_ISA {

constexpr int kStep = 4, kHiddenRing = kStep + 2, kInputRing = 8;
constexpr int kMostStripRows = 64;  // rows of noise a block makes of one strip
constexpr int kMostLead = 8;        // rows of N_init before the first row of noise

// Rows drawn before the strip's first row of noise, in whole steps.
LRD_HD int lead_of(int layers) { return (2 * layers + kStep - 1) / kStep * kStep; }

template <int kWidth>
struct Strip {
  static constexpr bool kSensor = false;
  static constexpr int kCols = kWidth == 16 ? 64 : 32;
  static constexpr int kThreads = kStep * kCols;
  static constexpr int kSumCols = kCols + 4;  // a step of four banks from channel to channel

  SampleShared sample;
  Stream stream;
  float sigma;                                           // sigma_init, DN
  float columns[2][kCols];                               // column noise of the columns of noise, DN
  float rows[kMostStripRows][2];                         // row noise, DN
  float lines[kMostStripRows + kMostLead][2];            // N_init of the cell rows' two mosaic rows
  float line_columns[2][kCols + 4];                      // N_init of the mosaic columns
  float row_sum[kStep][kWidth];                          // what mosaic rows give layer 0 in this step's rows
  alignas(16) float column_sum[kWidth][kSumCols];        // what bias, log sigma and mosaic columns give layer 0
  alignas(16) float input[kInputRing * kCols * 4 + 16];  // N_init; taps read past its end, with weights of 0
};

// Of calls whose table holds what the sensor adds.
template <int kWidth>
struct SensorStrip : Strip<kWidth> {
  static constexpr bool kSensor = true;
  SensorShared<kMostStripRows, Strip<kWidth>::kCols> sensor;
};

template <int kWidth>
LRD_DEVICE NoSensor sensor_of(const Strip<kWidth>&) {
  return {};
}
template <int kWidth>
LRD_DEVICE const SensorShared<kMostStripRows, Strip<kWidth>::kCols>& sensor_of(const SensorStrip<kWidth>& shared) {
  return shared.sensor;
}

// The part of a frame that a block works on: rows x (kCols - 2 layers) cells of one sample.
struct StripPlace {
  int64_t sample, row, col;
  int rows;
};

// A thread's own position.
struct Position {
  int thread, row, col;
};

// Place of row number j in a ring. j may be as low as minus the ring.
template <int kRing>
LRD_DEVICE int slot_of(int j) {
  return static_cast<int>(static_cast<unsigned>(j + kRing) % kRing);
}

// N_init by channel, row and position: the layer's threads read along a row.
template <int kCols>
LRD_DEVICE int by_channel(int site, int row, int col) {
  return (site * kInputRing + slot_of<kInputRing>(row)) * kCols + col;
}

// N_init by row, position and channel: what one row of a matrix tile holds lies together.
template <int kCols>
LRD_DEVICE int by_cell(int site, int row, int col) {
  return (slot_of<kInputRing>(row) * kCols + col) * 4 + site;
}

// Where the strip's first row and position of N_init lie on the sensor.
LRD_DEVICE uint32_t first_row(const Request& q, const StripPlace& place, int layers) {
  return static_cast<uint32_t>(q.origin_row + place.row + layers - lead_of(layers));
}
LRD_DEVICE uint32_t first_col(const Request& q, const StripPlace& place, int layers) {
  return static_cast<uint32_t>(q.origin_col + place.col - layers);
}

// Parameters and the draws along lines, but for row and column noise that the sensor colours.
template <typename S>
LRD_DEVICE void draw_lines(const Request& q, const StripPlace& place, int layers, int thread, S& shared) {
  const Stream stream = stream_of(q, place.sample);
  const TableRow& row = row_of(q, place.sample);
  if (thread == 0) {
    shared.stream = stream;
    const float sigma = q.sigma_init[q.sigma_rows == 1 ? 0 : place.sample];
    shared.sigma = sigma >= 1e-6f && sigma <= 1e6f ? sigma : float_of(0x7FC00000u);  // NaN is seen, wrong noise is not
    fill_sample(q, place.sample, shared.sigma, shared.sample);
  }
  fill_read_octaves(row, thread - S::kCols);
  LRD_KEEP_LOOP
  for (int i = thread; i < S::kCols; i += S::kThreads) {
    const Words w = words(stream, kGeneratorColumn, 0, first_col(q, place, layers) + static_cast<uint32_t>(i));
    shared.line_columns[0][i] = normal_quantile(w.v[0]);
    shared.line_columns[1][i] = normal_quantile(w.v[1]);
    if constexpr (!S::kSensor) {
      keep_column_noise(stream, row.sigma_col, q.origin_col + place.col + i, i, shared.columns);
    }
  }
  LRD_KEEP_LOOP
  for (int i = S::kThreads - 1 - thread; i < kMostStripRows + kMostLead; i += S::kThreads) {
    const Words w = words(stream, kGeneratorRow, first_row(q, place, layers) + static_cast<uint32_t>(i), 0);
    shared.lines[i][0] = normal_quantile(w.v[0]);
    shared.lines[i][1] = normal_quantile(w.v[1]);
    if (S::kSensor || i >= kMostStripRows) continue;
    keep_row_noise(stream, row.sigma_row, q.origin_row + place.row + i, shared.rows[i]);
  }
}

LRD_DEVICE Cell first_cell(const StripPlace& place) { return {place.sample, place.row, place.col}; }

// Where the hidden layers are to be, once the lines have their colour.
template <int kWidth>
LRD_DEVICE WhiteLines<kMostStripRows, Strip<kWidth>::kCols>& white_lines(uint32_t* hidden) {
  return *reinterpret_cast<WhiteLines<kMostStripRows, Strip<kWidth>::kCols>*>(hidden);
}

// What the sensor adds, and the white deviates of row and column noise; after draw_lines.
template <int kWidth, typename White>
LRD_DEVICE void draw_sensor(const Request& q, const StripPlace& place, int thread, SensorStrip<kWidth>& shared,
                            White& white) {
  const Stream frame = stream_of(q, place.sample);
  if (thread == 0) fill_sensor(q, place.sample, frame, shared.sample, shared.sensor);
  draw_by_line<Strip<kWidth>::kThreads>(q, first_cell(place), frame, thread, white, shared.sensor);
}

template <int kWidth, typename White>
LRD_DEVICE void colour_lines(const Request& q, const StripPlace& place, int thread, const White& white,
                             SensorStrip<kWidth>& shared) {
  colour_lines<Strip<kWidth>::kThreads>(q, first_cell(place), thread, white, shared.sensor, shared.rows,
                                        shared.columns);
}

// What layer 0 takes from channels that do not change down the strip.
template <int kWidth>
LRD_DEVICE void sum_columns(const Stack& stack, int thread, Strip<kWidth>& shared) {
  using S = Strip<kWidth>;
  const float log_sigma = log_unit(shared.sigma);
  LRD_KEEP_LOOP
  for (int i = thread; i < kWidth * S::kCols; i += S::kThreads) {
    const int o = i / S::kCols, col = i % S::kCols;
    float sum = fma(log_sigma, stack.log_sigma[o], stack.bias[o]);
    LRD_UNROLL
    for (int side = 0; side < 2; ++side) {
      LRD_UNROLL
      for (int across = 0; across < 3; ++across) {
        sum = fma(stack.column_weights[(3 * side + across) * kWidth + o], shared.line_columns[side][col + across], sum);
      }
    }
    shared.column_sum[o][col] = sum;
  }
}

// What layer 0 takes from the mosaic rows in step s. Rows before the first are nobody's input.
template <int kWidth>
LRD_DEVICE void sum_rows(const Stack& stack, int s, int thread, Strip<kWidth>& shared) {
  LRD_KEEP_LOOP
  for (int i = thread; i < kStep * kWidth; i += Strip<kWidth>::kThreads) {
    const int o = i % kWidth, top = kStep * s + i / kWidth - 2;
    float sum = 0.0f;
    LRD_UNROLL
    for (int line = 0; line < 2; ++line) {
      LRD_UNROLL
      for (int down = 0; down < 3; ++down) {
        const int row = top + down < 0 ? 0 : top + down;
        sum = fma(stack.row_weights[(3 * line + down) * kWidth + o], shared.lines[row][line], sum);
      }
    }
    shared.row_sum[i / kWidth][o] = sum;
  }
}

// N_init at the thread's position in step s.
LRD_DEVICE void draw_sites(const Stream& stream, uint32_t cell_row, uint32_t cell_col, float (&site)[4]) {
  const Words w = words(stream, kGenerator, cell_row, cell_col);
  LRD_UNROLL
  for (int i = 0; i < 4; ++i) site[i] = normal_quantile(w.v[i]);
}

}  // namespace lrd::LRD_ISA
