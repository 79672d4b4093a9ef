// SPDX-License-Identifier: Apache-2.0
// Normal quantile of a 32-bit word, u = (word + 1/2) / 2^32. Mirrors lrd_ext/reference/normal.py.
#pragma once

#include "elementary.h"

namespace lrd::LRD_ISA {

// min(u, 1 - u) as float32, exact below 2^-9: both tails are equally fine.
LRD_HD float lower_tail(uint32_t word) {
  const uint32_t sign = static_cast<uint32_t>(static_cast<int32_t>(word) >> 31);
  const int32_t folded = static_cast<int32_t>(word ^ sign);  // word or ~word, whichever is below 2^31
  return (static_cast<float>(folded) + 0.5f) * 0x1p-32f;
}

// magnitude with the sign of u - 1/2.
LRD_HD float with_side(uint32_t word, float magnitude) { return float_of(bits_of(magnitude) ^ (~word & 0x80000000u)); }

// One form over the whole tail, p in [2^-33, 1/2]: -z = sqrt(2) t + P(1 / (1 + t)), t = sqrt(-log p).
// Largest error of the CDF 2e-7, of z in the far tail 5e-7 relative.
LRD_HD float normal_quantile(uint32_t word) {
  const float t = __builtin_sqrtf(-log_unit(lower_tail(word)));
  const float v = 1.0f / (1.0f + t);
  const float p = polynomial(v, -0.0303978771f, -2.79441214f, 4.80110502f, -14.8962021f, 30.0134583f, -40.6836052f,
                             31.8099251f, -11.3784809f);
  return with_side(word, fma(1.41421356f, t, p));
}

}  // namespace lrd::LRD_ISA
