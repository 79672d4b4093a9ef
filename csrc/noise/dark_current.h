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
};

// How many of all words are a share of them; none for what is no share.
LRD_HD uint32_t words_of_share(float share) {
  return share > 0.0f && share < 1.0f ? static_cast<uint32_t>(share * 0x1p32f) : share == 1.0f ? ~0u : 0u;
}

LRD_HD DarkCurrent dark_current(const SensorRow& row) {
  DarkCurrent d;
  d.mean = row.dark_current * row.exposure_s;
  d.hot = row.hot_current * row.exposure_s;
  d.spread = row.dark_current_spread;
  d.hot_words = words_of_share(row.hot_fraction <= kMostHot ? row.hot_fraction : 0.0f);
  d.inverse_hot_words = d.hot_words > 0 ? 1.0f / static_cast<float>(static_cast<int32_t>(d.hot_words)) : 0.0f;
  d.blink_words = words_of_share(row.blink_fraction);
  return d;
}

LRD_HD bool draws_dark_current(const SensorRow& row) {
  return (row.dark_current > 0.0f || row.hot_fraction > 0.0f) && row.exposure_s > 0.0f;
}

// One of four, on a device in registers.
template <typename T>
LRD_HD T one_of(const T (&all)[4], int which) {
  T one = all[0];
  LRD_UNROLL
  for (int i = 1; i < 4; ++i) one = i == which ? all[i] : one;
  return one;
}

// Electrons of a hot pixel: more than the mean by an exponential deviate, and a blinking one of every second frame.
LRD_HD float hot_electrons(const DarkCurrent& d, const Stream& body, const Stream& frame, uint32_t word,
                           uint32_t cell_row, uint32_t cell_col, int site) {
  if (d.blink_words > 0 && one_of(words(body, kBlinkingPixel, cell_row, cell_col).v, site) < d.blink_words &&
      one_of(words(frame, kBlinkState, cell_row, cell_col).v, site) < 0x80000000u) {
    return d.mean;
  }
  const float rank =
      fma(static_cast<float>(static_cast<int32_t>(order_of(word))), d.inverse_hot_words, 0.5f * d.inverse_hot_words);
  return fma(d.hot, -log_unit(rank), d.mean);
}

LRD_HD bool is_hot(const DarkCurrent& d, uint32_t word) { return order_of(word) < d.hot_words; }

// Whether pixels differ that are not hot.
LRD_HD bool spreads(const DarkCurrent& d) { return !(d.spread == 0.0f || d.mean == 0.0f); }

// value, a signal in DN, becomes that with the dark current of N pixels, K electrons to a DN, as if none were hot:
// where it does not spread, and where it does, by deviates z.
template <int N>
LRD_HD void add_even_dark_current(const DarkCurrent& d, float K, float (&value)[N]) {
  const float mean = d.mean;
  LRD_UNROLL
  for (int i = 0; i < N; ++i) value[i] = fma(K, mean, value[i]);
}
template <int N>
LRD_HD void add_spread_dark_current(const DarkCurrent& d, float K, const float (&z)[N], float (&value)[N]) {
  const float mean = d.mean, spread = d.spread, centre = -0.5f * (spread * spread);
  LRD_UNROLL
  for (int i = 0; i < N; ++i) value[i] = fma(K, mean * exp_float(fma(spread, z[i], centre)), value[i]);
}

template <int N>
LRD_HD bool any_hot(const DarkCurrent& d, const uint32_t* word) {
  uint32_t first = ~0u;
  LRD_UNROLL
  for (int i = 0; i < N; ++i) first = order_of(word[i]) < first ? order_of(word[i]) : first;
  return first < d.hot_words;
}

}  // namespace lrd::LRD_ISA
