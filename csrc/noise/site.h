// SPDX-License-Identifier: Apache-2.0
// The noise model: which components are drawn at a site, and the fixed order in which they are summed.
// Mirrors lrd_ext/reference/synth.py. Works on N neighbouring cells of one cell row at a time: on a CPU the
// loops over N vectorise, on a GPU N is what one thread does.
#pragma once

#include "half.h"
#include "normal.h"
#include "params.h"
#include "philox.h"
#include "philox_x86.h"
#include "poisson.h"
#include "quantize.h"
#include "read_noise.h"

namespace lrd::LRD_ISA {

template <int N>
LRD_HD void draw_words(const Stream& stream, Component component, uint32_t cell_row, uint32_t cell_col,
                       uint32_t (&word)[4][N]) {
#if defined(LRD_PHILOX_LANES)
  words_of_cells(stream, component, cell_row, cell_col, word);
#else
  LRD_UNROLL
  for (int i = 0; i < N; ++i) {
    const Words w = words(stream, component, cell_row, cell_col + static_cast<uint32_t>(i));
    word[0][i] = w.v[0];
    word[1][i] = w.v[1];
    word[2][i] = w.v[2];
    word[3][i] = w.v[3];
  }
#endif
}

#if !defined(LRD_PHILOX_LANES)
// The words of the same N cells in row after row.
template <int N>
class RowsOfWords {
 public:
  LRD_HD RowsOfWords(const Stream& stream, Component component, uint32_t cell_col)
      : stream_(stream), component_(component), cell_col_(cell_col) {}
  LRD_HD void at(uint32_t cell_row, uint32_t (&word)[4][N]) const {
    draw_words(stream_, component_, cell_row, cell_col_, word);
  }

 private:
  Stream stream_;
  Component component_;
  uint32_t cell_col_;
};
#endif

// The words of what is drawn at every site of N cells.
template <int N>
struct SiteWords {
  RowsOfWords<N> shot, read, quantize;
  LRD_HD SiteWords(const Stream& stream, uint32_t cell_col)
      : shot(stream, kShot, cell_col), read(stream, kRead, cell_col), quantize(stream, kQuantize, cell_col) {}
};

// Row noise of the two mosaic rows of each of N cell rows, DN.
template <int N>
LRD_HD void row_noise(const Stream& stream, float sigma_row, uint32_t cell_row, float (&noise)[N][2],
                      Component component = kRow) {
  uint32_t word[2 * N];
  float z[2 * N];
  LRD_UNROLL
  for (int i = 0; i < N; ++i) {
    const Words w = words(stream, component, cell_row + static_cast<uint32_t>(i), 0);
    word[2 * i] = w.v[0];
    word[2 * i + 1] = w.v[1];
  }
  normal_quantiles<2 * N>(word, z);
  LRD_UNROLL
  for (int i = 0; i < 2 * N; ++i) noise[i / 2][i % 2] = sigma_row * z[i];
}

// Of one cell row.
LRD_HD void row_noise(const Stream& stream, float sigma_row, uint32_t cell_row, float (&noise)[2],
                      Component component = kRow) {
  float one[1][2];
  row_noise<1>(stream, sigma_row, cell_row, one, component);
  noise[0] = one[0][0];
  noise[1] = one[0][1];
}

// Column noise of N cells' two mosaic columns each, DN.
template <int N>
LRD_HD void column_noise(const Stream& stream, float sigma_col, uint32_t cell_col, float (&noise)[2][N],
                         Component component = kColumn) {
  uint32_t word[4][N];
  draw_words(stream, component, 0, cell_col, word);
  LRD_UNROLL
  for (int side = 0; side < 2; ++side) {
    normal_quantiles<N>(word[side], noise[side]);
    LRD_UNROLL
    for (int i = 0; i < N; ++i) noise[side][i] *= sigma_col;
  }
}

// value: clean signal in DN of the short exposure; becomes K times the photo-electrons.
template <int N>
LRD_HD void shot_noise(const SampleParams& p, const uint32_t (&word)[4][N], float (&value)[4][N]) {
  const float K = p.K, inverse_K = p.inverse_K;
  if constexpr (N == 1) {  // a thread of a GPU: the block is the cell, four sites in flight
    float mean[4], electrons[4];
    LRD_UNROLL
    for (int site = 0; site < 4; ++site) mean[site] = poisson_mean(value[site][0], inverse_K);
    poisson_quantiles<4>({word[0][0], word[1][0], word[2][0], word[3][0]}, mean, electrons);
    LRD_UNROLL
    for (int site = 0; site < 4; ++site) {
      const float signal = value[site][0];
      value[site][0] = signal == signal ? K * electrons[site] : signal;  // NaN stays
    }
  } else {
    LRD_UNROLL
    for (int site = 0; site < 4; ++site) {
      float mean[N], electrons[N];
      LRD_UNROLL
      for (int i = 0; i < N; ++i) mean[i] = poisson_mean_or_nan(value[site][i], inverse_K);
      poisson_quantiles<N>(word[site], mean, electrons);
      LRD_UNROLL
      for (int i = 0; i < N; ++i) value[site][i] = K * electrons[i];
    }
  }
}

// tables: whether the call brings tables of quantiles.
template <int N>
LRD_HD void read_noise(const ReadModel& read, bool tables, const uint32_t (&word)[4][N], float (&value)[4][N]) {
  const ReadModel model = read;  // its own copy: value could be thought to share memory with it
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) {
    float deviate[N];
    read_deviates<N>(model, tables, word[site], deviate);
    LRD_UNROLL
    for (int i = 0; i < N; ++i) value[site][i] += model.sigma * deviate[i];
  }
}

// Shot and read noise. Where there are both, a cell's words are drawn next to each other: the keys and the first
// products of Philox are the same for both, which the compiler then works out once.
template <int N>
LRD_HD void add_noise_of_sites(const Model& model, const SampleParams& p, const SiteWords<N>& words, uint32_t cell_row,
                               float (&value)[4][N]) {
  uint32_t shot[4][N], read[4][N];
  const bool reads = p.read.which != Read::kNone;
  if (model.shot && reads) {
    words.shot.at(cell_row, shot);
    words.read.at(cell_row, read);
  } else if (model.shot) {
    words.shot.at(cell_row, shot);
  } else if (reads) {
    words.read.at(cell_row, read);
  }
  if (model.shot) shot_noise<N>(p, shot, value);
  if (reads) read_noise<N>(p.read, model.tables, read, value);
}

// What follows the noise as numbers, so that one loop without branches serves every mode:
// out = (clip(round(black + value)) - offset) / divisor * factor.
struct Conversion {
  bool round;
  float low, high;
  float offset, divisor, inverse, factor;  // inverse: of the divisor
};

LRD_HD Conversion conversion(const Model& model, const SampleParams& p, int site) {
  Conversion c = {model.quantize == Quantize::kRound, -infinity(), infinity(), 0.0f, 1.0f, 1.0f, 1.0f};
  if (model.clip != Clip::kNone) {
    c.low = model.clip == Clip::kBlack ? p.black[site] : 0.0f;
    c.high = p.white;
  }
  if (model.output != Output::kDn) c.offset = p.black[site];
  if (model.output == Output::kNormalized) {
    c.divisor = p.range[site];
    c.inverse = p.inverse_range[site];
    c.factor = p.ratio;
  }
  return c;
}

// The conversions of a cell's four sites, kept for a tile.
struct CellConversion {
  float low[4], offset[4], divisor[4], inverse[4];
  float high, factor;
  bool usual;  // every quotient is one for the form by reciprocal
};

LRD_HD CellConversion cell_conversion(const Model& model, const SampleParams& p) {
  CellConversion cell = {};
  cell.usual = model.quantize == Quantize::kRound && model.clip != Clip::kNone;
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) {
    const Conversion c = conversion(model, p, site);
    cell.low[site] = c.low;
    cell.offset[site] = c.offset;
    cell.divisor[site] = c.divisor;
    cell.inverse[site] = c.inverse;
    cell.high = c.high;
    cell.factor = c.factor;
    cell.usual = cell.usual && makes_usual_quotients(p.black[site], p.white, c.divisor);
  }
  return cell;
}

// What the form by reciprocal is not always for: a look at the quotients.
LRD_HD void divide_cell(const CellConversion& c, float (&value)[4][1]) {
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) {
    const float x = value[site][0];
    const bool usual = is_usual_quotient(x, x * c.inverse[site]);
    value[site][0] = usual ? quotient(x, c.divisor[site], c.inverse[site]) : x / c.divisor[site];
  }
}

// Raw DN to the output, at the four sites of one cell as a thread of a GPU does it: divisions by reciprocal, with the
// bits of the quotients.
LRD_HD void convert_cell(const Model& model, const CellConversion& c, float (&value)[4][1]) {
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) {
    const float raw = value[site][0];
    const float rounded = model.quantize == Quantize::kRound ? round_half_even(raw) : raw;
    value[site][0] = clip(rounded, c.low[site], c.high) - c.offset[site];
  }
  if (c.usual) {
    LRD_UNROLL
    for (int site = 0; site < 4; ++site) value[site][0] = quotient(value[site][0], c.divisor[site], c.inverse[site]);
  } else {
    divide_cell(c, value);
  }
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) value[site][0] *= c.factor;
}

LRD_HD Conversion conversion_of_site(const CellConversion& c, bool round, int site) {
  return {round, c.low[site], c.high, c.offset[site], c.divisor[site], c.inverse[site], c.factor};
}

LRD_HD float converted(const Conversion& c, float raw) {
  const float clipped = clip(c.round ? round_half_even(raw) : raw, c.low, c.high);
  return (clipped - c.offset) / c.divisor * c.factor;
}

// Whether a bias and a dark frame of 0 leave every sum as it is: all they could do is make +0 of -0, which black hides.
LRD_HD bool adds_zeros(const SampleParams& p, bool has_dark) {
  bool zeros = !has_dark;
  for (int site = 0; site < 4; ++site) zeros = zeros && bits_of(p.bias[site]) == 0 && p.black[site] != 0.0f;
  return zeros;
}

// From clean signal (DN of the short exposure) to the requested output, in place.
// dark: DN above black by site; of a zero only the sign could show, and it is lost where black is subtracted.
// generated: the learned noise in DN by site, or null. step: of the converter, DN. adds_zeros: what adds_zeros() says.
template <int N>
LRD_HD void synthesize(const Model& model, const SampleParams& p, const SiteWords<N>& words, uint32_t cell_row,
                       const float (&rows)[2], const float (&columns)[2][N], const float (&dark)[4][N],
                       float (&value)[4][N], const float (*generated)[N] = nullptr,
                       const CellConversion* cell = nullptr, float step = 1.0f,
                       [[maybe_unused]] bool adds_zeros = false) {
  add_noise_of_sites<N>(model, p, words, cell_row, value);
  uint32_t word[4][N];
  const bool uniform = model.quantize == Quantize::kUniform;
  Model rest = model;  // what is left to do where the step is not 1 DN, whose rounding is done here
  if (step != 1.0f && model.quantize == Quantize::kRound) rest.quantize = Quantize::kNone;
  [[maybe_unused]] const bool round = rest.quantize == Quantize::kRound;
  if (uniform) words.quantize.at(cell_row, word);
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) {
    const float row = rows[site >> 1], bias = p.bias[site], black = p.black[site];
    // Two loops and not a generated noise of 0, which would turn a sum of -0 into +0.
    if (N > 1 && generated == nullptr && !uniform &&
        rest.quantize == model.quantize) {  // the most usual call: one loop
      const Conversion c = conversion_of_site(*cell, round, site);
      if (adds_zeros) {
        for (int i = 0; i < N; ++i) {
          value[site][i] = converted(c, black + ((value[site][i] + row) + columns[site & 1][i]));
        }
      } else {
        for (int i = 0; i < N; ++i) {
          const float lines = (value[site][i] + row) + columns[site & 1][i];
          value[site][i] = converted(c, black + ((lines + bias) + dark[site][i]));
        }
      }
      continue;
    }
    if (generated == nullptr) {
      LRD_UNROLL
      for (int i = 0; i < N; ++i) {
        value[site][i] = black + ((((value[site][i] + row) + columns[site & 1][i]) + bias) + dark[site][i]);
      }
    } else {
      LRD_UNROLL
      for (int i = 0; i < N; ++i) {
        const float lines = (value[site][i] + row) + columns[site & 1][i];
        value[site][i] = black + (((lines + generated[site][i]) + bias) + dark[site][i]);
      }
    }
    if (uniform) {
      LRD_UNROLL
      for (int i = 0; i < N; ++i) value[site][i] += step * centred_uniform(word[site][i]);
    }
    if (step != 1.0f && model.quantize == Quantize::kRound) {
      LRD_UNROLL
      for (int i = 0; i < N; ++i) value[site][i] = step * round_half_even(value[site][i] / step);
    }
    if constexpr (N > 1) {
      const Conversion c = conversion_of_site(*cell, round, site);
      for (int i = 0; i < N; ++i) value[site][i] = converted(c, value[site][i]);
    }
  }
  if constexpr (N == 1) convert_cell(rest, *cell, value);
}

}  // namespace lrd::LRD_ISA
