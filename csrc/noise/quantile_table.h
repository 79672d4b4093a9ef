// SPDX-License-Identifier: Apache-2.0
// Any distribution as a table of its quantiles, linear between its knots, which are those of
// lrd_ext/reference/quantile_table.py: each tail by octaves of its own probability, 8 segments each, from 2^-33 up to
// 2^-6; between these every 1/512. A deviate is two look-ups and a fused multiply-add, so that it never falls where the
// table does not, for one-sided and many-humped noise too.
#pragma once

#include "host_device.h"

#if defined(LRD_VECTOR_BITS)
#include <immintrin.h>
#endif

namespace lrd {

constexpr int kTailSegments = 8 * (33 - 6), kSegments = 2 * kTailSegments + 512 - 16, kKnots = kSegments + 1;

}  // namespace lrd

namespace lrd::LRD_ISA {

// The knots a word lies between, the one it is counted from first, and how far it lies from that, share of the segment.
struct Segment {
  int32_t first, second;
  float share;
};

LRD_HD Segment segment_of(uint32_t word) {
  const bool above = static_cast<int32_t>(word) < 0;
  const uint32_t side = static_cast<uint32_t>(static_cast<int32_t>(word) >> 31);
  const int32_t outside = static_cast<int32_t>(word ^ side);  // words farther out on this side
  const float p = fma(static_cast<float>(outside), 0x1p-32f, 0x1p-33f);
  const uint32_t bits = bits_of(p);
  const bool in_tail = p < 0x1p-6f;
  // Exponent and three bits of the mantissa number the segments of a tail, the other twenty are the share.
  const int32_t tail = static_cast<int32_t>(bits >> 20) - (127 - 33) * 8;
  const int32_t low = static_cast<int32_t>(in_tail ? bits & 0xFFFFFu : word & 0x7FFFFFu);
  const int32_t middle = static_cast<int32_t>(word >> 23) + (kTailSegments - 8);
  Segment s;
  s.first = in_tail ? (above ? kSegments - tail : tail) : middle;
  s.second = s.first + (in_tail & above ? -1 : 1);
  s.share = fma(static_cast<float>(low), in_tail ? 0x1p-20f : 0x1p-23f, in_tail ? 0.0f : 0x1p-24f);
  return s;
}

// Many places of a table at once.
template <int N>
LRD_HD void look_up(const float* table, const int32_t (&place)[N], float (&result)[N]) {
#if defined(LRD_VECTOR_BITS)
#if LRD_VECTOR_BITS == 512
  if constexpr (N % 16 == 0) {
    for (int i = 0; i < N; i += 16) {
      _mm512_storeu_ps(result + i, _mm512_i32gather_ps(_mm512_loadu_si512(place + i), table, 4));
    }
    return;
  }
#else
  if constexpr (N % 8 == 0) {
    for (int i = 0; i < N; i += 8) {
      const __m256i at = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(place + i));
      _mm256_storeu_ps(result + i, _mm256_i32gather_ps(table, at, 4));
    }
    return;
  }
#endif
#endif
  LRD_UNROLL
  for (int i = 0; i < N; ++i) result[i] = table[place[i]];
}

// N words at once. The look-ups have a loop of their own, so that those around it vectorise.
template <int N>
LRD_HD void table_quantiles(const uint32_t (&word)[N], const float* table, float (&result)[N]) {
  int32_t first[N], second[N];
  float share[N], low[N], high[N];
  LRD_UNROLL
  for (int i = 0; i < N; ++i) {
    const Segment s = segment_of(word[i]);
    first[i] = s.first;
    second[i] = s.second;
    share[i] = s.share;
  }
  look_up<N>(table, first, low);
  look_up<N>(table, second, high);
  LRD_UNROLL
  for (int i = 0; i < N; ++i) result[i] = fma(share[i], high[i] - low[i], low[i]);
}

}  // namespace lrd::LRD_ISA
