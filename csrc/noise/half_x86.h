// SPDX-License-Identifier: Apache-2.0
// float16 to and from float32 by the processor's conversion (F16C): the same bits as half.h, but that a NaN comes in
// quieted, as the arithmetic behind it would leave it.
#pragma once

#include "half.h"

// LRD_VECTOR_BITS is set by the builds that are compiled for AVX2 or AVX-512 (csrc/cpu/tiles_*.cpp).
#if defined(LRD_VECTOR_BITS)
#include <immintrin.h>

namespace lrd::LRD_ISA {

LRD_HD void from_float16s(const uint16_t* source, int n, float* target) {
  int i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(target + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(source + i))));
  }
  for (; i < n; ++i) target[i] = from_float16(source[i]);
}

LRD_HD void to_float16s(const float* source, int n, uint16_t* target) {
  const __m256 sign = _mm256_set1_ps(-0.0f), nan = _mm256_set1_ps(float_of(0x7FC00000u));
  int i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256 x = _mm256_loadu_ps(source + i);
    const __m256 plain_nan = _mm256_or_ps(_mm256_and_ps(x, sign), nan);  // to_float16 keeps no payload
    const __m256 y = _mm256_blendv_ps(x, plain_nan, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(target + i), _mm256_cvtps_ph(y, _MM_FROUND_TO_NEAREST_INT));
  }
  for (; i < n; ++i) target[i] = to_float16(source[i]);
}

}  // namespace lrd::LRD_ISA
#endif
