// SPDX-License-Identifier: Apache-2.0
// What the analogue-to-digital converter does: rounding and clipping. Mirrors lrd_ext/reference/quantize.py.
#pragma once

#include "host_device.h"

namespace lrd::LRD_ISA {

// Half to even, for any float.
#if defined(LRD_VECTOR_BITS) || defined(LRD_NEON)
LRD_HD float round_half_even(float x) { return __builtin_nearbyintf(x); }  // one instruction, in the default mode
#elif defined(__CUDA_ARCH__)
LRD_HD float round_half_even(float x) { return rintf(x); }
#else
// Above 2^23 every float is whole, below, adding 2^23 rounds to whole numbers.
LRD_HD float round_half_even(float x) {
  const uint32_t sign = bits_of(x) & 0x80000000u;
  const float magnitude = float_of(bits_of(x) ^ sign);
  const float rounded = (magnitude + 0x1p23f) - 0x1p23f;
  return float_of(bits_of(magnitude < 0x1p23f ? rounded : magnitude) | sign);
}
#endif

// U(-1/2, 1/2) from a word.
LRD_HD float centred_uniform(uint32_t word) {
  return (static_cast<float>(static_cast<int32_t>(word ^ 0x80000000u)) + 0.5f) * 0x1p-32f;
}

// NaN passes through; so does -0 where low is 0.
LRD_HD float clip(float x, float low, float high) {
  const float above = x < low ? low : x;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  float clipped;
  asm("min.NaN.f32 %0, %1, %2;" : "=f"(clipped) : "f"(above), "f"(high));
  return clipped;
#else
  return above > high ? high : above;
#endif
}

// The reciprocal that quotient() takes; NaN, which makes no usual quotient, for divisors it is not for.
LRD_HD float reciprocal_of_divisor(float divisor) {
  return divisor >= 0x1p-40f && divisor <= 0x1p40f ? 1.0f / divisor : float_of(0x7FC00000u);
}

// What a quotient may be for the form by reciprocal: nothing on the way to it overflows or loses bits below.
LRD_HD bool is_usual_quotient(float x, float q) {
  const float magnitude = float_of(bits_of(q) & 0x7FFFFFFFu);
  return (magnitude >= 0x1p-60f && magnitude <= 0x1p60f) || x == 0.0f;
}

// Whether every x / divisor is one: x, a whole number in [low, white] or one of these, less black or less 0. Where it is
// not 0 it is a multiple of 2^-33 then.
LRD_HD bool makes_usual_quotients(float black, float white, float divisor) {
  const float magnitude = float_of(bits_of(black) & 0x7FFFFFFFu);
  return (magnitude == 0.0f || (magnitude >= 0x1p-10f && magnitude <= 0x1p24f)) && white >= 1.0f && white <= 0x1p24f &&
         divisor >= 0x1p-20f && divisor <= 0x1p25f;
}

// x / divisor, correctly rounded, from the correctly rounded reciprocal (Markstein 1990, IBM J. Res. Dev. 34(1)) where
// x * inverse is a usual quotient. The sign is x's own: the sum would make +0 of -0.
LRD_HD float quotient(float x, float divisor, float inverse) {
  const float q = x * inverse;
  const float corrected = fma(fma(-q, divisor, x), inverse, q);
  return float_of(bits_of(corrected) ^ ((bits_of(corrected) ^ bits_of(x)) & 0x80000000u));
}

}  // namespace lrd::LRD_ISA
