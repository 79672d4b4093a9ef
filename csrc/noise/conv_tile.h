// SPDX-License-Identifier: Apache-2.0
// The learned generator's conv stack on packed 2x2 cells, n_gen = sigma_init * (N_init + stack(N_init)), worked out
// down a tile row by row: each layer keeps the last three rows of its input, so everything stays in L1 and L2.
// Mirrors lrd_ext/reference/conv_stack.py; the packed weights are laid out by lrd_ext/generator/packing.py.
//
// The noise field has no edge: a tile draws N_init for the cells around it too. What an output is made of, and the
// order of its fmas, depends on the cell alone, so the bits do not depend on the tile or on the number of lanes.
#pragma once

#include "float_lanes.h"
#include "site.h"

namespace lrd::LRD_ISA {

constexpr int kMaxHiddenLayers = 3, kMaxWidth = 32, kOutputs = 4;
constexpr int kTileWidth = 64;   // cells of a tile's row (request.h: kTileCellCols)
constexpr int kOutputBlock = 4;  // output channels that share what is read of the input
constexpr float kNegativeSlope = 0.2f;

// Whole registers that cover a tile's row and its halo of 4 cells on each side, in blocks of registers that fit the
// register file beside kOutputBlock weights; and a row in memory, where taps read two floats further. kInputRows: ring
// of N_init, of which the residual reads up to 4 rows back; the matrix unit (csrc/cpu/stack_amx.h) takes 8 at once.
#if defined(LRD_VECTOR_BITS) && LRD_VECTOR_BITS == 512
constexpr int kWide = 80, kHiddenBlock = 5, kFinalBlock = 4, kRowFloats = 96, kInputRows = 16;
#elif defined(LRD_VECTOR_BITS)
constexpr int kWide = 72, kHiddenBlock = 3, kFinalBlock = 2, kRowFloats = 80, kInputRows = 8;
#elif defined(LRD_NEON)
constexpr int kWide = 72, kHiddenBlock = 3, kFinalBlock = 4, kRowFloats = 80, kInputRows = 8;
#else
constexpr int kWide = 72, kHiddenBlock = 2, kFinalBlock = 2, kRowFloats = 80, kInputRows = 8;
#endif

struct HiddenLayer {
  const float *weights, *bias;  // (outputs / 4, inputs, 3, 3, 4), (outputs)
  int inputs, outputs;
};

// The first layer is split by what its inputs vary along: line channels need only the sums of their taps.
struct Stack {
  const float *row_weights, *column_weights;  // (2, 3, outputs): by mosaic line of the cell, then tap across lines
  const float *log_sigma, *bias;              // (outputs)
  HiddenLayer layer[kMaxHiddenLayers + 1];    // [0] has the four site channels as inputs and no bias of its own
  int layers;                                 // hidden layers + 1
  const uint32_t* fragments;                  // the weights for tensor cores (csrc/cuda), or null
};

// widths: 0 ends the list.
LRD_HD Stack unpack_stack(const float* packed, const int (&widths)[kMaxHiddenLayers]) {
  Stack s = {};
  const int first = widths[0];
  s.layer[0] = {packed, nullptr, 4, first};
  s.row_weights = packed + 4 * 9 * first;
  s.column_weights = s.row_weights + 2 * 3 * first;
  s.log_sigma = s.column_weights + 2 * 3 * first;
  s.bias = s.log_sigma + first;
  const float* next = s.bias + first;
  int inputs = first;
  s.layers = 1;
  while (inputs != kOutputs) {
    const int width = s.layers < kMaxHiddenLayers ? widths[s.layers] : 0;
    const int outputs = width != 0 ? width : kOutputs;
    s.layer[s.layers++] = {next, next + 9 * inputs * outputs, inputs, outputs};
    next += 9 * inputs * outputs + outputs;
    inputs = outputs;
  }
  return s;
}

// Floats that unpack_stack reads.
inline int64_t packed_size(const int (&widths)[kMaxHiddenLayers]) {
  int64_t size = int64_t{4 * 9 + 6 + 6 + 2} * widths[0], inputs = widths[0];
  for (int i = 1; i < kMaxHiddenLayers && widths[i] != 0; ++i) {
    size += (9 * inputs + 1) * widths[i];
    inputs = widths[i];
  }
  return size + (9 * inputs + 1) * kOutputs;
}

// 32-bit words that fragments holds, for hidden layers all 16 or all 32 wide (lrd_ext/generator/fragments.py).
inline int64_t fragment_words(const int (&widths)[kMaxHiddenLayers]) {
  const int64_t width = widths[0];
  int64_t words = 3 * 16 * width / 2 + 9 * 8 * width / 2;  // the first layer takes 4 taps of 4 sites, the last makes 8
  for (int i = 1; i < kMaxHiddenLayers && widths[i] != 0; ++i) words += 9 * width * width / 2;
  return words;
}

// What one tile keeps between its rows. Floats beyond kWide are read by taps at the end of a row, never written.
struct StackRows {
  float sites[kInputRows][4][kRowFloats];   // N_init at the sites
  float lines[kInputRows][2];               // N_init of the cell row's two mosaic rows
  float columns[2][kRowFloats];             // N_init of the mosaic columns
  float column_sum[kMaxWidth][kRowFloats];  // what bias, log sigma and columns give layer 0
  float row_sum[kMaxWidth];                 // what the mosaic rows give the row in work
};

// Of every hidden layer the last three rows.
struct HiddenRows {
  float layer[kMaxHiddenLayers][3][kMaxWidth][kRowFloats];
};

// Three input rows of a layer, each [channel][kRowFloats].
struct Taps {
  const float* row[3];
};

// kOutputBlock output channels of kBlock registers of cells. sum holds what the fmas begin with, then the result.
template <int kBlock>
LRD_HD void convolve_block(const Taps& in, const float* weights, int inputs,
                           FloatLanes::Register (&sum)[kOutputBlock][kBlock]) {
  using L = FloatLanes;
  for (int channel = 0; channel < inputs; ++channel) {
    for (int down = 0; down < 3; ++down) {
      const float* row = in.row[down] + channel * kRowFloats;
#pragma GCC unroll 3
      for (int across = 0; across < 3; ++across) {
        L::Register x[kBlock];
#pragma GCC unroll 5
        for (int v = 0; v < kBlock; ++v) x[v] = L::load(row + across + v * L::kLanes);
#pragma GCC unroll 4
        for (int o = 0; o < kOutputBlock; ++o) {
          const L::Register w = L::all(weights[o]);
#pragma GCC unroll 5
          for (int v = 0; v < kBlock; ++v) sum[o][v] = L::multiply_add(w, x[v], sum[o][v]);
        }
        weights += kOutputBlock;
      }
    }
  }
}

LRD_HD FloatLanes::Register leaky_relu(FloatLanes::Register x) {
  return FloatLanes::larger(x, FloatLanes::multiply(x, FloatLanes::all(kNegativeSlope)));
}

// One row of a hidden layer. rows: column_sum and row_sum start layer 0, the bias starts the others.
LRD_HD void hidden_row(const HiddenLayer& layer, const Taps& in, const StackRows* rows, float* target) {
  using L = FloatLanes;
  for (int o = 0; o < layer.outputs; o += kOutputBlock) {
    for (int col = 0; col < kWide; col += kHiddenBlock * L::kLanes) {
      L::Register sum[kOutputBlock][kHiddenBlock];
#pragma GCC unroll 4
      for (int i = 0; i < kOutputBlock; ++i) {
#pragma GCC unroll 5
        for (int v = 0; v < kHiddenBlock; ++v) {
          sum[i][v] = rows == nullptr ? L::all(layer.bias[o + i])
                                      : L::add(L::load(&rows->column_sum[o + i][col + v * L::kLanes]),
                                               L::all(rows->row_sum[o + i]));
        }
      }
      const Taps here = {{in.row[0] + col, in.row[1] + col, in.row[2] + col}};
      convolve_block<kHiddenBlock>(here, layer.weights + 9 * layer.inputs * o, layer.inputs, sum);
#pragma GCC unroll 4
      for (int i = 0; i < kOutputBlock; ++i) {
#pragma GCC unroll 5
        for (int v = 0; v < kHiddenBlock; ++v) {
          L::store(target + (o + i) * kRowFloats + col + v * L::kLanes, leaky_relu(sum[i][v]));
        }
      }
    }
  }
}

// One row of the last layer: sigma times the residual sum. residual: [site][kRowFloats] at the row's first cell.
LRD_HD void final_row(const HiddenLayer& layer, const Taps& in, const float* residual, float sigma,
                      float (&result)[kOutputs][kTileWidth]) {
  using L = FloatLanes;
  for (int col = 0; col < kTileWidth; col += kFinalBlock * L::kLanes) {
    L::Register sum[kOutputBlock][kFinalBlock];
#pragma GCC unroll 4
    for (int i = 0; i < kOutputBlock; ++i) {
#pragma GCC unroll 5
      for (int v = 0; v < kFinalBlock; ++v) sum[i][v] = L::all(layer.bias[i]);
    }
    const Taps here = {{in.row[0] + col, in.row[1] + col, in.row[2] + col}};
    convolve_block<kFinalBlock>(here, layer.weights, layer.inputs, sum);
#pragma GCC unroll 4
    for (int i = 0; i < kOutputBlock; ++i) {
#pragma GCC unroll 5
      for (int v = 0; v < kFinalBlock; ++v) {
        const L::Register n = L::load(residual + i * kRowFloats + col + v * L::kLanes);
        L::store(&result[i][col + v * L::kLanes], L::multiply(L::add(n, sum[i][v]), L::all(sigma)));
      }
    }
  }
}

// Start a tile: N_init of its mosaic columns, and all that layer 0 takes from what does not change down the tile.
// cell_col: of the first cell of the halo.
LRD_HD void begin_tile(const Stack& stack, const Stream& stream, float log_sigma, uint32_t cell_col, StackRows& rows) {
  for (int i = 0; i < kWide; ++i) {
    const Words w = words(stream, kGeneratorColumn, 0, cell_col + static_cast<uint32_t>(i));
    rows.columns[0][i] = normal_quantile(w.v[0]);
    rows.columns[1][i] = normal_quantile(w.v[1]);
  }
  const int outputs = stack.layer[0].outputs;
  for (int o = 0; o < outputs; ++o) {
    float* sum = rows.column_sum[o];
    const float start = fma(log_sigma, stack.log_sigma[o], stack.bias[o]);
    for (int i = 0; i < kWide; ++i) sum[i] = start;
    for (int side = 0; side < 2; ++side) {
      const float* x = rows.columns[side];
      const float* w = stack.column_weights + 3 * side * outputs + o;
      const float left = w[0], middle = w[outputs], right = w[2 * outputs];
      for (int i = 0; i < kWide; ++i) sum[i] = fma(right, x[i + 2], fma(middle, x[i + 1], fma(left, x[i], sum[i])));
    }
  }
}

// Draw row number s of N_init, counted from the halo's first; cell_row and cell_col are its place on the sensor.
LRD_HD void draw_input_row(const Stream& stream, uint32_t cell_row, uint32_t cell_col, int s, StackRows& rows) {
  uint32_t word[4][kWide];
  draw_words(stream, kGenerator, cell_row, cell_col, word);
  for (int site = 0; site < 4; ++site) {
    float z[kWide];
    normal_quantiles<kWide>(word[site], z);
    memcpy(rows.sites[s % kInputRows][site], z, sizeof z);
  }
  const Words w = words(stream, kGeneratorRow, cell_row, 0);
  rows.lines[s % kInputRows][0] = normal_quantile(w.v[0]);
  rows.lines[s % kInputRows][1] = normal_quantile(w.v[1]);
}

LRD_HD void sum_lines(const Stack& stack, int s, const StackRows& rows, float (&row_sum)[kMaxWidth]) {
  const int outputs = stack.layer[0].outputs;
  for (int o = 0; o < outputs; ++o) {
    float sum = 0.0f;
    for (int line = 0; line < 2; ++line) {
      for (int down = 0; down < 3; ++down) {
        const float w = stack.row_weights[(3 * line + down) * outputs + o];
        sum = fma(w, rows.lines[(s - 2 + down) % kInputRows][line], sum);
      }
    }
    row_sum[o] = sum;
  }
}

// Take in row s of N_init, already drawn, and bring every layer one row further. From s = 2 layers on, result is the
// tile's row s - 2 layers, DN.
LRD_HD void advance(const Stack& stack, float sigma, int s, StackRows& rows, HiddenRows& hidden,
                    float (&result)[kOutputs][kTileWidth]) {
  for (int k = 0; k < stack.layers; ++k) {
    const int row = s - 2 * (k + 1);  // of layer k's output, made of rows row ... row + 2 of its input
    if (row < 0) return;
    Taps in;
    for (int down = 0; down < 3; ++down) {
      in.row[down] = k == 0 ? rows.sites[(row + down) % kInputRows][0] : hidden.layer[k - 1][(row + down) % 3][0];
    }
    if (k == stack.layers - 1) {
      const float* residual = rows.sites[(row + stack.layers) % kInputRows][0] + stack.layers;
      return final_row(stack.layer[k], in, residual, sigma, result);
    }
    if (k == 0) sum_lines(stack, s, rows, rows.row_sum);
    hidden_row(stack.layer[k], in, k == 0 ? &rows : nullptr, hidden.layer[k][row % 3][0]);
  }
}

}  // namespace lrd::LRD_ISA
