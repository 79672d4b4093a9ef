// SPDX-License-Identifier: Apache-2.0
// Sine of an angle, and two normal deviates of one word by it. Coefficients: tools/fit_coefficients.py.
#pragma once

#include "elementary.h"

namespace lrd::LRD_ISA {

// sin(2 pi t), t in [0, 1/4], within 1e-7 of its value.
LRD_HD float sine_of_quarter(float t) {
  return t * polynomial(t * t, 6.28318548f, -41.3416786f, 81.6022339f, -76.5749664f, 39.7107353f);
}

// sin(2 pi word / 2^32).
LRD_HD float sine_of_turn(uint32_t word) {
  const float turn = static_cast<float>(static_cast<int32_t>(word)) * 0x1p-32f;  // in [-1/2, 1/2]
  const float size = float_of(bits_of(turn) & 0x7FFFFFFFu);
  const float sine = sine_of_quarter(size > 0.25f ? 0.5f - size : size);
  return float_of(bits_of(sine) ^ (bits_of(turn) & 0x80000000u));
}

struct NormalPair {
  float first, second;
};

// Two independent normal deviates of a word, within +-5.4: the radius by its upper 20 bits, two signs and the angle
// between them by the lower 12 (Box and Muller 1958, Ann. Math. Stat. 29(2)). For what is drawn in pairs at every site,
// at half the price of two words. Mirrors lrd_ext/reference/normal.py:two_normals.
LRD_HD NormalPair two_normals(uint32_t word) {
  const float u = fma(static_cast<float>(static_cast<int32_t>(word >> 12)), 0x1p-20f, 0x1p-21f);
  const float radius = square_root_of_normal(-2.0f * log_unit(u));
  const float turn = fma(static_cast<float>(static_cast<int32_t>(word & 0x3FFu)), 0x1p-12f, 0x1p-13f);
  const float cosine = radius * sine_of_quarter(0.25f - turn), sine = radius * sine_of_quarter(turn);
  return {float_of(bits_of(cosine) ^ (word << 20 & 0x80000000u)), float_of(bits_of(sine) ^ (word << 21 & 0x80000000u))};
}

}  // namespace lrd::LRD_ISA
