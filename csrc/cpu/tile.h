// SPDX-License-Identifier: Apache-2.0
// The CPU executor's loop over tiles of cells. Each tiles_<isa>.cpp includes this once, in a namespace of its own
// and compiled for its own instruction set.
#pragma once

#include "../noise/conv_tile.h"
#include "../noise/elementary.h"
#include "../noise/sample.h"
#include "../noise/site.h"
#include "../request.h"
#include "block.h"
#include "sensor_tile.h"
#include "stack_amx.h"

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace lrd::LRD_ISA {
namespace {

// Cells of a block, which is one cell row of a tile; fewer where no more are left, so that narrow frames cost less.
constexpr int kCells = kTileCellCols, kFewCells = kCells / 2;

// Set the default floating-point mode (subnormals kept) and return the caller's. Not a class with a destructor:
// its clean-up edges would split the loops inlined under it and keep them from vectorising.
#if defined(__SSE2__)
inline uint64_t enter_default_float_mode() {
  const uint64_t saved = _mm_getcsr();
  _mm_setcsr(0x1F80);
  return saved;
}
inline void leave_default_float_mode(uint64_t saved) { _mm_setcsr(static_cast<unsigned>(saved)); }
#elif defined(__aarch64__)
inline uint64_t enter_default_float_mode() {
  uint64_t saved;
  __asm__ volatile("mrs %0, fpcr" : "=r"(saved));
  __asm__ volatile("msr fpcr, %0" : : "r"(uint64_t{0}));
  return saved;
}
inline void leave_default_float_mode(uint64_t saved) { __asm__ volatile("msr fpcr, %0" : : "r"(saved)); }
#else
inline uint64_t enter_default_float_mode() { return 0; }
inline void leave_default_float_mode(uint64_t) {}
#endif

struct Tile {
  int64_t sample, row, col;  // col and row of the first cell
  int rows, cols;
};

inline Tile tile_at(const Request& q, int64_t number) {
  const int64_t across = (q.cell_cols + kTileCellCols - 1) / kTileCellCols, height = tile_cell_rows(q);
  const int64_t down = (q.cell_rows + height - 1) / height, tiles = across * down;
  // All samples of one place, which may share their body, or all places of one sample.
  const bool by_place = q.has_sensor && draws_sites(sensor_row_of(q, 0));
  const int64_t place = by_place ? number / q.batch : number % tiles;
  Tile t;
  t.col = place % across * kTileCellCols;
  t.row = place / across * height;
  t.sample = by_place ? number % q.batch : number / tiles;
  t.cols = static_cast<int>(q.cell_cols - t.col < kTileCellCols ? q.cell_cols - t.col : kTileCellCols);
  t.rows = static_cast<int>(q.cell_rows - t.row < height ? q.cell_rows - t.row : height);
  return t;
}

// The learned generator down one tile. Left out of line, so that calls without one run the code they always ran.
struct Generated {
  Stack stack;
  StackRows rows;
  bool in_matrices;
  union {
    HiddenRows hidden;
    MatrixStack matrices;
  };
  float value[kRowsAtOnce][4][kCells];
  float sigma;
  uint32_t cell_row, cell_col;  // of the halo's first cell
};

__attribute__((noinline)) void begin_stack(const Request& q, Generated& g) {
  memset(&g.rows, 0, sizeof g.rows);
  g.stack = unpack_stack(q.weights, q.widths);
  g.in_matrices = q.bfloat16 && has_matrix_unit();
  if (g.in_matrices) {
    begin_matrices(g.stack, g.matrices);
  } else {
    memset(&g.hidden, 0, sizeof g.hidden);
  }
}

// Take in rows first to last of the tile with its halo, kRowsAtOnce at most.
__attribute__((noinline)) void advance_stack(const Stream& stream, int first, int last, Generated& g) {
  for (int s = first; s <= last; ++s) {
    draw_input_row(stream, g.cell_row + static_cast<uint32_t>(s), g.cell_col, s, g.rows);
    if (!g.in_matrices) advance(g.stack, g.sigma, s, g.rows, g.hidden, g.value[0]);
  }
  if (g.in_matrices) advance_matrices(g.stack, g.sigma, first, last, g.rows, g.matrices, g.value);
}

// The learned noise of row r of a tile, by site; rows are asked for in turn.
inline const float (*learned_row(const Stream& stream, const Tile& tile, int r, Generated& g)) [kCells] {
  const int at_once = g.in_matrices ? kRowsAtOnce : 1, halo = 2 * g.stack.layers;
  if (r % at_once == 0) {
    const int left = tile.rows - r;
    advance_stack(stream, r + halo, r + halo + (left < at_once ? left : at_once) - 1, g);
  }
  return g.value[r % at_once];
}

__attribute__((noinline)) void begin_stack_tile(const Request& q, const Tile& tile, const Stream& stream,
                                                Generated& g) {
  g.sigma = q.sigma_init[q.sigma_rows == 1 ? 0 : tile.sample];
  g.cell_row = static_cast<uint32_t>(q.origin_row + tile.row - g.stack.layers);
  g.cell_col = static_cast<uint32_t>(q.origin_col + tile.col - g.stack.layers);
  begin_tile(g.stack, stream, log_unit(g.sigma), g.cell_col, g.rows);
  if (g.in_matrices) begin_matrix_tile(g.stack, g.rows, g.matrices);
  const int halo = 2 * g.stack.layers, at_once = g.in_matrices ? kRowsAtOnce : 1;
  for (int s = 0; s < halo; s += at_once) advance_stack(stream, s, (s + at_once < halo ? s + at_once : halo) - 1, g);
}

inline bool is_past_caches(const Request& q) {
  const auto bytes = [](const Frames& f) { return f.data == nullptr ? 0 : f.dtype == Dtype::kFloat32 ? 4 : 2; };
  const int64_t written = bytes(q.out) + bytes(q.clean_out) + bytes(q.sigma_out);  // of a site
  return 4 * q.batch * q.cell_rows * q.cell_cols * written >= kPastCachesBytes;
}

// What is wanted of a tile beside the noise. clean is read as it is, for both.
template <int kColumnStep, int N>
void store_targets_typed(const Request& q, const SampleParams& p, const Targets& t, const Tile& tile) {
  const bool past_caches = is_past_caches(q);
  float clean[4][N], value[4][N];
  for (int r = 0; r < tile.rows; ++r) {
    const auto offset = [&](const Frames& f) { return offset_of(f, tile.sample, tile.row + r, tile.col); };
    load(q.clean, offset(q.clean), tile.cols, kAsTheyAre, clean, r + 1 < tile.rows ? q.clean.cell_row : 0);
    if (q.clean_out.data != nullptr) {
      for (int site = 0; site < 4; ++site) {
        for (int i = 0; i < N; ++i) value[site][i] = clean_target(t, site, clean[site][i]);
      }
      store<kColumnStep>(q.clean_out, offset(q.clean_out), tile.cols, past_caches, value);
    }
    if (q.sigma_out.data != nullptr) {
      for (int site = 0; site < 4; ++site) {
        const float zero = p.signal_offset[site], scale = p.signal_scale[site];
        for (int i = 0; i < N; ++i) value[site][i] = noise_level(t, site, (clean[site][i] - zero) * scale);
      }
      store<kColumnStep>(q.sigma_out, offset(q.sigma_out), tile.cols, past_caches, value);
    }
  }
}

// Left out of line, and done before the noise, so that calls which want nothing run the code they always ran.
template <int N>
__attribute__((noinline)) void store_targets(const Request& q, const Tile& tile, float sigma_init) {
  const SampleParams p = params_of(q, tile.sample);
  const Targets t = targets_of(q, tile.sample, sigma_init);
  if (q.out.cell_col == 1) {
    store_targets_typed<1, N>(q, p, t, tile);
  } else {
    store_targets_typed<2, N>(q, p, t, tile);
  }
}

// In blocks of N cells, no fewer than the tile has columns. kSensor: the table holds what the sensor adds. generated:
// ready for a tile of blocks of kCells, or null.
template <int N, bool kSensor>
LRD_HD void synthesize_tile(const Request& q, const Model& model, const Tile& tile, Kept& kept, Generated* generated) {
  SampleParams p = params_of(q, tile.sample);
  p.read.octaves = kept.octaves.of(p.read);
  const TableRow& row = row_of(q, tile.sample);
  const Stream stream = stream_of(q, tile.sample);
  const uint32_t cell_col = static_cast<uint32_t>(q.origin_col + tile.col);
  [[maybe_unused]] SensorTile<N, kSensor> sensor(q, tile.sample, stream, cell_col);
  float step = 1.0f;
  float columns[2][N], rows[kTileCellRows][2], value[4][N], dark_value[4][N] = {};
  const SiteWords<N> words(stream, cell_col);
  Levels signal;
  memcpy(signal.offset, p.signal_offset, sizeof signal.offset);
  memcpy(signal.scale, p.signal_scale, sizeof signal.scale);
  const bool past_caches = is_past_caches(q);
  if constexpr (kSensor) {
    coloured_columns<N>(sensor.row, row, stream, cell_col, columns);
    for (int site = 0; site < 4; ++site) p.bias[site] += sensor.drift[site];
    step = sensor.row.step;
  } else {
    column_noise<N>(stream, row.sigma_col, cell_col, columns);
  }
  if (generated != nullptr) begin_stack_tile(q, tile, stream, *generated);
  const CellConversion cell = cell_conversion(model, p);
  const bool zeros = adds_zeros(p, kSensor || q.dark.data != nullptr);
  [[maybe_unused]] const bool keeps = N == kCells && tile.rows <= kTileCellRows;
  [[maybe_unused]] bool drawn = false;
  if constexpr (kSensor) {
    drawn = keeps && kept.body.holds(sensor.body, static_cast<uint32_t>(q.origin_row + tile.row), cell_col);
  }
  for (int r = 0; r < tile.rows; ++r) {
    const auto offset = [&](const Frames& f) { return offset_of(f, tile.sample, tile.row + r, tile.col); };
    const uint32_t cell_row = static_cast<uint32_t>(q.origin_row + tile.row + r);
    if (r % kTileCellRows == 0) {
      if constexpr (kSensor) {
        draw_rows(sensor.row, row, stream, sensor.body, tile.sample, cell_row, kept.rows);
        memcpy(rows, kept.rows.noise, sizeof rows);
      } else {
        row_noise<kTileCellRows>(stream, row.sigma_row, cell_row, rows);
      }
    }
    load(q.clean, offset(q.clean), tile.cols, signal, value, r + 1 < tile.rows ? q.clean.cell_row : 0);
    if (q.dark.data != nullptr) load(q.dark, offset(q.dark), tile.cols, kAsTheyAre, dark_value);
    const float (*learned)[N] = nullptr;
    if constexpr (N == kCells) {
      if (generated != nullptr) learned = learned_row(stream, tile, r, *generated);
    }
    if constexpr (kSensor) {
      if (q.dark.data == nullptr && sensor.body.offsets()) memset(dark_value, 0, sizeof dark_value);
      BodyDraws<N>* draws = &sensor.draws;
      if constexpr (N == kCells) draws = keeps ? &kept.body.rows[r] : draws;
      add_body<N>(sensor.body, stream, sensor.words, cell_row, cell_col, kept.rows.fixed[r % kTileCellRows],
                  sensor.columns, drawn, *draws, value, dark_value);
    }
    synthesize<N>(model, p, words, cell_row, rows[r % kTileCellRows], columns, dark_value, value, learned, &cell, step,
                  zeros);
    if (q.out.cell_col == 1) {
      store<1>(q.out, offset(q.out), tile.cols, past_caches, value);
    } else {
      store<2>(q.out, offset(q.out), tile.cols, past_caches, value);
    }
  }
}

// Apart, so that what every call runs stays as short as without a sensor.
template <int N>
__attribute__((noinline)) void synthesize_tile_of_sensor(const Request& q, const Model& model, const Tile& tile,
                                                         Kept& kept, Generated* generated) {
  synthesize_tile<N, true>(q, model, tile, kept, generated);
}

template <int N>
LRD_HD void synthesize_all_of_tile(const Request& q, const Model& model, const Tile& tile, Kept& kept,
                                   Generated* generated) {
  if (wants_targets(q)) {
    store_targets<N>(q, tile, generated == nullptr ? 0.0f : q.sigma_init[q.sigma_rows == 1 ? 0 : tile.sample]);
  }
  if (q.has_sensor) {
    synthesize_tile_of_sensor<N>(q, model, tile, kept, generated);
  } else {
    synthesize_tile<N, false>(q, model, tile, kept, generated);
  }
}

// Apart from the tiles of a generator, whose 300 KB would else lie on the stack of every call.
__attribute__((noinline)) void synthesize_with(const Request& q, int64_t first, int64_t last, Generated* generated) {
  const Model model = model_of(q);
  Kept kept;
  for (int64_t number = first; number < last; ++number) {
    const Tile tile = tile_at(q, number);
    if (tile.cols > kFewCells || generated != nullptr) {
      synthesize_all_of_tile<kCells>(q, model, tile, kept, generated);
    } else {
      synthesize_all_of_tile<kFewCells>(q, model, tile, kept, nullptr);
    }
  }
}

__attribute__((noinline)) void synthesize_generated(const Request& q, int64_t first, int64_t last) {
  Generated generated;
  begin_stack(q, generated);
  synthesize_with(q, first, last, &generated);
  if (generated.in_matrices) end_matrices();
}

inline void synthesize_tiles(const Request& q, int64_t first, int64_t last) {
  const uint64_t callers_mode = enter_default_float_mode();
  if (q.weights != nullptr) {
    synthesize_generated(q, first, last);
  } else {
    synthesize_with(q, first, last, nullptr);
  }
#if defined(LRD_VECTOR_BITS)
  _mm_sfence();  // what was written past the caches is there before another thread is told so
#endif
  leave_default_float_mode(callers_mode);
}

}  // namespace
}  // namespace lrd::LRD_ISA
