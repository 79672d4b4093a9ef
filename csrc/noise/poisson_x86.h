// SPDX-License-Identifier: Apache-2.0
// Parts of poisson.h for whole registers of sites: the choice of methods and the walk. The same bits.
#pragma once

#include "octaves_x86.h"
#include "poisson_walk.h"

// LRD_VECTOR_BITS is set by the builds that are compiled for AVX2 or AVX-512 (csrc/cpu/tiles_*.cpp).
#if defined(LRD_VECTOR_BITS)
#include <immintrin.h>

namespace lrd::LRD_ISA {

// What poisson.h needs beside the lanes of octaves_x86.h.
#if LRD_VECTOR_BITS == 512
struct PoissonLanes : OctaveLanes {
  static LRD_HD Floats load(const float* source) { return _mm512_loadu_ps(source); }
  using OctaveLanes::load;
  static LRD_HD Ints smaller(Ints a, Ints b) { return _mm512_min_epi32(a, b); }
  static LRD_HD Ints larger_unsigned(Ints a, Ints b) { return _mm512_max_epu32(a, b); }
  static LRD_HD Ints smaller_unsigned(Ints a, Ints b) { return _mm512_min_epu32(a, b); }
  static LRD_HD bool any_below(Ints x, int32_t limit) { return _mm512_cmplt_epi32_mask(x, all(limit)) != 0; }
  static LRD_HD bool any_below(Ints x, uint32_t limit) {
    return _mm512_cmplt_epu32_mask(x, all(static_cast<int32_t>(limit))) != 0;
  }
  static LRD_HD bool any_from(Ints x, uint32_t limit) {
    return _mm512_cmpge_epu32_mask(x, all(static_cast<int32_t>(limit))) != 0;
  }
  static LRD_HD Floats zero_from(Floats x, float limit) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, all(limit), _CMP_LT_OQ), x);
  }
  static LRD_HD Floats below_or(Floats x, float limit, Floats yes, Floats no) {
    return _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask(x, all(limit), _CMP_LT_OQ), yes);
  }
  static LRD_HD Floats multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
  static LRD_HD Floats subtract(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
  static LRD_HD Floats minus_multiply_add(Floats a, Floats b, Floats c) { return _mm512_fnmadd_ps(a, b, c); }
  static LRD_HD Ints half(Ints x) { return _mm512_srli_epi32(x, 1); }
  static LRD_HD Ints to_exponent(Ints x) { return _mm512_slli_epi32(x, 23); }
  static LRD_HD Ints subtract(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
  // Bytes of -1 where x is above 0, which of 4 registers at 4 places of each 16 bytes.
  static LRD_HD Ints positive(Floats a, Floats b, Floats c, Floats d) {
    return _mm512_packus_epi16(_mm512_packs_epi32(bits(a), bits(b)), _mm512_packs_epi32(bits(c), bits(d)));
  }
  static LRD_HD Ints subtract_bytes(Ints a, Ints b) { return _mm512_sub_epi8(a, b); }
  // The sum of the 4 bytes of each lane of what positive() gave.
  static LRD_HD Ints sums(Ints bytes) {
    const Ints order = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    const Ints by_lane = _mm512_shuffle_epi8(bytes, order);
    return _mm512_madd_epi16(_mm512_maddubs_epi16(by_lane, _mm512_set1_epi8(1)), _mm512_set1_epi16(1));
  }
};
#else
struct PoissonLanes : OctaveLanes {
  static LRD_HD Floats load(const float* source) { return _mm256_loadu_ps(source); }
  using OctaveLanes::load;
  static LRD_HD Ints smaller(Ints a, Ints b) { return _mm256_min_epi32(a, b); }
  static LRD_HD Ints larger_unsigned(Ints a, Ints b) { return _mm256_max_epu32(a, b); }
  static LRD_HD Ints smaller_unsigned(Ints a, Ints b) { return _mm256_min_epu32(a, b); }
  static LRD_HD bool equal(Ints a, Ints b) { return _mm256_movemask_epi8(_mm256_cmpeq_epi32(a, b)) == -1; }
  static LRD_HD bool any_below(Ints x, int32_t limit) {
    return _mm256_movemask_ps(floats(_mm256_cmpgt_epi32(all(limit), x))) != 0;
  }
  static LRD_HD bool any_below(Ints x, uint32_t limit) {
    return !equal(x, larger_unsigned(x, all(static_cast<int32_t>(limit))));
  }
  static LRD_HD bool any_from(Ints x, uint32_t limit) {
    return !equal(x, smaller_unsigned(x, all(static_cast<int32_t>(limit - 1))));
  }
  static LRD_HD Floats zero_from(Floats x, float limit) {
    return _mm256_and_ps(x, _mm256_cmp_ps(x, all(limit), _CMP_LT_OQ));
  }
  static LRD_HD Floats below_or(Floats x, float limit, Floats yes, Floats no) {
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(x, all(limit), _CMP_LT_OQ));
  }
  static LRD_HD Floats multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
  static LRD_HD Floats subtract(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
  static LRD_HD Floats minus_multiply_add(Floats a, Floats b, Floats c) { return _mm256_fnmadd_ps(a, b, c); }
  static LRD_HD Ints half(Ints x) { return _mm256_srli_epi32(x, 1); }
  static LRD_HD Ints to_exponent(Ints x) { return _mm256_slli_epi32(x, 23); }
  static LRD_HD Ints subtract(Ints a, Ints b) { return _mm256_sub_epi32(a, b); }
  static LRD_HD Ints positive(Floats a, Floats b, Floats c, Floats d) {
    return _mm256_packus_epi16(_mm256_packs_epi32(bits(a), bits(b)), _mm256_packs_epi32(bits(c), bits(d)));
  }
  static LRD_HD Ints subtract_bytes(Ints a, Ints b) { return _mm256_sub_epi8(a, b); }
  static LRD_HD Ints sums(Ints bytes) {
    const Ints order = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    const Ints by_lane = _mm256_shuffle_epi8(bytes, order);
    return _mm256_madd_epi16(_mm256_maddubs_epi16(by_lane, _mm256_set1_epi8(1)), _mm256_set1_epi16(1));
  }
};
#endif

LRD_HD PoissonLanes::Floats polynomial_of_lanes(PoissonLanes::Floats, float c) { return PoissonLanes::all(c); }

template <typename... Rest>
LRD_HD PoissonLanes::Floats polynomial_of_lanes(PoissonLanes::Floats x, float c, Rest... rest) {
  return PoissonLanes::multiply_add(polynomial_of_lanes(x, rest...), x, PoissonLanes::all(c));
}

// Mirrors exp_float.
LRD_HD PoissonLanes::Floats exp_of_lanes(PoissonLanes::Floats t) {
  using L = PoissonLanes;
  constexpr float kRound = 12582912.0f + 127.0f;
  const L::Floats shifted = L::multiply_add(t, L::all(1.44269504f), L::all(kRound));
  const L::Floats n = L::subtract(shifted, L::all(kRound));
  const L::Floats high = L::minus_multiply_add(n, L::all(kLn2High), t);
  const L::Floats f = L::minus_multiply_add(n, L::all(kLn2Low), high);
  const L::Floats p = polynomial_of_lanes(f, 0.5f, 0.166665435f, 0.0416662805f, 0.00836658105f, 0.00139464450f);
  const L::Floats power = L::floats(L::to_exponent(L::bits(shifted)));
  return L::multiply_add(power, L::multiply_add(L::multiply(f, f), p, f), power);
}

// Of a register of sites: minus what is left, so that a site is done once it is above 0; power as in poisson_walk; how
// many steps were taken after k was found, in bytes for sums().
struct WalkOfLanes {
  PoissonLanes::Floats owed, power;
  PoissonLanes::Ints done;
};

// The last owed as integers, which have its order.
LRD_HD PoissonLanes::Ints four_steps(WalkOfLanes& s, PoissonLanes::Floats mean, const float (&factor)[kWalkUnroll]) {
  using L = PoissonLanes;
  L::Floats owed[kWalkUnroll], t = s.power, last = s.owed;
#pragma GCC unroll 4
  for (int j = 0; j < kWalkUnroll; ++j) {
    last = owed[j] = L::multiply_add(t, L::all(factor[j]), last);
    t = L::multiply(t, mean);
  }
  s.owed = last;
  s.power = t;
  s.done = L::subtract_bytes(s.done, L::positive(owed[0], owed[1], owed[2], owed[3]));
  return L::bits(last);
}

// Four steps of a block from `taken` on, the first four with what they begin from. True once all sites are done.
template <bool kFirst, int N>
LRD_HD bool walk_on(const uint32_t (&word)[N], const float (&mean)[N], int taken,
                    WalkOfLanes (&sites)[N / PoissonLanes::kLanes]) {
  using L = PoissonLanes;
  float factor[kWalkUnroll];
  for (int j = 0; j < kWalkUnroll; ++j) factor[j] = inverse_factorial(taken + j);
  L::Ints least = L::all(INT32_MAX);
  for (int i = 0; i < N; i += L::kLanes) {
    WalkOfLanes& s = sites[i / L::kLanes];
    const L::Floats low_mean = L::zero_from(L::load(mean + i), kWalkLimit);
    if (kFirst) {
      s.owed = L::multiply(L::converted(L::half(L::load(word + i))), L::all(-0x1p-31f));
      s.power = exp_of_lanes(L::floats(L::bits_xor(L::bits(low_mean), L::all(INT32_MIN))));
      s.done = L::all(0);
    }
    least = L::smaller(least, four_steps(s, low_mean, factor));
  }
  return !L::any_below(least, 1);
}

// Mirrors poisson_walk. only: no site of the block has another method.
template <int N>
LRD_HD void poisson_walk_of_lanes(const uint32_t (&word)[N], const float (&mean)[N], bool only, float (&k)[N]) {
  using L = PoissonLanes;
  WalkOfLanes sites[N / L::kLanes];
  int taken = kWalkUnroll;
  bool all_done = walk_on<true>(word, mean, 0, sites);
  for (; !all_done && taken < kWalkSteps; taken += kWalkUnroll) all_done = walk_on<false>(word, mean, taken, sites);
  for (int i = 0; i < N; i += L::kLanes) {
    const L::Floats found = L::converted(L::subtract(L::all(taken), L::sums(sites[i / L::kLanes].done)));
    L::store(k + i, only ? found : L::below_or(L::load(mean + i), kWalkLimit, found, L::load(k + i)));
  }
}

// Mirrors poisson_methods.
template <int N>
LRD_HD PoissonMethods poisson_methods_of_lanes(const uint32_t (&word)[N], const float (&mean)[N]) {
  using L = PoissonLanes;
  L::Ints least = L::all(INT32_MAX), most = L::all(0), outermost = L::all(-1);
  for (int i = 0; i < N; i += L::kLanes) {
    const L::Ints bits = L::bits(L::load(mean + i));
    least = L::smaller(least, bits);
    most = L::larger_unsigned(most, bits);
    outermost = L::smaller_unsigned(outermost, L::add(L::load(word + i), L::all(static_cast<int32_t>(kExactWords))));
  }
  return {L::any_below(least, static_cast<int32_t>(kWalkLimitBits)), L::any_from(most, kWalkLimitBits),
          L::any_below(outermost, 2 * kExactWords)};
}

}  // namespace lrd::LRD_ISA
#endif
