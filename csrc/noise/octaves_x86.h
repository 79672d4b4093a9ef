// SPDX-License-Identifier: Apache-2.0
// octave_quantile of octaves.h for whole registers of words: a look-up is a permutation of registers that hold a row of
// the table. The same bits.
#pragma once

#include "octaves.h"

// LRD_VECTOR_BITS is set by the builds that are compiled for AVX2 or AVX-512 (csrc/cpu/tiles_*.cpp).
#if defined(LRD_VECTOR_BITS)
#include <immintrin.h>

namespace lrd::LRD_ISA {

#if LRD_VECTOR_BITS == 512
struct OctaveLanes {
  using Ints = __m512i;
  using Floats = __m512;
  using Far = uint16_t;
  static constexpr int kLanes = 16;
  static constexpr int kNearest = 16;  // the first cell that look_up reaches, by the exponent's low bits
  static LRD_HD Ints all(int32_t x) { return _mm512_set1_epi32(x); }
  static LRD_HD Floats all(float x) { return _mm512_set1_ps(x); }
  static LRD_HD Ints load(const uint32_t* word) { return _mm512_loadu_si512(word); }
  static LRD_HD void store(float* target, Floats x) { _mm512_storeu_ps(target, x); }
  static LRD_HD Ints sign(Ints x) { return _mm512_srai_epi32(x, 31); }
  static LRD_HD Ints bits_xor(Ints a, Ints b) { return _mm512_xor_si512(a, b); }
  static LRD_HD Ints bits_or(Ints a, Ints b) { return _mm512_or_si512(a, b); }
  static LRD_HD Ints but_not(Ints a, Ints b) { return _mm512_andnot_si512(b, a); }
  static LRD_HD Ints add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
  static LRD_HD Floats larger(Floats a, Floats b) { return _mm512_max_ps(a, b); }
  static LRD_HD Ints exponent(Ints bits) { return _mm512_srli_epi32(bits, 23); }
  static LRD_HD Floats converted(Ints x) { return _mm512_cvtepi32_ps(x); }
  static LRD_HD Floats floats(Ints bits) { return _mm512_castsi512_ps(bits); }
  static LRD_HD Ints bits(Floats x) { return _mm512_castps_si512(x); }
  static LRD_HD Floats multiply_add(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
  static LRD_HD Floats look_up(const float (&row)[kOctaves], Ints exponent) {
    return _mm512_permutexvar_ps(exponent, _mm512_load_ps(row + kNearest));
  }
  static LRD_HD Floats with_side(Ints word, Floats x) {
    return floats(_mm512_ternarylogic_epi32(bits(x), word, all(INT32_MIN), 0xD2));  // x ^ (~word & sign)
  }
  static LRD_HD Far negative(Ints x) { return _mm512_movepi32_mask(x); }  // one bit a lane
};
#else
struct OctaveLanes {
  using Ints = __m256i;
  using Floats = __m256;
  using Far = uint8_t;
  static constexpr int kLanes = 8;
  static constexpr int kNearest = 24;  // all but one word in 170
  static LRD_HD Ints all(int32_t x) { return _mm256_set1_epi32(x); }
  static LRD_HD Floats all(float x) { return _mm256_set1_ps(x); }
  static LRD_HD Ints load(const uint32_t* word) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(word)); }
  static LRD_HD void store(float* target, Floats x) { _mm256_storeu_ps(target, x); }
  static LRD_HD Ints sign(Ints x) { return _mm256_srai_epi32(x, 31); }
  static LRD_HD Ints bits_xor(Ints a, Ints b) { return _mm256_xor_si256(a, b); }
  static LRD_HD Ints bits_or(Ints a, Ints b) { return _mm256_or_si256(a, b); }
  static LRD_HD Ints but_not(Ints a, Ints b) { return _mm256_andnot_si256(b, a); }
  static LRD_HD Ints add(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
  static LRD_HD Floats larger(Floats a, Floats b) { return _mm256_max_ps(a, b); }
  static LRD_HD Ints exponent(Ints bits) { return _mm256_srli_epi32(bits, 23); }
  static LRD_HD Floats converted(Ints x) { return _mm256_cvtepi32_ps(x); }
  static LRD_HD Floats floats(Ints bits) { return _mm256_castsi256_ps(bits); }
  static LRD_HD Ints bits(Floats x) { return _mm256_castps_si256(x); }
  static LRD_HD Floats multiply_add(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
  static LRD_HD Floats look_up(const float (&row)[kOctaves], Ints exponent) {
    return _mm256_permutevar8x32_ps(_mm256_load_ps(row + kNearest), exponent);
  }
  static LRD_HD Floats with_side(Ints word, Floats x) {
    return floats(bits_xor(bits(x), _mm256_andnot_si256(word, all(INT32_MIN))));
  }
  static LRD_HD Far negative(Ints x) { return static_cast<Far>(_mm256_movemask_ps(floats(x))); }
};
#endif

// What of ~bits is the exponent of a scale, 255 - 96 - cell, where bits has cell - kNearest, from 0 to 31 - kNearest.
constexpr int32_t kScaleExponent = (0x80 | (31 - OctaveLanes::kNearest)) << 23;

// Mirrors octave_place, but that the exponent of bits is cell - kNearest, below 0 for cells that look_up does not
// reach, whose g means nothing.
struct OctavePlaces {
  OctaveLanes::Ints bits;
  OctaveLanes::Floats g;
};

LRD_HD OctavePlaces octave_places(OctaveLanes::Ints word) {
  using L = OctaveLanes;
  const L::Ints outside = L::bits_xor(word, L::sign(word));
  const L::Ints inside = L::bits_xor(outside, L::all(0x7FFFFFFF));
  const L::Floats p = L::multiply_add(L::converted(outside), L::all(0x1p-32f), L::all(0x1p-33f));
  const L::Floats middle = L::multiply_add(L::converted(inside), L::all(-6 * 0x1p-32f), L::all(-3 * 0x1p-32f));
  const L::Ints bits = L::add(L::bits(p), L::all(kOctaveOffset - ((96 + L::kNearest) << 23)));
  const L::Floats scale = L::floats(L::but_not(L::all(kScaleExponent), bits));  // 2^(128 - 96 - cell)
  return {bits, L::larger(L::multiply_add(p, scale, L::all(-1.5f)), middle)};
}

// Do again, one by one, those of N words that lie farther out than look_up reaches. places: of all of them.
template <typename L, int N>
LRD_HD void far_octave_quantiles(const uint32_t (&word)[N], const OctaveTable& table,
                                 const typename L::Ints (&places)[N / L::kLanes], float (&result)[N]) {
  uint64_t far[(N + 63) / 64] = {};  // bits by word
  for (int i = 0; i < N; i += L::kLanes) far[i / 64] |= uint64_t{L::negative(places[i / L::kLanes])} << i % 64;
  for (int start = 0; start < N; start += 64) {
    for (uint64_t left = far[start / 64]; left != 0; left &= left - 1) {
      const int i = start + __builtin_ctzll(left);
      result[i] = octave_quantile(word[i], table);
    }
  }
}

// N words at once, N a multiple of the lanes.
template <typename L, int N>
LRD_HD void octave_quantiles_of_lanes(const uint32_t (&word)[N], const OctaveTable& table, float (&result)[N]) {
  static_assert(N % L::kLanes == 0, "whole registers");
  typename L::Ints places[N / L::kLanes], any = L::all(0);
#pragma GCC unroll 8
  for (int i = 0; i < N; i += L::kLanes) {
    const typename L::Ints w = L::load(word + i);
    const OctavePlaces place = octave_places(w);
    const typename L::Ints exponent = L::exponent(place.bits);
    typename L::Floats x = L::look_up(table.c[kOctaveTerms - 1], exponent);
#pragma GCC unroll 8
    for (int k = kOctaveTerms - 2; k >= 0; --k) x = L::multiply_add(x, place.g, L::look_up(table.c[k], exponent));
    L::store(result + i, L::with_side(w, x));
    places[i / L::kLanes] = place.bits;
    any = L::bits_or(any, place.bits);
  }
  if (L::negative(any) != 0) far_octave_quantiles<L, N>(word, table, places, result);
}

}  // namespace lrd::LRD_ISA
#endif
