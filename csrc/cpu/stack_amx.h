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
constexpr int kCellsRead = kWide + 24;  // of a row: a multiple of 32 are worked out, and a matrix reads 8 further

// GCC's intrinsics do not say that they read memory: what is written before must be there.
LRD_HD void written(const void* memory) { __asm__ volatile("" : : "r"(memory) : "memory"); }

// Weights of one matrix product, in pairs of columns.
struct alignas(64) WeightMatrix {
  uint16_t pair[kDepth / 2][kMatrixOutputs][2];
};

// Of a layer: products across its three taps, and blocks of outputs.
LRD_HD int steps_of(const HiddenLayer& layer) { return layer.inputs == 4 ? 1 : layer.inputs == 16 ? 2 : 3; }
LRD_HD int blocks_of(const HiddenLayer& layer) { return layer.outputs > kMatrixOutputs ? 2 : 1; }

// Each layer works on several rows in turn, so that its weights come out of L2 once for all of them.
constexpr int kRowsAtOnce = 4, kRowsKept = kRowsAtOnce + 2;

struct alignas(64) MatrixStack {
  bool used;
  const WeightMatrix* layer[kMaxHiddenLayers + 1];
  WeightMatrix weights[3 * 2 + 2 * (9 * 2) + 9];  // by layer, tap down, step across, block of outputs
  float column_sum[kCellsRead][kMaxWidth];        // what layer 0 starts with
  uint16_t sites[kRowsKept][kCellsRead][4];       // N_init by row and cell
  uint16_t hidden[kMaxHiddenLayers][kRowsKept][kCellsRead * kMaxWidth];
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
      const int tap = step * across + k / layer.inputs, channel = k % layer.inputs;
      if (tap > 2) break;
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

inline void begin_matrices(const Stack& stack, bool wanted, MatrixStack& m) {
  m.used = wanted && has_matrix_unit();
  if (!m.used) return;
  memset(m.column_sum, 0, sizeof m.column_sum);
  memset(m.sites, 0, sizeof m.sites);
  memset(m.hidden, 0, sizeof m.hidden);
  WeightMatrix* next = m.weights;
  for (int k = 0; k < stack.layers; ++k) {
    pack_matrices(stack.layer[k], next);
    m.layer[k] = next;
    next += 3 * steps_of(stack.layer[k]) * blocks_of(stack.layer[k]);
  }
  take_matrix_unit();
}

inline void end_matrices(const MatrixStack& m) {
  if (m.used) _tile_release();
}

inline void begin_matrix_tile(const Stack& stack, const StackRows& rows, MatrixStack& m) {
  for (int o = 0; o < stack.layer[0].outputs; ++o) {
    for (int i = 0; i < kWide; ++i) m.column_sum[i][o] = rows.column_sum[o][i];
  }
}

// Two matrices of sums: 16 cells times 32 outputs, or 32 cells times 16 outputs, by rows of what is a cell's.
constexpr int kSumMatrices = 2;
using Sums = float[kSumMatrices * kMatrixCells * kMatrixOutputs];

template <int kBlocks>
struct Unit {
  static constexpr int kCells = kSumMatrices / kBlocks * kMatrixCells, kOutputs = kBlocks * kMatrixOutputs;
};

// The registers hold two sets of sums, 0 and 1, and 2 and 3: while one is finished, the other is added up.
template <int kSet>
LRD_HD void clear_sums() {
  if constexpr (kSet == 0) {
    _tile_zero(0);
    _tile_zero(1);
  } else {
    _tile_zero(2);
    _tile_zero(3);
  }
}

template <int kSet>
LRD_HD void load_sums(const float* first, const float* second, int stride) {
  if constexpr (kSet == 0) {
    _tile_loadd(0, first, stride);
    _tile_loadd(1, second, stride);
  } else {
    _tile_loadd(2, first, stride);
    _tile_loadd(3, second, stride);
  }
}

template <int kSet>
LRD_HD void store_sums(float* first, float* second, int stride) {
  if constexpr (kSet == 0) {
    _tile_stored(0, first, stride);
    _tile_stored(1, second, stride);
  } else {
    _tile_stored(2, first, stride);
    _tile_stored(3, second, stride);
  }
}

// One product more on both matrices of a set.
template <int kSet, int kBlocks>
LRD_HD void add_products(const uint16_t* cells, int inputs, const WeightMatrix* w) {
  const int stride = inputs * static_cast<int>(sizeof(uint16_t));
  _tile_loadd(4, cells, stride);
  _tile_loadd(6, w, 64);
  if constexpr (kBlocks == 1) {
    _tile_loadd(5, cells + kMatrixCells * inputs, stride);
  } else {
    _tile_loadd(7, w + 1, 64);
  }
  if constexpr (kSet == 0) {
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kBlocks == 1) _tile_dpbf16ps(1, 5, 6);
    if constexpr (kBlocks == 2) _tile_dpbf16ps(1, 4, 7);
  } else {
    _tile_dpbf16ps(2, 4, 6);
    if constexpr (kBlocks == 1) _tile_dpbf16ps(3, 5, 6);
    if constexpr (kBlocks == 2) _tile_dpbf16ps(3, 4, 7);
  }
}

// The cells of a unit from col on. Between its products the unit before is finished, four cells at a time by
// finish(cell): the matrix unit and the rest of the processor work side by side.
template <int kSet, int kBlocks, typename Finish>
LRD_HD void add_up(const HiddenLayer& layer, const WeightMatrix* w, const uint16_t* const (&in)[3], int col,
                   const float (*start)[kMaxWidth], Sums& sums, const Finish& finish) {
  using U = Unit<kBlocks>;
  if (start == nullptr) {
    clear_sums<kSet>();
  } else {
    const float* first = start[col];
    load_sums<kSet>(first, first + (kBlocks == 2 ? kMatrixOutputs : kMatrixCells * kMaxWidth), sizeof *start);
  }
  const int steps = steps_of(layer);
  const int fours = (U::kCells / 4 + 3 * steps - 2) / (3 * steps - 1);  // to finish after each product but the first
  int finished = 0;
  for (int down = 0; down < 3; ++down) {
    const uint16_t* cells = in[down] + col * layer.inputs;
    for (int step = 0; step < steps; ++step, cells += kDepth, w += kBlocks) {
      add_products<kSet, kBlocks>(cells, layer.inputs, w);
      if (down + step == 0) continue;
      for (int i = 0; i < fours && finished < U::kCells; ++i, finished += 4) finish(finished);
    }
  }
  store_sums<kSet>(sums, sums + (kBlocks == 2 ? kMatrixOutputs : kMatrixCells * U::kOutputs),
                   U::kOutputs * static_cast<int>(sizeof(float)));
}

// A row of a layer, unit by unit. finish(sums of a unit, its first cell, the cell in it).
template <int kBlocks, typename Finish>
LRD_HD void row_of_units(const HiddenLayer& layer, const WeightMatrix* w, const uint16_t* const (&in)[3], int cells,
                         const float (*start)[kMaxWidth], const Finish& finish) {
  constexpr int kCells = Unit<kBlocks>::kCells;
  alignas(64) Sums even, odd;
  written(in[0]);
  add_up<0, kBlocks>(layer, w, in, 0, start, even, [](int) {});
  int col = kCells;
  for (; col + kCells < cells; col += 2 * kCells) {
    add_up<1, kBlocks>(layer, w, in, col, start, odd, [&](int i) { finish(even, col - kCells, i); });
    add_up<0, kBlocks>(layer, w, in, col + kCells, start, even, [&](int i) { finish(odd, col, i); });
  }
  if (col < cells) {
    add_up<1, kBlocks>(layer, w, in, col, start, odd, [&](int i) { finish(even, col - kCells, i); });
  }
  for (int i = 0; i < kCells; i += 4) finish(col < cells ? odd : even, col < cells ? col : col - kCells, i);
}

LRD_HD __m512 active(const float* sum, const float* bias) {
  return leaky_relu(_mm512_add_ps(_mm512_loadu_ps(sum), _mm512_loadu_ps(bias)));
}

// bias: of each output, or what the mosaic rows add to layer 0.
template <int kBlocks>
inline void hidden_matrices(const HiddenLayer& layer, const WeightMatrix* w, const uint16_t* const (&in)[3],
                            const float (*start)[kMaxWidth], const float* bias, uint16_t* target) {
  constexpr int kOutputs = Unit<kBlocks>::kOutputs;
  row_of_units<kBlocks>(layer, w, in, kWide, start, [&](const Sums& sums, int col, int first) {
    for (int i = first; i < first + 4; ++i) {
      const float* sum = sums + i * kOutputs;
      uint16_t* cell = target + (col + i) * kOutputs;
      if constexpr (kBlocks > 1) {
        const __m512bh both = _mm512_cvtne2ps_pbh(active(sum + 16, bias + 16), active(sum, bias));
        _mm512_storeu_si512(cell, reinterpret_cast<__m512i>(both));
      } else {
        const __m256bh half = _mm512_cvtneps_pbh(active(sum, bias));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(cell), reinterpret_cast<__m256i>(half));
      }
    }
  });
}

inline void final_matrices(const HiddenLayer& layer, const WeightMatrix* w, const uint16_t* const (&in)[3],
                           const float* residual, float sigma, float (&result)[kOutputs][kTileWidth]) {
  row_of_units<1>(layer, w, in, kTileWidth, nullptr, [&](const Sums& sums, int col, int first) {
    const float* sum = sums + first * kMatrixOutputs;
    __m128 site[kOutputs];
    for (int i = 0; i < 4; ++i) site[i] = _mm_loadu_ps(sum + i * kMatrixOutputs);
    _MM_TRANSPOSE4_PS(site[0], site[1], site[2], site[3]);
    for (int i = 0; i < kOutputs; ++i) {
      const __m128 n = _mm_loadu_ps(residual + i * kRowFloats + col + first);
      const __m128 all = _mm_add_ps(n, _mm_add_ps(site[i], _mm_set1_ps(layer.bias[i])));
      _mm_storeu_ps(&result[i][col + first], _mm_mul_ps(all, _mm_set1_ps(sigma)));
    }
  });
}

// Take in rows first to last of N_init, kRowsAtOnce at most and already drawn, as advance() of conv_tile.h takes in
// one.
inline void advance_matrices(const Stack& stack, float sigma, int first, int last, StackRows& rows, MatrixStack& m,
                             float (*result)[kOutputs][kTileWidth]) {
  for (int s = first; s <= last; ++s) {
    const float (&drawn)[4][kRowFloats] = rows.sites[s % kInputRows];
    for (int i = 0; i < kWide; ++i) {
      for (int site = 0; site < 4; ++site) m.sites[s % kRowsKept][i][site] = to_bfloat16(drawn[site][i]);
    }
  }
  for (int k = 0; k < stack.layers; ++k) {
    const HiddenLayer& layer = stack.layer[k];
    for (int s = first; s <= last; ++s) {
      const int row = s - 2 * (k + 1);
      if (row < 0) continue;
      const uint16_t* in[3];
      for (int down = 0; down < 3; ++down) {
        const int kept = (row + down) % kRowsKept;
        in[down] = k == 0 ? m.sites[kept][0] : m.hidden[k - 1][kept];
      }
      if (k == stack.layers - 1) {
        const float* residual = rows.sites[(row + stack.layers) % kInputRows][0] + stack.layers;
        final_matrices(layer, m.layer[k], in, residual, sigma, result[s - first]);
        continue;
      }
      if (k == 0) sum_lines(stack, s, rows);
      const float (*start)[kMaxWidth] = k == 0 ? m.column_sum : nullptr;
      const float* bias = k == 0 ? rows.row_sum : layer.bias;
      if (blocks_of(layer) == 2) {
        hidden_matrices<2>(layer, m.layer[k], in, start, bias, m.hidden[k][row % kRowsKept]);
      } else {
        hidden_matrices<1>(layer, m.layer[k], in, start, bias, m.hidden[k][row % kRowsKept]);
      }
    }
  }
}

#pragma GCC pop_options

#else

constexpr int kRowsAtOnce = 1;
struct MatrixStack {
  static constexpr bool used = false;
};
inline void begin_matrices(const Stack&, bool, MatrixStack&) {}
inline void end_matrices(const MatrixStack&) {}
inline void begin_matrix_tile(const Stack&, const StackRows&, MatrixStack&) {}
inline void advance_matrices(const Stack&, float, int, int, StackRows&, MatrixStack&, float (*)[kOutputs][kTileWidth]) {
}

#endif

}  // namespace
}  // namespace lrd::LRD_ISA
