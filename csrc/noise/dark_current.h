// SPDX-License-Identifier: Apache-2.0
// Electrons that come without light: a pixel's dark current, log-normal over pixels, and hot pixels, of which some
// blink. Mirrors lrd_ext/reference/dark_current.py.
#pragma once

#include "elementary.h"
#include "normal.h"
#include "philox.h"
#include "sensor_row.h"

namespace lrd::LRD_ISA {

constexpr float kMostHot = 0.25f;  // share of the pixels

// The order in which words become hot pixels: a permutation of them that spreads every stretch of words over the whole,
// so that those which are not hot stay log-normal.
LRD_HD uint32_t order_of(uint32_t word) { return word * 0x9E3779B1u; }

struct DarkCurrent {
  float mean, hot;          // electrons of the exposure
  float spread;             // of the logarithm
  uint32_t hot_words;       // words before this in their order are hot pixels
  float inverse_hot_words;  // 0 where there are none
  uint32_t blink_words;     // of 2^32, among hot pixels
  Stream body, frame;
};

// How many of all words are a share of them; none for what is no share.
LRD_HD uint32_t words_of_share(float share) {
  return share > 0.0f && share < 1.0f ? static_cast<uint32_t>(share * 0x1p32f) : share == 1.0f ? ~0u : 0u;
}

LRD_HD DarkCurrent dark_current(const SensorRow& row, const Stream& body, const Stream& frame) {
  DarkCurrent d;
  d.mean = row.dark_current * row.exposure_s;
  d.hot = row.hot_current * row.exposure_s;
  d.spread = row.dark_current_spread;
  d.hot_words = words_of_share(row.hot_fraction <= kMostHot ? row.hot_fraction : 0.0f);
  d.inverse_hot_words = d.hot_words > 0 ? 1.0f / static_cast<float>(static_cast<int32_t>(d.hot_words)) : 0.0f;
  d.blink_words = words_of_share(row.blink_fraction);
  d.body = body;
  d.frame = frame;
  return d;
}

LRD_HD bool draws_dark_current(const SensorRow& row) {
  return (row.dark_current > 0.0f || row.hot_fraction > 0.0f) && row.exposure_s > 0.0f;
}

// Electrons of a hot pixel: more than the mean by an exponential deviate, and a blinking one of every second frame.
LRD_HD float hot_electrons(const DarkCurrent& d, uint32_t word, uint32_t cell_row, uint32_t cell_col, int site) {
  if (d.blink_words > 0 && words(d.body, kBlinkingPixel, cell_row, cell_col).v[site] < d.blink_words &&
      words(d.frame, kBlinkState, cell_row, cell_col).v[site] < 0x80000000u) {
    return d.mean;
  }
  const float rank =
      fma(static_cast<float>(static_cast<int32_t>(order_of(word))), d.inverse_hot_words, 0.5f * d.inverse_hot_words);
  return fma(d.hot, -log_unit(rank), d.mean);
}

// Mean electrons of one site of N cells.
template <int N>
LRD_HD void dark_electrons(const DarkCurrent& d, const uint32_t (&word)[N], uint32_t cell_row, uint32_t cell_col,
                           int site, float (&electrons)[N]) {
  const uint32_t hot_words = d.hot_words;
  const float mean = d.mean, spread = d.spread, centre = -0.5f * (spread * spread);
  uint32_t first = ~0u;
  normal_quantiles<N>(word, electrons);
  LRD_UNROLL
  for (int i = 0; i < N; ++i) {
    electrons[i] = mean * exp_float(fma(spread, electrons[i], centre));
    const uint32_t order = order_of(word[i]);
    first = order < first ? order : first;
  }
  if (first < hot_words) {
    LRD_KEEP_LOOP
    for (int i = 0; i < N; ++i) {
      if (order_of(word[i]) < hot_words) {
        electrons[i] = hot_electrons(d, word[i], cell_row, cell_col + static_cast<uint32_t>(i), site);
      }
    }
  }
}

}  // namespace lrd::LRD_ISA
