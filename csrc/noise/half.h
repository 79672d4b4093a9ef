// SPDX-License-Identifier: Apache-2.0
// float16 and bfloat16 to and from float32 in integer operations, half to even: the same bits with and without
// conversion instructions.
#pragma once

#include "host_device.h"

namespace lrd::LRD_ISA {

LRD_HD float from_bfloat16(uint16_t x) { return float_of(static_cast<uint32_t>(x) << 16); }

LRD_HD uint16_t to_bfloat16(float x) {
  const uint32_t u = bits_of(x);
  const uint32_t rounded = (u + 0x7FFFu + ((u >> 16) & 1u)) >> 16;
  return static_cast<uint16_t>(x == x ? rounded : 0x7FC0u);
}

LRD_HD float from_float16(uint16_t x) {
  const uint32_t sign = static_cast<uint32_t>(x & 0x8000u) << 16;
  const uint32_t magnitude = static_cast<uint32_t>(x & 0x7FFFu) << 13;
  const float finite = float_of(magnitude) * 0x1p112f;  // moves the exponent's bias; exact, subnormals too
  const uint32_t special = magnitude | 0x7F800000u;
  return float_of((magnitude >= 0x0F800000u ? special : bits_of(finite)) | sign);
}

LRD_HD uint16_t to_float16(float x) {
  const uint32_t u = bits_of(x);
  const uint32_t sign = (u >> 16) & 0x8000u;
  const uint32_t magnitude = u & 0x7FFFFFFFu;
  // Normal results: round the mantissa to 10 bits in the integer, then move the exponent's bias.
  const uint32_t normal = (magnitude - 0x38000000u + 0x0FFFu + ((magnitude >> 13) & 1u)) >> 13;
  // Subnormal results: adding 1/2 leaves multiples of 2^-24 in the low mantissa bits, rounded by the addition.
  const uint32_t subnormal = bits_of(float_of(magnitude) + 0.5f) - 0x3F000000u;
  uint32_t half = magnitude < 0x38800000u ? subnormal : normal;
  half = magnitude >= 0x477FF000u ? 0x7C00u : half;
  half = magnitude > 0x7F800000u ? 0x7E00u : half;
  return static_cast<uint16_t>(half | sign);
}

// Round to uint16, saturating; NaN gives 0. x may be any float.
LRD_HD uint16_t to_uint16(float x) {
  const float positive = x > 0.0f ? x : 0.0f;  // false for NaN
  const float bounded = positive < 65535.0f ? positive : 65535.0f;
  const float whole = (bounded + 0x1p23f) - 0x1p23f;
  return static_cast<uint16_t>(static_cast<int32_t>(whole));
}

}  // namespace lrd::LRD_ISA
