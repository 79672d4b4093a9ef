// SPDX-License-Identifier: Apache-2.0
// The whole model with the learned generator in one launch: shot and line noise, N_init, conv stack, rounding. A block
// takes strips of up to tile_rows rows (strip.cuh) down which it runs the stack kStep rows at a time; each thread then
// finishes the cell at its own position. No launch syntax: tests/cuda runs this very text on the host.
#pragma once

#include <type_traits>

#include "layers_bfloat16.cuh"
#include "layers_float32.cuh"

namespace lrd::LRD_ISA {

enum class Precision : int { kFloat32, kBfloat16 };

template <int kWidth, Precision kPrecision>
struct LayersOf {
  using Type = Float32Layers<kWidth>;
};
template <int kWidth>
struct LayersOf<kWidth, Precision::kBfloat16> {
  using Type = Bfloat16Layers<kWidth>;
};

// kSensor: the table holds what the sensor adds.
template <int kWidth, bool kSensor>
using StripOf = std::conditional_t<kSensor, SensorStrip<kWidth>, Strip<kWidth>>;

// Dynamic shared memory of a block, bytes.
template <int kWidth, Precision kPrecision, bool kSensor = false>
LRD_HD int shared_bytes(int layers) {
  return static_cast<int>(sizeof(StripOf<kWidth, kSensor>)) +
         4 * LayersOf<kWidth, kPrecision>::Type::hidden_words(layers);
}

// Columns of noise that a strip gives.
template <int kWidth>
LRD_HD int strip_columns(int layers) {
  return Strip<kWidth>::kCols - 2 * layers;
}

// The cell at a thread's position. noise: its learned noise by site, DN.
template <typename S>
LRD_DEVICE void finish_position(const Request& q, const ThroughPlanes& planes, const StripPlace& place, int row,
                                const Position& at, const float (&noise)[4], const S& shared) {
  const Cell first = first_cell(place), cell = cell_from(first, row, at.col);
  const float generated[4][1] = {{noise[0]}, {noise[1]}, {noise[2]}, {noise[3]}};
  const float rows[2] = {shared.rows[row][0], shared.rows[row][1]};
  const float columns[2][1] = {{shared.columns[0][at.col]}, {shared.columns[1][at.col]}};
  finish_cell(q, planes, shared.stream, first, row, at.col, offset_of(q.clean, cell), offset_of(q.out, cell), rows,
              columns, shared.sample, sensor_of(shared), generated);
}

template <int kWidth, Precision kPrecision, typename S>
LRD_DEVICE void synthesize_strip(const Request& q, const ThroughPlanes& planes, const Stack& stack,
                                 const StripPlace& place, const Position& at, S& shared, uint32_t* hidden) {
  using Layers = typename LayersOf<kWidth, kPrecision>::Type;
  draw_lines(q, place, stack.layers, at.thread, shared);
  if constexpr (S::kSensor) draw_sensor(q, place, at.thread, shared, white_lines<kWidth>(hidden));
  LRD_BARRIER();
  sum_columns(stack, at.thread, shared);
  if constexpr (S::kSensor) colour_lines(q, place, at.thread, white_lines<kWidth>(hidden), shared);
  const int lead = lead_of(stack.layers), width = strip_columns<kWidth>(stack.layers);
  LRD_KEEP_LOOP
  for (int s = 0; kStep * s < lead + place.rows; ++s) {
    float site[4];
    draw_sites(shared.stream, first_row(q, place, stack.layers) + static_cast<uint32_t>(kStep * s + at.row),
               first_col(q, place, stack.layers) + static_cast<uint32_t>(at.col), site);
    LRD_UNROLL
    for (int i = 0; i < 4; ++i) shared.input[Layers::place_of(i, kStep * s + at.row, at.col)] = site[i];
    sum_rows(stack, s, at.thread, shared);
    LRD_BARRIER();
    LRD_KEEP_LOOP
    for (int k = 0; k < stack.layers - 1; ++k) {
      Layers::hidden(stack, k, s, at, shared, hidden);
      LRD_BARRIER();
    }
    if (kStep * s < lead) continue;
    const int row = kStep * s + at.row - lead;
    float noise[kOutputs];
    Layers::last(stack, s, at, shared, hidden, noise);
    LRD_BARRIER();
    if (row < place.rows && at.col < width && place.col + at.col < q.cell_cols) {
      Layers::collect(at, hidden, stack.layers, noise);
      finish_position(q, planes, place, row, at, noise, shared);
    }
  }
  LRD_BARRIER();  // the next strip overwrites what this one shares
}

// Strips are counted in three directions, so that finding one needs no division.
template <int kWidth, Precision kPrecision, bool kSensor = false>
LRD_KERNEL(Strip<kWidth>::kThreads, 512 / Strip<kWidth>::kThreads)
stack_kernel(const Request q, const ThroughPlanes planes, const Stack stack, const int tile_rows) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
  if constexpr (kPrecision == Precision::kBfloat16) return;  // never launched there
#endif
  LRD_DYNAMIC_SHARED(memory);
  using S = StripOf<kWidth, kSensor>;
  S& shared = *reinterpret_cast<S*>(memory);
  uint32_t* hidden = reinterpret_cast<uint32_t*>(memory + sizeof(S));
  const int thread = static_cast<int>(threadIdx.x);
  const Position at = {thread, thread / S::kCols, thread % S::kCols};
  fill_normal_octaves(thread);
  // Where weights of 0 meet what was never drawn, it must be a number.
  LRD_KEEP_LOOP
  for (int i = thread; i < static_cast<int>(sizeof shared.input / 4); i += S::kThreads) {
    shared.input[i] = 0.0f;
  }
  LRD_BARRIER();
  const int64_t tile_cols = strip_columns<kWidth>(stack.layers);
  const int64_t row_step = int64_t{gridDim.y} * tile_rows, col_step = int64_t{gridDim.x} * tile_cols;
  for (int64_t sample = blockIdx.z; sample < q.batch; sample += gridDim.z) {
    for (int64_t row = int64_t{blockIdx.y} * tile_rows; row < q.cell_rows; row += row_step) {
      const int rows = q.cell_rows - row < tile_rows ? static_cast<int>(q.cell_rows - row) : tile_rows;
      for (int64_t col = int64_t{blockIdx.x} * tile_cols; col < q.cell_cols; col += col_step) {
        synthesize_strip<kWidth, kPrecision>(q, planes, stack, {sample, row, col, rows}, at, shared, hidden);
      }
    }
  }
}

}  // namespace lrd::LRD_ISA
