// SPDX-License-Identifier: Apache-2.0
// log and exp from IEEE operations and explicit fma only, without branches, so that loops over them vectorise and every
// executor gives the same bits. Coefficients: tools/fit_coefficients.py.
#pragma once

#include "host_device.h"

namespace lrd::LRD_ISA {

constexpr float kLn2High = 0.693359375f;  // 9 bits: products with small integers are exact
constexpr float kLn2Low = -2.12194440e-4f;

// log(x) for normal x > 0, within 1e-7 of its value.
LRD_HD float log_unit(float x) {
  const uint32_t bits = bits_of(x);
  const uint32_t exponent = (bits - 0x3F3504F3u) & 0xFF800000u;  // in place; mantissa ends up in [sqrt(1/2), sqrt(2))
  const float f = float_of(bits - exponent) - 1.0f;
  const float e = static_cast<float>(static_cast<int32_t>(exponent));  // 2^23 times the exponent, exact
  const float p = polynomial(f, 0.333339095f, -0.250013381f, 0.199630573f, -0.165775642f, 0.149148196f, -0.142676815f,
                             0.0870053694f);
  const float f2 = f * f;
  const float low = fma(f2 * f, p, fma(-0.5f, f2, e * (kLn2Low * 0x1p-23f)));
  return fma(e, kLn2High * 0x1p-23f, f + low);
}

// exp(t), t in [-87, 88].
LRD_HD float exp_float(float t) {
  // Adding 1.5 * 2^23 rounds to a whole number in the low bits; 127 more make it the bits of the power's exponent.
  constexpr float kRound = 12582912.0f + 127.0f;
  const float shifted = fma(t, 1.44269504f, kRound);
  const float n = shifted - kRound;
  const float f = fma(-n, kLn2Low, fma(-n, kLn2High, t));
  const float p = polynomial(f, 0.5f, 0.166665435f, 0.0416662805f, 0.00836658105f, 0.00139464450f);
  const float power = float_of(bits_of(shifted) << 23);
  return fma(power, fma(f * f, p, f), power);
}

}  // namespace lrd::LRD_ISA
