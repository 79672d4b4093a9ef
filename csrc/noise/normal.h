// SPDX-License-Identifier: Apache-2.0
// Normal quantile of a 32-bit word, u = (word + 1/2) / 2^32. Mirrors lrd_ext/reference/normal.py.
#pragma once

#include "elementary.h"

namespace lrd::LRD_ISA {

// min(u, 1 - u) as float32, exact below 2^-9: both tails are equally fine.
LRD_HD float lower_tail(uint32_t word) {
  const uint32_t sign = static_cast<uint32_t>(static_cast<int32_t>(word) >> 31);
  const int32_t folded = static_cast<int32_t>(word ^ sign);  // word or ~word, whichever is below 2^31
  return fma(static_cast<float>(folded), 0x1p-32f, 0x1p-33f);
}

// magnitude with the sign of u - 1/2.
LRD_HD float with_side(uint32_t word, float magnitude) { return float_of(bits_of(magnitude) ^ (~word & 0x80000000u)); }

// One form over the whole tail, p in [2^-33, 1/2]: -z = sqrt(2) t + P(1 / (1 + t) - 0.3), t = sqrt(-log p).
// Largest error of the CDF 1e-7, of z 3e-7 absolute and relative.
LRD_HD float normal_root(uint32_t word) { return square_root(-log_unit(lower_tail(word))); }

LRD_HD float normal_from_root(uint32_t word, float t) {
  const float v = 1.0f / (1.0f + t) - 0.3f;  // centred: small coefficients lose less to rounding
  const float p = polynomial(v, -0.673870862f, -1.93623328f, -0.0983298272f, -1.54413557f, 1.15055048f, -4.78316736f,
                             8.78911686f, -19.0285931f, 14.0684204f);
  return with_side(word, fma(1.41421356f, t, p));
}

LRD_HD float normal_quantile(uint32_t word) { return normal_from_root(word, normal_root(word)); }

// N words at once. Each loop holds half of the chain of operations that wait for one another: a loop over all of it
// leaves the processor too few sites in flight.
template <int N>
LRD_HD void normal_quantiles(const uint32_t (&word)[N], float (&z)[N]) {
  LRD_UNROLL
  for (int i = 0; i < N; ++i) z[i] = normal_root(word[i]);
  LRD_UNROLL
  for (int i = 0; i < N; ++i) z[i] = normal_from_root(word[i], z[i]);
}

}  // namespace lrd::LRD_ISA
