// SPDX-License-Identifier: Apache-2.0
// Electrons that come without light: a pixel's dark current, log-normal over pixels, and hot pixels, of which some
// blink. Mirrors lrd_ext/reference/dark_current.py.
//
// The upper words of the body's draw are hot pixels; the rest is stretched over all words again, so that the others
// stay log-normal.
#pragma once

#include "elementary.h"
#include "octave_coefficients.h"
#include "octaves.h"
#include "philox.h"
#include "quantile_table.h"
#include "sensor_row.h"

namespace lrd::LRD_ISA {

constexpr float kMostHot = 0.25f;  // share of the pixels

struct DarkCurrent {
  float mean, hot;          // electrons of the exposure
  uint32_t hot_words;       // words above ~hot_words are hot pixels
  uint32_t stretch;         // of the other words, in 2^-32
  float inverse_hot_words;  // 0 where there are none
  uint32_t blink_words;     // of 2^32, among hot pixels
  const float* table;       // quantiles of the log-normal distribution of mean 1
  Stream body, frame;
};

// How many of all words are a share of them; none for what is no share.
LRD_HD uint32_t words_of_share(float share) {
  return share > 0.0f && share < 1.0f ? static_cast<uint32_t>(share * 0x1p32f) : share == 1.0f ? ~0u : 0u;
}

LRD_HD DarkCurrent dark_current(const SensorRow& row, const Stream& body, const Stream& frame, const float* table) {
  DarkCurrent d;
  d.mean = row.dark_current * row.exposure_s;
  d.hot = row.hot_current * row.exposure_s;
  d.hot_words = words_of_share(row.hot_fraction <= kMostHot ? row.hot_fraction : 0.0f);
  d.stretch = static_cast<uint32_t>((uint64_t{d.hot_words} << 32) / ((uint64_t{1} << 32) - d.hot_words));
  d.inverse_hot_words = d.hot_words > 0 ? 1.0f / static_cast<float>(static_cast<int32_t>(d.hot_words)) : 0.0f;
  d.blink_words = words_of_share(row.blink_fraction);
  d.table = table;
  d.body = body;
  d.frame = frame;
  return d;
}

LRD_HD bool draws_dark_current(const SensorRow& row) {
  return (row.dark_current > 0.0f || row.hot_fraction > 0.0f) && row.exposure_s > 0.0f;
}

// |normal quantile| of a tail p in [2^-33, 1/2], the octave of octaves.h that p lies in.
LRD_HD float normal_of_tail(float p) {
  const int32_t shifted = static_cast<int32_t>(bits_of(p)) + kOctaveOffset;
  const int32_t bits = shifted > kFirstOctave ? shifted : kFirstOctave;
  const float scale = float_of(static_cast<uint32_t>(~bits & kExponent));
  const float g = larger(fma(p, scale, -1.5f), fma(p, 6.0f, -3.0f));
  const int cell = (bits >> 23) & (kOctaves - 1);
  float x = kNormalTable.c[kOctaveTerms - 1][cell];
  LRD_UNROLL
  for (int k = kOctaveTerms - 2; k >= 0; --k) x = fma(x, g, kNormalTable.c[k][cell]);
  return x;
}

// The tail probability of a knot of quantile_table.h, counted from the nearer end: exact.
LRD_HD float tail_of_knot(int from_end) {
  if (from_end < kTailSegments) return float_of(static_cast<uint32_t>((127 - 33) * 8 + from_end) << 20);
  return static_cast<float>(from_end - kTailSegments + 8) * (1.0f / 512);
}

// Of the log-normal distribution of mean 1, at one knot.
LRD_HD float log_normal_knot(int knot, float spread) {
  const bool above = knot > kSegments / 2;
  const float x = normal_of_tail(tail_of_knot(above ? kSegments - knot : knot));
  return exp_float(fma(spread, above ? x : -x, -0.5f * (spread * spread)));
}

// Electrons of a hot pixel: more than the mean by an exponential deviate, and a blinking one of every second frame.
LRD_HD float hot_electrons(const DarkCurrent& d, uint32_t word, uint32_t cell_row, uint32_t cell_col, int site) {
  if (d.blink_words > 0 && words(d.body, kBlinkingPixel, cell_row, cell_col).v[site] < d.blink_words &&
      words(d.frame, kBlinkState, cell_row, cell_col).v[site] < 0x80000000u) {
    return d.mean;
  }
  const float rank =
      fma(static_cast<float>(static_cast<int32_t>(~word)), d.inverse_hot_words, 0.5f * d.inverse_hot_words);
  return fma(d.hot, -log_unit(rank), d.mean);
}

// Mean electrons of one site of N cells.
template <int N>
LRD_HD void dark_electrons(const DarkCurrent& d, const uint32_t (&word)[N], uint32_t cell_row, uint32_t cell_col,
                           int site, float (&electrons)[N]) {
  const uint32_t stretch = d.stretch, hot_words = d.hot_words;
  const float mean = d.mean;
  uint32_t stretched[N], hottest = ~0u;
  LRD_UNROLL
  for (int i = 0; i < N; ++i) {
    stretched[i] = word[i] + static_cast<uint32_t>((uint64_t{word[i]} * stretch) >> 32);
    hottest = ~word[i] < hottest ? ~word[i] : hottest;
  }
  table_quantiles<N>(stretched, d.table, electrons);
  LRD_UNROLL
  for (int i = 0; i < N; ++i) electrons[i] *= mean;
  if (hottest < hot_words) {
    LRD_KEEP_LOOP
    for (int i = 0; i < N; ++i) {
      if (~word[i] < hot_words) {
        electrons[i] = hot_electrons(d, word[i], cell_row, cell_col + static_cast<uint32_t>(i), site);
      }
    }
  }
}

}  // namespace lrd::LRD_ISA
