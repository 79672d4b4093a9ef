// SPDX-License-Identifier: Apache-2.0
// The conv stack of a generator in bfloat16 on the matrix unit of Intel processors (AMX): bfloat16 inputs and weights,
// float32 sums, as tensor cores do it (csrc/cuda/layers_bfloat16.cuh). 16 cells of a row are the rows of a matrix; 32
// bfloat16 from a cell on, its channels and those of its neighbours to the right, are its columns, so that a tap is an
// address. The order of an output's sums depends on its layer alone: the same bits for every tile.
#pragma once

#include "../noise/conv_tile.h"

namespace lrd::LRD_ISA {
namespace {

#if defined(LRD_MATRIX_UNIT)

#pragma GCC push_options
#pragma GCC target("amx-tile,amx-bf16,avx512bf16")

constexpr int kMatrixCells = 16, kMatrixOutputs = 16, kDepth = 32;

// GCC's intrinsics do not say that they read memory, only _tile_stored that it writes: what is written before must be
// there.
LRD_HD void written(const void* memory) { __asm__ volatile("" : : "r"(memory) : "memory"); }

// Weights of one matrix product, in pairs of columns.
struct alignas(64) WeightMatrix {
  uint16_t pair[kDepth / 2][kMatrixOutputs][2];
};

// Of a layer: products across its three taps, and blocks of outputs.
LRD_HD int steps_of(const HiddenLayer& layer) { return layer.inputs == 4 ? 1 : layer.inputs == 16 ? 2 : 3; }
LRD_HD int blocks_of(const HiddenLayer& layer) { return layer.outputs > kMatrixOutputs ? 2 : 1; }

// Values in memory from a cell of a layer's input to the next. Each cell of N_init holds those to its right too, since
// rows of a matrix that do not begin with a line of the cache take the unit two (16 inputs) to five times as long to
// load.
LRD_HD int values_of(const HiddenLayer& layer) { return layer.inputs == 4 ? kDepth : layer.inputs; }

// Each layer works on several rows in turn, so that its weights come out of L2 once for all of them. The rows of its
// input, two of them kept from the rows before, lie end to end: matrices run on from row to row, and what they make of
// the cells across a seam falls in the halo, which no later layer reads. Nothing before the first rows is read either.
constexpr int kRowsAtOnce = 8, kRowCells = kTileWidth + 8;
constexpr int kCellsKept = (kRowsAtOnce + 2) * kRowCells + kMatrixCells;  // a matrix reads up to 2 cells further

struct alignas(64) MatrixStack {
  const WeightMatrix* layer[kMaxHiddenLayers + 1];
  WeightMatrix weights[3 * 2 + 2 * (9 * 2) + 9];  // by layer, tap down, step across, block of outputs
  float column_sum[kRowCells + 8][kMaxWidth];     // what layer 0 starts with, and once more the first cells' for a seam
  float row_sum[kRowsAtOnce][kMaxWidth];
  alignas(64) uint16_t sites[kCellsKept][kDepth];  // N_init of a cell and of the seven to its right
  alignas(64) uint16_t hidden[kMaxHiddenLayers][kCellsKept * kMaxWidth];
};

inline bool has_matrix_unit() {
  constexpr int kAskForState = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM of <asm/prctl.h>, once a process
  static const bool has = __builtin_cpu_supports("amx-bf16") && __builtin_cpu_supports("avx512bf16") &&
                          syscall(SYS_arch_prctl, kAskForState, kTileData) == 0;
  return has;
}

inline void pack_matrices(const HiddenLayer& layer, WeightMatrix* m) {
  const int across = kDepth / layer.inputs, blocks = blocks_of(layer);
  const int outputs = layer.outputs < kMatrixOutputs ? layer.outputs : kMatrixOutputs;
  for (int at = 0; at < 3 * steps_of(layer) * blocks; ++at, ++m) {
    const int block = at % blocks, step = at / blocks % steps_of(layer), down = at / blocks / steps_of(layer);
    memset(m, 0, sizeof *m);
    for (int k = 0; k < kDepth; ++k) {
      const int tap = step + k / layer.inputs, channel = k % layer.inputs;
      if (tap < step * across || tap > 2) continue;
      const float* four = layer.weights + (9 * (4 * block * layer.inputs + channel) + 3 * down + tap) * kOutputBlock;
      for (int o = 0; o < outputs; o += kOutputBlock, four += 9 * layer.inputs * kOutputBlock) {
        for (int i = 0; i < kOutputBlock; ++i) m->pair[k / 2][o + i][k % 2] = to_bfloat16(four[i]);
      }
    }
  }
}

// Every register of the unit as a whole matrix: 16 rows of 64 bytes.
inline void take_matrix_unit() {
  struct {
    uint8_t palette = 1, start = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } configuration;
  written(&configuration);
  _tile_loadconfig(&configuration);
}

inline void begin_matrices(const Stack& stack, MatrixStack& m) {
  WeightMatrix* next = m.weights;
  for (int k = 0; k < stack.layers; ++k) {
    pack_matrices(stack.layer[k], next);
    m.layer[k] = next;
    next += 3 * steps_of(stack.layer[k]) * blocks_of(stack.layer[k]);
  }
  take_matrix_unit();
}

inline void end_matrices() { _tile_release(); }

inline void begin_matrix_tile(const Stack& stack, const StackRows& rows, MatrixStack& m) {
  for (int o = 0; o < stack.layer[0].outputs; ++o) {
    for (int i = 0; i < kRowCells + 8; ++i) m.column_sum[i][o] = rows.column_sum[o][i % kRowCells];
  }
}

// Sums that are added up together in four matrices: one alone would wait for its last product. Matrix i holds block
// i % kBlocks of the outputs of 16 cells. In memory by cell, then output.
template <int kBlocks>
struct Sums {
  static constexpr int kCells = 4 / kBlocks * kMatrixCells, kOutputs = kBlocks * kMatrixOutputs;
  alignas(64) float of[kCells * kOutputs];
};

template <int kBlocks>
LRD_HD void begin_sums(const float (*start)[kMaxWidth], int cell) {
  if (start == nullptr) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    return;
  }
  const auto matrix = [&](int i) {
    return start[(cell + i / kBlocks * kMatrixCells) % kRowCells] + i % kBlocks * kMatrixOutputs;
  };
  _tile_loadd(0, matrix(0), sizeof *start);
  _tile_loadd(1, matrix(1), sizeof *start);
  _tile_loadd(2, matrix(2), sizeof *start);
  _tile_loadd(3, matrix(3), sizeof *start);
}

// One product more on every matrix. values: from a cell to the next.
template <int kBlocks>
LRD_HD void add_products(const uint16_t* cells, int values, const WeightMatrix* w) {
  const int stride = values * static_cast<int>(sizeof(uint16_t)), group = kMatrixCells * values;
  _tile_loadd(6, w, 64);
  _tile_loadd(4, cells, stride);
  _tile_dpbf16ps(0, 4, 6);
  if constexpr (kBlocks == 2) {
    _tile_loadd(7, w + 1, 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, cells + group, stride);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  } else {
    _tile_loadd(5, cells + group, stride);
    _tile_dpbf16ps(1, 5, 6);
    _tile_loadd(7, cells + 2 * group, stride);
    _tile_dpbf16ps(2, 7, 6);
    _tile_loadd(4, cells + 3 * group, stride);
    _tile_dpbf16ps(3, 4, 6);
  }
}

template <int kBlocks>
LRD_HD void store_sums(Sums<kBlocks>& sums) {
  constexpr int kOutputs = kBlocks * kMatrixOutputs, kStride = kOutputs * 4;
  const auto matrix = [&](int i) {
    return sums.of + i / kBlocks * kMatrixCells * kOutputs + i % kBlocks * kMatrixOutputs;
  };
  _tile_stored(0, matrix(0), kStride);
  _tile_stored(1, matrix(1), kStride);
  _tile_stored(2, matrix(2), kStride);
  _tile_stored(3, matrix(3), kStride);
}

// The sums of one unit. Between its products the unit before is finished from cell `finished` on, four cells at a time
// by finish(cell): the matrix unit and the rest of the processor work side by side.
template <int kBlocks, typename Finish>
LRD_HD void add_up(const HiddenLayer& layer, const WeightMatrix* w, const uint16_t* cells, Sums<kBlocks>& sums,
                   int finished, const Finish& finish) {
  constexpr int kCells = Sums<kBlocks>::kCells;
  const int steps = steps_of(layer), values = values_of(layer);
  const int fours = (kCells / 4 + 3 * steps - 2) / (3 * steps - 1);  // to finish after each product but the first
  for (int down = 0; down < 3; ++down) {
    for (int step = 0; step < steps; ++step, w += kBlocks) {
      add_products<kBlocks>(cells + (down * kRowCells + step) * values, values, w);
      if (down + step == 0) continue;
      for (int i = 0; i < fours && finished < kCells; ++i, finished += 4) finish(finished);
    }
  }
  store_sums(sums);
}

// Units of a layer, `apart` cells of its input from one to the next. finish(sums of a unit, its number, the cell in
// it).
template <int kBlocks, typename Finish>
LRD_HD void add_up_units(const HiddenLayer& layer, const WeightMatrix* w, const uint16_t* in, int units, int apart,
                         const float (*start)[kMaxWidth], const Finish& finish) {
  constexpr int kCells = Sums<kBlocks>::kCells;
  Sums<kBlocks> sums[2];
  written(in);
  for (int u = 0; u < units; ++u) {
    begin_sums<kBlocks>(start, u * apart);
    add_up(layer, w, in + u * apart * values_of(layer), sums[u % 2], u == 0 ? kCells : 0,
           [&](int i) { finish(sums[(u - 1) % 2].of, u - 1, i); });
  }
  for (int i = 0; i < kCells; i += 4) finish(sums[(units - 1) % 2].of, units - 1, i);
}

LRD_HD __m512i widened(__m256bh half) { return _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(half)); }

LRD_HD __m512 active(const float* sum, const float* bias) {
  return leaky_relu(_mm512_add_ps(_mm512_loadu_ps(sum), _mm512_loadu_ps(bias)));
}

// Rows of a hidden layer. bias: of the outputs, one row of them for all or one for each row.
template <int kBlocks>
inline void hidden_matrices(const HiddenLayer& layer, const WeightMatrix* w, const uint16_t* in, int rows,
                            const float (*start)[kMaxWidth], const float* bias, int bias_row, uint16_t* target) {
  constexpr int kCells = Sums<kBlocks>::kCells, kOutputs = Sums<kBlocks>::kOutputs;
  const int units = (rows * kRowCells + kCells - 1) / kCells;
  add_up_units<kBlocks>(layer, w, in, units, kCells, start, [&](const float* sums, int unit, int first) {
    const int cell = unit * kCells + first, row = cell / kRowCells;
    const float* row_bias = bias + (row < rows ? row : 0) * bias_row;
    for (int i = 0; i < 4; ++i) {
      const float* sum = sums + (first + i) * kOutputs;
      uint16_t* out = target + (cell + i) * kOutputs;
      if constexpr (kBlocks > 1) {
        const __m512bh both = _mm512_cvtne2ps_pbh(active(sum + 16, row_bias + 16), active(sum, row_bias));
        _mm512_storeu_si512(out, reinterpret_cast<__m512i>(both));
      } else {
        const __m256bh half = _mm512_cvtneps_pbh(active(sum, row_bias));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), reinterpret_cast<__m256i>(half));
      }
    }
  });
}

// Rows of the last layer. residual(row): N_init of its first cell, [site][kRowFloats].
template <typename Residual>
inline void final_matrices(const HiddenLayer& layer, const WeightMatrix* w, const uint16_t* in, int rows, float sigma,
                           const Residual& residual, float (*result)[kOutputs][kTileWidth]) {
  static_assert(Sums<1>::kCells == kTileWidth);
  add_up_units<1>(layer, w, in, rows, kRowCells, nullptr, [&](const float* sums, int row, int first) {
    const float* sum = sums + first * kMatrixOutputs;
    __m128 site[kOutputs];
    for (int i = 0; i < 4; ++i) site[i] = _mm_loadu_ps(sum + i * kMatrixOutputs);
    _MM_TRANSPOSE4_PS(site[0], site[1], site[2], site[3]);
    for (int i = 0; i < kOutputs; ++i) {
      const __m128 n = _mm_loadu_ps(residual(row) + i * kRowFloats + first);
      const __m128 all = _mm_add_ps(n, _mm_add_ps(site[i], _mm_set1_ps(layer.bias[i])));
      _mm_storeu_ps(&result[row][i][first], _mm_mul_ps(all, _mm_set1_ps(sigma)));
    }
  });
}

// A row of N_init, from floats by site to what the matrices of layer 0 read.
inline void take_sites(const float (&drawn)[4][kRowFloats], uint16_t (*cells)[kDepth]) {
  static_assert(kWide % 16 == 0 && kWide >= kRowCells + 7);
  const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
  const __m512i eight = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
  __m512i eights[kWide / 8];
  for (int i = 0; i < kWide; i += 16) {
    __m512i pair[2];  // sites 0 and 1, 2 and 3 of 16 cells
    for (int s = 0; s < 2; ++s) {
      const __m512i left = widened(_mm512_cvtneps_pbh(_mm512_loadu_ps(drawn[2 * s] + i)));
      const __m512i right = widened(_mm512_cvtneps_pbh(_mm512_loadu_ps(drawn[2 * s + 1] + i)));
      pair[s] = _mm512_or_si512(left, _mm512_slli_epi32(right, 16));
    }
    eights[i / 8] = _mm512_permutex2var_epi32(pair[0], low, pair[1]);
    eights[i / 8 + 1] = _mm512_permutex2var_epi32(pair[0], high, pair[1]);
  }
  for (int i = 0; i < kRowCells; ++i) {
    const __m512i from = _mm512_add_epi64(eight, _mm512_set1_epi64(i % 8));
    _mm512_store_si512(cells[i], _mm512_permutex2var_epi64(eights[i / 8], from, eights[i / 8 + 1]));
  }
}

// Take in rows first to last of N_init, kRowsAtOnce at most and already drawn, as advance() of conv_tile.h takes in
// one.
inline void advance_matrices(const Stack& stack, float sigma, int first, int last, StackRows& rows, MatrixStack& m,
                             float (*result)[kOutputs][kTileWidth]) {
  static_assert(kInputRows >= kRowsAtOnce + kMaxHiddenLayers + 1 && kRowsAtOnce >= 2 * (kMaxHiddenLayers + 1));
  const int kept = first == 0 ? 0 : 2;  // rows of each layer's input
  for (int s = first; s <= last; ++s) take_sites(rows.sites[s % kInputRows], m.sites + (kept + s - first) * kRowCells);
  int made = last - first + 1;  // rows, by each layer in turn
  for (int k = 0; k < stack.layers; ++k) {
    const HiddenLayer& layer = stack.layer[k];
    uint16_t* in = k == 0 ? m.sites[0] : m.hidden[k - 1];
    made += kept - 2;
    if (k == stack.layers - 1) {
      if (made == 0) return;
      final_matrices(
          layer, m.layer[k], in, made, sigma,
          [&](int row) { return rows.sites[(first + row - stack.layers) % kInputRows][0] + stack.layers; }, result);
    } else {
      for (int i = 0; k == 0 && i < made; ++i) sum_lines(stack, last - made + 1 + i, rows, m.row_sum[i]);
      const float (*start)[kMaxWidth] = k == 0 ? m.column_sum : nullptr;
      const float* bias = k == 0 ? m.row_sum[0] : layer.bias;
      const int bias_row = k == 0 ? kMaxWidth : 0;
      uint16_t* target = m.hidden[k] + kept * kRowCells * layer.outputs;
      if (blocks_of(layer) == 2) {
        hidden_matrices<2>(layer, m.layer[k], in, made, start, bias, bias_row, target);
      } else {
        hidden_matrices<1>(layer, m.layer[k], in, made, start, bias, bias_row, target);
      }
    }
    const int row = kRowCells * values_of(layer);
    memmove(in, in + made * row, 2 * row * sizeof *in);
  }
}

#pragma GCC pop_options

#else

constexpr int kRowsAtOnce = 1;
struct MatrixStack {};
inline bool has_matrix_unit() { return false; }
inline void begin_matrices(const Stack&, MatrixStack&) {}
inline void end_matrices() {}
inline void begin_matrix_tile(const Stack&, const StackRows&, MatrixStack&) {}
inline void advance_matrices(const Stack&, float, int, int, StackRows&, MatrixStack&, float (*)[kOutputs][kTileWidth]) {
}

#endif

}  // namespace
}  // namespace lrd::LRD_ISA
