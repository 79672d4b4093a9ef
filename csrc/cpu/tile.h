// SPDX-License-Identifier: Apache-2.0
// The CPU executor's loop over tiles of cells. Each tiles_<isa>.cpp includes this once, in a namespace of its own
// and compiled for its own instruction set.
#pragma once

#include "../noise/conv_tile.h"
#include "../noise/element.h"
#include "../noise/site.h"
#include "../request.h"

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace lrd::LRD_ISA {
namespace {

constexpr int kCells = kTileCellCols;

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

inline Layout layout_of(const Frames& f, bool packed) {
  return packed ? packed_layout(f.sample_stride, f.channel_stride, f.row_stride)
                : mosaic_layout(f.sample_stride, f.row_stride);
}

// n cells of one cell row to the four sites, the rest of the block filled with zeros.
template <typename T, int kColumnStep, Dtype kDtype>
void load_sites(const T* source, const Layout& layout, int n, float (&value)[4][kCells]) {
  for (int pair = 0; pair < 2; ++pair) {
    const T* left = source + layout.site[2 * pair];
    const T* right = source + layout.site[2 * pair + 1];
    float* a = value[2 * pair];
    float* b = value[2 * pair + 1];
    for (int i = 0; i < n; ++i) {
      a[i] = as_float<kDtype>(left[kColumnStep * i]);
      b[i] = as_float<kDtype>(right[kColumnStep * i]);
    }
    for (int i = n; i < kCells; ++i) a[i] = b[i] = 0.0f;
  }
}

template <typename T, Dtype kDtype>
void load_typed(const Frames& f, const Layout& layout, int64_t offset, int n, float (&value)[4][kCells]) {
  const T* source = static_cast<const T*>(f.data) + offset;
  if (layout.cell_col == 1) {
    load_sites<T, 1, kDtype>(source, layout, n, value);
  } else {
    load_sites<T, 2, kDtype>(source, layout, n, value);
  }
}

inline void load(const Frames& f, const Layout& layout, int64_t offset, int n, float (&value)[4][kCells]) {
  switch (f.dtype) {
    case Dtype::kFloat32: return load_typed<float, Dtype::kFloat32>(f, layout, offset, n, value);
    case Dtype::kFloat16: return load_typed<uint16_t, Dtype::kFloat16>(f, layout, offset, n, value);
    case Dtype::kBfloat16: return load_typed<uint16_t, Dtype::kBfloat16>(f, layout, offset, n, value);
    case Dtype::kUint16: return load_typed<uint16_t, Dtype::kUint16>(f, layout, offset, n, value);
  }
}

template <typename T, int kColumnStep, Dtype kDtype>
void store_sites(T* target, const Layout& layout, int n, const float (&value)[4][kCells]) {
  for (int pair = 0; pair < 2; ++pair) {
    T* left = target + layout.site[2 * pair];
    T* right = target + layout.site[2 * pair + 1];
    const float* a = value[2 * pair];
    const float* b = value[2 * pair + 1];
    for (int i = 0; i < n; ++i) {
      left[kColumnStep * i] = as_stored<kDtype>(a[i]);
      right[kColumnStep * i] = as_stored<kDtype>(b[i]);
    }
  }
}

template <typename T, Dtype kDtype>
void store_typed(const Frames& f, const Layout& layout, int64_t offset, int n, const float (&value)[4][kCells]) {
  T* target = static_cast<T*>(f.data) + offset;
  if (layout.cell_col == 1) {
    store_sites<T, 1, kDtype>(target, layout, n, value);
  } else {
    store_sites<T, 2, kDtype>(target, layout, n, value);
  }
}

inline void store(const Frames& f, const Layout& layout, int64_t offset, int n, const float (&value)[4][kCells]) {
  switch (f.dtype) {
    case Dtype::kFloat32: return store_typed<float, Dtype::kFloat32>(f, layout, offset, n, value);
    case Dtype::kFloat16: return store_typed<uint16_t, Dtype::kFloat16>(f, layout, offset, n, value);
    case Dtype::kBfloat16: return store_typed<uint16_t, Dtype::kBfloat16>(f, layout, offset, n, value);
    case Dtype::kUint16: return store_typed<uint16_t, Dtype::kUint16>(f, layout, offset, n, value);
  }
}

struct Tile {
  int64_t sample, row, col;  // col and row of the first cell
  int rows, cols;
};

inline Tile tile_at(const Request& q, int64_t number) {
  const int64_t across = (q.cell_cols + kTileCellCols - 1) / kTileCellCols;
  const int64_t down = (q.cell_rows + kTileCellRows - 1) / kTileCellRows;
  Tile t;
  t.col = number % across * kTileCellCols;
  t.row = number / across % down * kTileCellRows;
  t.sample = number / (across * down);
  t.cols = static_cast<int>(q.cell_cols - t.col < kTileCellCols ? q.cell_cols - t.col : kTileCellCols);
  t.rows = static_cast<int>(q.cell_rows - t.row < kTileCellRows ? q.cell_rows - t.row : kTileCellRows);
  return t;
}

// The learned generator down one tile. Left out of line, so that calls without one run the code they always ran.
struct Generated {
  Stack stack;
  StackRows rows;
  float value[4][kCells];
  float sigma;
  uint32_t cell_row, cell_col;  // of the halo's first cell
};

__attribute__((noinline)) void begin_stack(const Request& q, Generated& g) {
  memset(&g.rows, 0, sizeof g.rows);
  g.stack = unpack_stack(q.weights, q.widths);
}

// Take in row s of the tile with its halo.
__attribute__((noinline)) void advance_stack(const Stream& stream, int s, Generated& g) {
  draw_input_row(stream, g.cell_row + static_cast<uint32_t>(s), g.cell_col, s, g.rows);
  advance(g.stack, g.sigma, s, g.rows, g.value);
}

__attribute__((noinline)) void begin_stack_tile(const Request& q, const Tile& tile, const Stream& stream,
                                                Generated& g) {
  g.sigma = q.sigma_init[q.sigma_rows == 1 ? 0 : tile.sample];
  g.cell_row = static_cast<uint32_t>(q.origin_row + tile.row - g.stack.layers);
  g.cell_col = static_cast<uint32_t>(q.origin_col + tile.col - g.stack.layers);
  begin_tile(g.stack, stream, log_unit(g.sigma), g.cell_col, g.rows);
  for (int s = 0; s < 2 * g.stack.layers; ++s) advance_stack(stream, s, g);
}

// generated: ready for a tile, or null.
inline void synthesize_tile(const Request& q, const Model& model, const Tile& tile, Generated* generated) {
  const int64_t table_row = q.table_rows == 1 ? 0 : tile.sample;
  const SampleParams p = sample_params(q.table + table_row * kTableColumns, q.clean.dtype == Dtype::kUint16);
  const Stream stream = make_stream(*q.seed, q.index[tile.sample]);
  const Layout in = layout_of(q.clean, q.packed), dark = layout_of(q.dark, q.packed), out = layout_of(q.out, q.packed);
  const uint32_t cell_col = static_cast<uint32_t>(q.origin_col + tile.col);
  float columns[2][kCells], rows[kTileCellRows][2], value[4][kCells], dark_value[4][kCells] = {};
  const SiteWords<kCells> words(stream, cell_col);
  row_noise<kTileCellRows>(stream, p.sigma_row, static_cast<uint32_t>(q.origin_row + tile.row), rows);
  column_noise<kCells>(stream, p.sigma_col, cell_col, columns);
  if (generated != nullptr) begin_stack_tile(q, tile, stream, *generated);
  for (int r = 0; r < tile.rows; ++r) {
    const auto offset = [&](const Layout& l) {
      return tile.sample * l.sample + (tile.row + r) * l.cell_row + tile.col * l.cell_col;
    };
    const uint32_t cell_row = static_cast<uint32_t>(q.origin_row + tile.row + r);
    load(q.clean, in, offset(in), tile.cols, value);
    for (int site = 0; site < 4; ++site) {
      const float black = p.signal_offset[site], scale = p.signal_scale[site];
      for (int i = 0; i < kCells; ++i) value[site][i] = (value[site][i] - black) * scale;
    }
    if (q.dark.data != nullptr) load(q.dark, dark, offset(dark), tile.cols, dark_value);
    if (generated != nullptr) advance_stack(stream, r + 2 * generated->stack.layers, *generated);
    synthesize<kCells>(model, p, words, cell_row, rows[r], columns, dark_value, value,
                       generated != nullptr ? generated->value : nullptr);
    store(q.out, out, offset(out), tile.cols, value);
  }
}

inline void synthesize_tiles(const Request& q, int64_t first, int64_t last) {
  const Model model = {static_cast<Read>(q.read), q.shot, static_cast<Output>(q.output),
                       static_cast<Quantize>(q.quantize), static_cast<Clip>(q.clip)};
  const uint64_t callers_mode = enter_default_float_mode();
  Generated generated;  // up to 150 KB of stack, touched only where there is a generator
  if (q.weights != nullptr) begin_stack(q, generated);
  Generated* const g = q.weights != nullptr ? &generated : nullptr;
  for (int64_t number = first; number < last; ++number) synthesize_tile(q, model, tile_at(q, number), g);
  leave_default_float_mode(callers_mode);
}

}  // namespace
}  // namespace lrd::LRD_ISA
