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
};

LRD_HD Body body_of(const SensorRow& row, float K, const Stream& body, const Stream& frame) {
  Body b;
  b.has_lines = row.sigma_row_fixed > 0.0f || row.sigma_col_fixed > 0.0f;
  b.has_pattern = row.sigma_prnu > 0.0f || row.sigma_dsnu > 0.0f;
  b.has_dark_current = draws_dark_current(row);
  b.sigma_prnu = row.sigma_prnu;
  b.sigma_dsnu = row.sigma_dsnu;
  b.K = K;
  b.stream = body;
  b.dark = dark_current(row, body, frame);
  return b;
}

// The words of what is fixed at every site of N cells.
template <int N>
struct BodyWords {
  RowsOfWords<N> pattern, dark;
  LRD_HD BodyWords(const Stream& body, uint32_t cell_col)
      : pattern(body, kPattern, cell_col), dark(body, kDarkCurrent, cell_col) {}
};

// Photo response and offset of the pixels.
template <int N>
LRD_HD void add_pattern(const Body& b, const uint32_t (&word)[4][N], float (&value)[4][N], float (&offset)[4][N]) {
  const float sigma_prnu = b.sigma_prnu, sigma_dsnu = b.sigma_dsnu;
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) {
    float response[N], level[N];
    two_normals<N>(word[site], response, level);
    LRD_UNROLL
    for (int i = 0; i < N; ++i) {
      value[site][i] *= fma(sigma_prnu, response[i], 1.0f);
      offset[site][i] = fma(sigma_dsnu, level[i], offset[site][i]);
    }
  }
}

// value: signal in DN; becomes that of Poisson's mean times K. offset: DN above black of a dark frame, to which the
// body's is added. rows and columns: the fixed offsets of these lines.
template <int N>
LRD_HD void add_body(const Body& b, const BodyWords<N>& words, uint32_t cell_row, uint32_t cell_col,
                     const float (&rows)[2], const float (&columns)[2][N], float (&value)[4][N],
                     float (&offset)[4][N]) {
  uint32_t word[4][N];
  if (b.has_lines) {
    LRD_UNROLL
    for (int site = 0; site < 4; ++site) {
      const float row = rows[site >> 1];
      LRD_UNROLL
      for (int i = 0; i < N; ++i) offset[site][i] += row + columns[site & 1][i];
    }
  }
  if (b.has_pattern) {
    words.pattern.at(cell_row, word);
    add_pattern<N>(b, word, value, offset);
  }
  if (b.has_dark_current) {
    words.dark.at(cell_row, word);
    const float K = b.K;
    LRD_UNROLL
    for (int site = 0; site < 4; ++site) {
      float electrons[N];
      dark_electrons<N>(b.dark, word[site], cell_row, cell_col, site, electrons);
      LRD_UNROLL
      for (int i = 0; i < N; ++i) value[site][i] = fma(K, electrons[i], value[site][i]);
    }
  }
}

}  // namespace lrd::LRD_ISA
