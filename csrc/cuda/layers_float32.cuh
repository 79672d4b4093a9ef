// SPDX-License-Identifier: Apache-2.0
// The conv stack's layers in float32: every output's fmas in the order of csrc/noise/conv_tile.h, so that the CPU
// executor gives the same bits. A thread makes four channels of a column's kStep rows: each weight it reads serves four
// products, each input up to twelve.
#pragma once

#include "strip.cuh"

namespace lrd::LRD_ISA {

template <int kWidth>
struct Float32Layers {
  using S = Strip<kWidth>;
  static constexpr int kCols = S::kCols, kChannel = kHiddenRing * kCols;
  // One layer's output, [channel][row][position], and the floats that taps read past its end.
  static constexpr int kHiddenFloats = kWidth * kChannel + 4;

  // Words of dynamic shared memory beside Strip.
  static LRD_HD int hidden_words(int layers) { return (layers - 1) * kHiddenFloats; }

  static LRD_DEVICE int place_of(int site, int row, int col) { return by_channel<kCols>(site, row, col); }

  // sum[r][o] += the convolution of channels' rows; row[i]: offset of input row kStep * s - 2 + i.
  static LRD_DEVICE void convolve(const float* in, int channels, int channel_step, const int (&row)[kHiddenRing],
                                  const float* weights, float (&sum)[kStep][kOutputBlock]) {
    LRD_KEEP_LOOP
    for (int channel = 0; channel < channels; ++channel, in += channel_step) {
      float x[kHiddenRing][3];
      LRD_UNROLL
      for (int i = 0; i < kHiddenRing; ++i) {
        LRD_UNROLL
        for (int across = 0; across < 3; ++across) x[i][across] = in[row[i] + across];
      }
      LRD_UNROLL
      for (int tap = 0; tap < 9; ++tap, weights += kOutputBlock) {
        float w[kOutputBlock];
        read_run(weights, w);
        LRD_UNROLL
        for (int r = 0; r < kStep; ++r) {
          LRD_UNROLL
          for (int o = 0; o < kOutputBlock; ++o) sum[r][o] = fma(w[o], x[r + tap / 3][tap % 3], sum[r][o]);
        }
      }
    }
  }

  // Hidden layer k of step s, kStep rows of four channels per thread and turn.
  static LRD_DEVICE void hidden(const Stack& stack, int k, int s, const Position& at, const S& shared,
                                uint32_t* memory) {
    float* layers = reinterpret_cast<float*>(memory);
    int row[kHiddenRing];
    LRD_UNROLL
    for (int i = 0; i < kHiddenRing; ++i) {
      const int j = kStep * s - 2 + i;
      row[i] = (k == 0 ? slot_of<kInputRing>(j) : slot_of<kHiddenRing>(j)) * kCols;
    }
    LRD_KEEP_LOOP
    for (int task = at.thread; task < kWidth / kOutputBlock * kCols; task += S::kThreads) {
      const int col = task % kCols, o = task / kCols * kOutputBlock;
      float sum[kStep][kOutputBlock];
      LRD_UNROLL
      for (int r = 0; r < kStep; ++r) {
        LRD_UNROLL
        for (int i = 0; i < kOutputBlock; ++i) {
          sum[r][i] = k == 0 ? shared.column_sum[o + i][col] + shared.row_sum[r][o + i] : stack.layer[k].bias[o + i];
        }
      }
      if (k == 0) {
        convolve(shared.input + col, 4, kInputRing * kCols, row, stack.layer[0].weights + 9 * 4 * o, sum);
      } else {
        convolve(layers + (k - 1) * kHiddenFloats + col, kWidth, kChannel, row, stack.layer[k].weights + 9 * kWidth * o,
                 sum);
      }
      float* out = layers + k * kHiddenFloats + o * kChannel + col;
      LRD_UNROLL
      for (int r = 0; r < kStep; ++r) {
        const int target = slot_of<kHiddenRing>(kStep * s + r) * kCols;
        LRD_UNROLL
        for (int i = 0; i < kOutputBlock; ++i) out[i * kChannel + target] = leaky_relu(sum[r][i]);
      }
    }
  }

  // The last layer of step s at the thread's own position: n_gen in DN.
  static LRD_DEVICE void last(const Stack& stack, int s, const Position& at, const S& shared, uint32_t* memory,
                              float (&noise)[kOutputs]) {
    const int k = stack.layers - 1;
    const float* in = reinterpret_cast<const float*>(memory) + (k - 1) * kHiddenFloats + at.col;
    const float* weights = stack.layer[k].weights;
    int row[3];
    LRD_UNROLL
    for (int i = 0; i < 3; ++i) row[i] = slot_of<kHiddenRing>(kStep * s + at.row - 2 + i) * kCols;
    float sum[kOutputs];
    LRD_UNROLL
    for (int o = 0; o < kOutputs; ++o) sum[o] = stack.layer[k].bias[o];
    LRD_KEEP_LOOP
    for (int channel = 0; channel < kWidth; ++channel, in += kChannel) {
      LRD_UNROLL
      for (int tap = 0; tap < 9; ++tap, weights += kOutputs) {
        float w[kOutputs];
        read_run(weights, w);
        const float x = in[row[tap / 3] + tap % 3];
        LRD_UNROLL
        for (int o = 0; o < kOutputs; ++o) sum[o] = fma(w[o], x, sum[o]);
      }
    }
    const int middle = kStep * s + at.row - stack.layers;
    LRD_UNROLL
    for (int o = 0; o < kOutputs; ++o) {
      noise[o] = (shared.input[place_of(o, middle, at.col + stack.layers)] + sum[o]) * shared.sigma;
    }
  }

  // After the barrier that follows last: the thread made its own position's noise itself.
  static LRD_DEVICE void collect(const Position&, const uint32_t*, int, float (&)[kOutputs]) {}
};

}  // namespace lrd::LRD_ISA
