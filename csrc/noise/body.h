// SPDX-License-Identifier: Apache-2.0
// What the body of a camera adds at every site, before and after the noise of site.h: y (1 + g) + K D in place of the
// signal y, and an offset. Mirrors lrd_ext/reference/body.py.
#pragma once

#include "dark_current.h"
#include "site.h"
#include "sine.h"

namespace lrd::LRD_ISA {

// Of one sample.
struct Body {
  bool has_lines, has_pattern, has_dark_current;
  float sigma_prnu, sigma_dsnu, K;
  Stream stream;
  DarkCurrent dark;

  // Whether it writes any.
  LRD_HD bool offsets() const { return has_lines || has_pattern; }
};

LRD_HD bool draws_pattern(const SensorRow& row) { return row.sigma_prnu > 0.0f || row.sigma_dsnu > 0.0f; }

// Whether anything is drawn at every site.
LRD_HD bool draws_sites(const SensorRow& row) { return draws_pattern(row) || draws_dark_current(row); }

LRD_HD Body body_of(const SensorRow& row, float K, const Stream& body) {
  Body b;
  b.has_lines = row.sigma_row_fixed > 0.0f || row.sigma_col_fixed > 0.0f;
  b.has_pattern = draws_pattern(row);
  b.has_dark_current = draws_dark_current(row);
  b.sigma_prnu = row.sigma_prnu;
  b.sigma_dsnu = row.sigma_dsnu;
  b.K = K;
  b.stream = body;
  b.dark = dark_current(row);
  return b;
}

// The words of what is fixed at every site of N cells.
template <int N>
struct BodyWords {
  RowsOfWords<N> pattern, dark;
  LRD_HD BodyWords(const Stream& body, uint32_t cell_col)
      : pattern(body, kPattern, cell_col), dark(body, kDarkCurrent, cell_col) {}
};

// What is drawn of the body at every site of N cells, whatever its figures: the same in all frames.
template <int N>
struct BodyDraws {
  float response[4][N], level[4][N];  // deviates of the photo response and the offset
  float dark[4][N];                   // of dark current, where its spread wants them
  uint32_t dark_word[4][N];
};

template <int N>
LRD_HD void draw_pattern(const BodyWords<N>& words, uint32_t cell_row, BodyDraws<N>& draws) {
  uint32_t word[4][N];
  words.pattern.at(cell_row, word);
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) {
    LRD_UNROLL
    for (int i = 0; i < N; ++i) {
      const NormalPair pair = two_normals(word[site][i]);
      draws.response[site][i] = pair.first;
      draws.level[site][i] = pair.second;
    }
  }
}

template <int N>
LRD_HD void draw_dark(const BodyWords<N>& words, bool spreads, uint32_t cell_row, BodyDraws<N>& draws) {
  words.dark.at(cell_row, draws.dark_word);
  if (!spreads) return;
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) normal_quantiles<N>(draws.dark_word[site], draws.dark[site]);
}

// Photo response and offset of the pixels.
template <int N>
LRD_HD void add_pattern(const Body& b, const BodyDraws<N>& draws, float (&value)[4][N], float (&offset)[4][N]) {
  const float sigma_prnu = b.sigma_prnu, sigma_dsnu = b.sigma_dsnu;
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) {
    LRD_UNROLL
    for (int i = 0; i < N; ++i) {
      value[site][i] *= fma(sigma_prnu, draws.response[site][i], 1.0f);
      offset[site][i] = fma(sigma_dsnu, draws.level[site][i], offset[site][i]);
    }
  }
}

// What a thread of a GPU adds to its cell's four sites, at once: in registers, not as draws that are kept.
LRD_HD void add_pattern(const Body& b, const uint32_t (&word)[4][1], float (&value)[4][1], float (&offset)[4][1]) {
  const float sigma_prnu = b.sigma_prnu, sigma_dsnu = b.sigma_dsnu;
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) {
    const NormalPair pair = two_normals(word[site][0]);
    value[site][0] *= fma(sigma_prnu, pair.first, 1.0f);
    offset[site][0] = fma(sigma_dsnu, pair.second, offset[site][0]);
  }
}

// Hot pixels come one after another through the same code. frame: the sample's own stream, by which pixels blink.
LRD_HD void add_dark(const Body& b, const Stream& frame, const uint32_t (&word)[4], uint32_t cell_row,
                     uint32_t cell_col, float (&value)[4]) {
  const float clean[4] = {value[0], value[1], value[2], value[3]};
  if (spreads(b.dark)) {
    float z[4];
    normal_quantiles<4>(word, z);
    add_spread_dark_current<4>(b.dark, b.K, z, value);
  } else {
    add_even_dark_current<4>(b.dark, b.K, value);
  }
  if (!any_hot<4>(b.dark, word)) return;
  LRD_KEEP_LOOP
  for (int site = 0; site < 4; ++site) {
    const uint32_t w = one_of(word, site);
    if (!is_hot(b.dark, w)) continue;
    const float electrons = hot_electrons(b.dark, b.stream, frame, w, cell_row, cell_col, site);
    LRD_UNROLL
    for (int i = 0; i < 4; ++i) value[i] = i == site ? fma(b.K, electrons, clean[i]) : value[i];
  }
}

// Dark current of one site of N cells.
template <int N>
LRD_HD void add_dark(const Body& b, const Stream& frame, const BodyDraws<N>& draws, uint32_t cell_row,
                     uint32_t cell_col, int site, float (&value)[N]) {
  const uint32_t (&word)[N] = draws.dark_word[site];
  float clean[N];
  const bool hot = any_hot<N>(b.dark, word);
  if (hot) memcpy(clean, value, sizeof clean);
  if (spreads(b.dark)) {
    add_spread_dark_current<N>(b.dark, b.K, draws.dark[site], value);
  } else {
    add_even_dark_current<N>(b.dark, b.K, value);
  }
  constexpr int kSome = 8;  // where hot pixels are looked for at once
  for (int start = 0; hot && start < N; start += kSome) {
    if (!any_hot<kSome>(b.dark, word + start)) continue;
    for (int i = start; i < start + kSome; ++i) {
      if (!is_hot(b.dark, word[i])) continue;
      const uint32_t col = cell_col + static_cast<uint32_t>(i);
      value[i] = fma(b.K, hot_electrons(b.dark, b.stream, frame, word[i], cell_row, col, site), clean[i]);
    }
  }
}

// The fixed offsets of the lines.
template <int N>
LRD_HD void add_lines(const float (&rows)[2], const float (&columns)[2][N], float (&offset)[4][N]) {
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) {
    const float row = rows[site >> 1];
    LRD_UNROLL
    for (int i = 0; i < N; ++i) offset[site][i] += row + columns[site & 1][i];
  }
}

// value: signal in DN; becomes that of Poisson's mean times K. offset: DN above black of a dark frame, to which the
// body's is added. rows and columns: the fixed offsets of these lines. drawn: whether draws hold these cells' already.
template <int N>
LRD_HD void add_body(const Body& b, const Stream& frame, const BodyWords<N>& words, uint32_t cell_row,
                     uint32_t cell_col, const float (&rows)[2], const float (&columns)[2][N], bool drawn,
                     BodyDraws<N>& draws, float (&value)[4][N], float (&offset)[4][N]) {
  if (b.has_lines) add_lines(rows, columns, offset);
  if (b.has_pattern) {
    if (!drawn) draw_pattern(words, cell_row, draws);
    add_pattern(b, draws, value, offset);
  }
  if (!b.has_dark_current) return;
  if (!drawn) draw_dark(words, spreads(b.dark), cell_row, draws);
  for (int site = 0; site < 4; ++site) add_dark(b, frame, draws, cell_row, cell_col, site, value[site]);
}

// The same of one cell.
LRD_HD void add_body(const Body& b, const Stream& frame, uint32_t cell_row, uint32_t cell_col, const float (&rows)[2],
                     const float (&columns)[2][1], float (&value)[4][1], float (&offset)[4][1]) {
  const BodyWords<1> words(b.stream, cell_col);
  uint32_t word[4][1];
  if (b.has_lines) add_lines(rows, columns, offset);
  if (b.has_pattern) {
    words.pattern.at(cell_row, word);
    add_pattern(b, word, value, offset);
  }
  if (!b.has_dark_current) return;
  words.dark.at(cell_row, word);
  float cell[4] = {value[0][0], value[1][0], value[2][0], value[3][0]};
  add_dark(b, frame, {word[0][0], word[1][0], word[2][0], word[3][0]}, cell_row, cell_col, cell);
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) value[site][0] = cell[site];
}

}  // namespace lrd::LRD_ISA
