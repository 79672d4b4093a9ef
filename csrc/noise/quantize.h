// SPDX-License-Identifier: Apache-2.0
// What the analogue-to-digital converter does: rounding and clipping. Mirrors lrd_ext/reference/quantize.py.
#pragma once

#include "host_device.h"

namespace lrd::LRD_ISA {

// Half to even, for any float.
#if defined(LRD_VECTOR_BITS) || defined(LRD_NEON)
LRD_HD float round_half_even(float x) { return __builtin_nearbyintf(x); }  // one instruction, in the default mode
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

// NaN passes through.
LRD_HD float clip(float x, float low, float high) {
  const float above = x < low ? low : x;
  return above > high ? high : above;
}

}  // namespace lrd::LRD_ISA
