// SPDX-License-Identifier: Apache-2.0
// The conv stack's layers on tensor cores: bfloat16 inputs and weights, float32 sums. 16 positions of a row are the
// rows of a matrix tile, its columns the channels of a tap; a 3x3 convolution is nine products with the tile moved by a
// position or a row, read in place. Weights come as the registers of each thread (lrd_ext/generator/fragments.py).
//
// Within a device the bits depend on nothing but the position: each output is one chain of products in one order.
// Products of one instruction are summed in an order that is the device's own.
#pragma once

#include "strip.cuh"

namespace lrd::LRD_ISA {

template <int kWidth>
struct Bfloat16Layers {
  using S = Strip<kWidth>;
  static constexpr int kCols = S::kCols, kWarps = S::kThreads / 32;
  static constexpr int kTilesAcross = kCols / 16, kTiles = kStep * kTilesAcross;
  static constexpr int kCellWords = kWidth / 2;
  static constexpr int kDepth = kWidth / 16;    // products to take in all channels of a tap
  static constexpr int kTogether = 2 / kDepth;  // blocks of 8 output channels that a warp makes together
  static constexpr int kBlocks = kWidth / 8, kGroups = kBlocks / kTogether;
  // One layer's output, [row][position][channel], and the positions that taps read past its end.
  static constexpr int kHiddenWords = (kHiddenRing * kCols + 2) * kCellWords;
  static constexpr int kFirstWords = 3 * kBlocks * 32 * 2, kMiddleWords = kGroups * 9 * 32 * 4;

  // Words of dynamic shared memory beside Strip: the hidden layers, then n_gen of the step, [row][position][site].
  static LRD_HD int hidden_words(int layers) { return (layers - 1) * kHiddenWords + kStep * kCols * kOutputs; }

  static LRD_DEVICE int place_of(int site, int row, int col) { return by_cell<kCols>(site, row, col); }

  // Eight channels of a position are a chunk of 16 bytes. Chunks change places from position to position, so that
  // eight neighbours' chunks lie in different banks.
  static LRD_DEVICE int chunk_of(int position, int chunk) {
    return position * kCellWords + ((chunk ^ (kWidth == 16 ? position >> 2 & 1 : position >> 1 & 3)) << 2);
  }

  // Offsets of the row of a tile that a lane names, for the three taps across.
  static LRD_DEVICE void lane_offsets(int lane, int (&offset)[3]) {
    LRD_UNROLL
    for (int across = 0; across < 3; ++across) offset[across] = chunk_of((lane & 15) + across, lane >> 4);
  }

  // A block of 8 channels of a tile's 16 positions, activated.
  static LRD_DEVICE void store(const float (&sum)[4], int position, int block, int lane, uint32_t* out) {
    LRD_UNROLL
    for (int half = 0; half < 2; ++half) {
      out[chunk_of(position + 8 * half + (lane >> 2), block) + (lane & 3)] =
          two_bfloat16(leaky_relu(sum[2 * half]), leaky_relu(sum[2 * half + 1]));
    }
  }

  // Four positions' sites lie side by side as the 16 inputs of one product; the fourth tap's weights are 0.
  static LRD_DEVICE void first(const uint32_t* fragments, int s, const Position& at, const S& shared, uint32_t* out) {
    const int lane = at.thread & 31, place = lane >> 2, pair = (lane & 3) * 2;
    uint32_t w[3][kBlocks][2];
    LRD_UNROLL
    for (int down = 0; down < 3; ++down) {
      LRD_UNROLL
      for (int n = 0; n < kBlocks; ++n) read_run(fragments + ((down * kBlocks + n) * 32 + lane) * 2, w[down][n]);
    }
    LRD_KEEP_LOOP
    for (int tile = at.thread >> 5; tile < kTiles; tile += kWarps) {
      const int row = tile / kTilesAcross, col = tile % kTilesAcross * 16;
      float sum[kBlocks][4];
      LRD_UNROLL
      for (int n = 0; n < kBlocks; ++n) {
        LRD_UNROLL
        for (int i = 0; i < 4; ++i) {
          const int channel = 8 * n + pair + (i & 1);
          sum[n][i] = shared.column_sum[channel][col + place + (i >> 1) * 8] + shared.row_sum[row][channel];
        }
      }
      LRD_UNROLL
      for (int down = 0; down < 3; ++down) {
        const float* x = shared.input + place_of(0, kStep * s + row + down - 2, col + place) + pair;
        const uint32_t a[4] = {two_bfloat16(x[0], x[1]), two_bfloat16(x[32], x[33]), two_bfloat16(x[8], x[9]),
                               two_bfloat16(x[40], x[41])};
        LRD_UNROLL
        for (int n = 0; n < kBlocks; ++n) multiply_add_tiles(sum[n], a, w[down][n]);
      }
      const int position = slot_of<kHiddenRing>(kStep * s + row) * kCols + col;
      LRD_UNROLL
      for (int n = 0; n < kBlocks; ++n) store(sum[n], position, n, lane, out);
    }
  }

  // sum[n] += the tile's nine taps; w[tap]: for each product a pair of registers.
  template <int kCount, int kRegisters>
  static LRD_DEVICE void convolve(const uint32_t* in, int s, int row, int col, const int (&offset)[3],
                                  const uint32_t (&w)[9][kRegisters], float (&sum)[kCount][4]) {
    LRD_UNROLL
    for (int tap = 0; tap < 9; ++tap) {
      const int from = slot_of<kHiddenRing>(kStep * s + row - 2 + tap / 3);
      const uint32_t* tile = in + (from * kCols + col) * kCellWords;
      LRD_UNROLL
      for (int depth = 0; depth < kDepth; ++depth) {
        uint32_t a[4];
        load_tiles(a, tile + (offset[tap % 3] ^ 8 * depth));
        LRD_UNROLL
        for (int n = 0; n < kCount; ++n) {
          const uint32_t b[2] = {w[tap][2 * (n + depth)], w[tap][2 * (n + depth) + 1]};
          multiply_add_tiles(sum[n], a, b);
        }
      }
    }
  }

  static LRD_DEVICE void middle(const uint32_t* fragments, const float* bias, int s, const Position& at,
                                const uint32_t* in, uint32_t* out) {
    const int lane = at.thread & 31, warp = at.thread >> 5, group = warp % kGroups;
    uint32_t w[9][4];
    LRD_UNROLL
    for (int tap = 0; tap < 9; ++tap) read_run(fragments + ((group * 9 + tap) * 32 + lane) * 4, w[tap]);
    float start[kTogether][2];
    LRD_UNROLL
    for (int n = 0; n < kTogether; ++n) {
      LRD_UNROLL
      for (int i = 0; i < 2; ++i) start[n][i] = bias[8 * (group * kTogether + n) + (lane & 3) * 2 + i];
    }
    int offset[3];
    lane_offsets(lane, offset);
    LRD_KEEP_LOOP
    for (int tile = warp / kGroups; tile < kTiles; tile += kWarps / kGroups) {
      const int row = tile / kTilesAcross, col = tile % kTilesAcross * 16;
      float sum[kTogether][4];
      LRD_UNROLL
      for (int n = 0; n < kTogether; ++n) {
        LRD_UNROLL
        for (int i = 0; i < 4; ++i) sum[n][i] = start[n][i & 1];
      }
      convolve(in, s, row, col, offset, w, sum);
      const int position = slot_of<kHiddenRing>(kStep * s + row) * kCols + col;
      LRD_UNROLL
      for (int n = 0; n < kTogether; ++n) store(sum[n], position, group * kTogether + n, lane, out);
    }
  }

  static LRD_DEVICE void hidden(const Stack& stack, int k, int s, const Position& at, const S& shared,
                                uint32_t* layers) {
    uint32_t* out = layers + k * kHiddenWords;
    if (k == 0) return first(stack.fragments, s, at, shared, out);
    middle(stack.fragments + kFirstWords + (k - 1) * kMiddleWords, stack.layer[k].bias, s, at, out - kHiddenWords, out);
  }

  // The last layer of step s: n_gen in DN. Half of a product's eight output channels are of no use.
  static LRD_DEVICE void last(const Stack& stack, int s, const Position& at, const S& shared, uint32_t* layers,
                              float (&)[kOutputs]) {
    const int k = stack.layers - 1, lane = at.thread & 31, pair = (lane & 3) * 2;
    const uint32_t* fragments = stack.fragments + kFirstWords + (k - 1) * kMiddleWords;
    uint32_t w[9][2 * kDepth];
    LRD_UNROLL
    for (int tap = 0; tap < 9; ++tap) read_run(fragments + (tap * 32 + lane) * 2 * kDepth, w[tap]);
    const float bias[2] = {stack.layer[k].bias[pair & 2], stack.layer[k].bias[(pair & 2) + 1]};
    float* noise = reinterpret_cast<float*>(layers + k * kHiddenWords);
    int offset[3];
    lane_offsets(lane, offset);
    LRD_KEEP_LOOP
    for (int tile = at.thread >> 5; tile < kTiles; tile += kWarps) {
      const int row = tile / kTilesAcross, col = tile % kTilesAcross * 16;
      float sum[1][4] = {};
      convolve(layers + (k - 1) * kHiddenWords, s, row, col, offset, w, sum);
      if (pair < kOutputs) {
        LRD_UNROLL
        for (int i = 0; i < 4; ++i) {
          const int position = col + (lane >> 2) + (i >> 1) * 8, o = pair + (i & 1);
          const int source = place_of(o, kStep * s + row - stack.layers, position + stack.layers);
          noise[(row * kCols + position) * kOutputs + o] =
              (shared.input[source] + (sum[0][i] + bias[i & 1])) * shared.sigma;
        }
      }
      LRD_WARP_BARRIER();  // the next product takes the whole warp
    }
  }

  // After the barrier that follows last: n_gen of the thread's own position, which other threads made.
  static LRD_DEVICE void collect(const Position& at, const uint32_t* layers, int count, float (&noise)[kOutputs]) {
    const auto* all = reinterpret_cast<const float*>(layers + (count - 1) * kHiddenWords);
    read_run(all + (at.row * kCols + at.col) * kOutputs, noise);
  }
};

}  // namespace lrd::LRD_ISA
