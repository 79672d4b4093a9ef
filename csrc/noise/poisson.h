// SPDX-License-Identifier: Apache-2.0
// Poisson quantile of a 32-bit word: the smallest k with F(k; mean) >= u, u = (word + 1/2) / 2^32.
// Mirrors lrd_ext/reference/poisson.py. Which of three methods answers depends on the mean and the word alone:
//   exact       the outermost words of both ends where mean < kExactLimit: sums from the far end; 1 word in 8192
//   walk        else where mean < kWalkLimit: subtract the terms of the distribution from u, upward from k = 0
//   asymptotic  else: Giles 2016, ACM TOMS 42(1), Algorithm 955, with coefficients of our own fit
// All in float32. Largest error of the CDF found, by method: 2e-10, 2.3e-7 (6.3e-7 proved), 5.3e-7 (tests/verify).
#pragma once

#include "elementary.h"
#include "normal.h"

namespace lrd::LRD_ISA {

constexpr float kMaxMean = 1e7f;    // above, float32 no longer resolves single electrons
constexpr float kWalkLimit = 4.0f;  // the asymptotic form is 4.4e-7 off here, 1.2e-6 from 3 on
constexpr float kExactLimit = 25.0f;
constexpr uint32_t kExactWords = 1u << 18;  // of each end, 2^-14 of all
constexpr int kWalkSteps = 16;              // more than any word takes whose answer comes from the walk
constexpr int kWalkUnroll = 4;              // steps between two looks at whether all are done
constexpr float kAsymptoticLow = -1.24f;    // of s = z / sqrt(mean): lower words give 0 electrons

// The mean as the quantile takes it: negative and NaN count as 0, large ones as kMaxMean.
LRD_HD float poisson_mean(float signal, float inverse_gain) {
  const float mean = signal * inverse_gain;
  const float positive = mean > 0.0f ? mean : 0.0f;
  return positive < kMaxMean ? positive : kMaxMean;
}

// The walk for the sites of a block whose mean is below kWalkLimit, all in step until the last one is done.
// left is u - F(k - 1), below 0 once k is found; power / k! is P(X = k).
//
// Its error, in units of 2^-25, at any word and mean: 1 from u; from the roundings of left at most 5.4 (each half an
// ulp of what is left: F passes 1/2 and 3/4 within 5 and 7 steps); from the terms, whose relative errors are 5 of
// exp_float and 2 (k + 1) of the products, at most 5 + 2 (mean + 1): 21 in all, 6.3e-7. Every word of some means:
// tests/verify.
template <int N>
LRD_HD void poisson_walk(const uint32_t (&word)[N], const float (&mean)[N], float (&k)[N]) {
  constexpr float kInverseFactorial[kWalkSteps] = {
      1.0f,           1.0f,           0.5f,           0.166666667f,    0.0416666667f,
      0.00833333333f, 1.38888889e-3f, 1.98412698e-4f, 2.48015873e-5f,  2.75573192e-6f,
      2.75573192e-7f, 2.50521084e-8f, 2.08767570e-9f, 1.60590438e-10f, 1.14707456e-11f,
      7.64716373e-13f};
  float left[N], power[N], low_mean[N];
  int32_t done[N];  // counts, downward, the steps taken after k was found
  LRD_UNROLL
  for (int i = 0; i < N; ++i) {
    low_mean[i] = mean[i] < kWalkLimit ? mean[i] : 0.0f;  // at 0 the first step ends the walk
    power[i] = exp_float(-low_mean[i]);
    left[i] = static_cast<float>(static_cast<int32_t>(word[i] >> 1)) * 0x1p-31f;
    done[i] = 0;
  }
  int taken = 0;
  LRD_UNROLL
  for (; taken < kWalkSteps; taken += kWalkUnroll) {
    int32_t all_done = -1;
    LRD_UNROLL
    for (int i = 0; i < N; ++i) {
      float r = left[i], t = power[i];
      int32_t n = done[i];
#pragma GCC unroll 4
      for (int j = 0; j < kWalkUnroll; ++j) {
        r = fma(-t, kInverseFactorial[taken + j], r);  // goes on below 0 harmlessly
        n += static_cast<int32_t>(bits_of(r)) >> 31;
        t *= low_mean[i];
      }
      left[i] = r;
      power[i] = t;
      done[i] = n;
      all_done &= static_cast<int32_t>(bits_of(r));
    }
    if (all_done < 0) {
      taken += kWalkUnroll;
      break;
    }
  }
  LRD_UNROLL
  for (int i = 0; i < N; ++i) k[i] = mean[i] < kWalkLimit ? static_cast<float>(taken + done[i]) : k[i];
}

// z is the normal quantile of the word, mean >= kWalkLimit, s = z / sqrt(mean). The whole part of the mean stays apart,
// so float32 loses nothing up to kMaxMean.
LRD_HD float poisson_asymptotic(float z, float mean, float root, float inverse_root, float s) {
  const float square = polynomial(s, 0.166675895f, -0.0139541812f, 0.00356802694f, -0.00108181767f, 0.000815735024f,
                                  -0.000515385123f, 0.000217591936f, -8.67121780e-05f);
  const float c0 = polynomial(s, 0.333334118f, -0.0277252309f, 0.00860873889f, -0.00329670752f, 0.00275676581f,
                              -0.00213369750f, -0.00235217810f, 0.00169727975f);
  const float c1 =
      polynomial(s, -0.0198078603f, 0.0172052272f, -0.0133696673f, 0.00973909441f, -0.00640353281f, 0.00453473255f);
  const float small_terms = fma(z * z, square, fma(c1, inverse_root * inverse_root, c0));
  const float whole = floor_of(mean);
  const float x = fma(z, root, (mean - whole) + small_terms);
  const float k = kept(whole + floor_of(x));
  return s < kAsymptoticLow ? 0.0f : k;
}

// For the kExactWords outermost words of an end and mean < kExactLimit. Terms are summed from the far end of the word's
// own tail, the smallest first, so that the error stays relative to the tail: below 1e-5 of it, or 3 words.
LRD_HD float poisson_exact(uint32_t word, float any_mean) {
  const float mean = any_mean > 0x1p-60f ? any_mean : 0x1p-60f;  // nothing but 0 is drawn below
  const int32_t outside = static_cast<int32_t>(word < kExactWords ? word : ~word);
  const float tail = fma(static_cast<float>(outside), 0x1p-32f, 0x1p-33f);  // min(u, 1 - u), exact here
  float term = exp_float(-mean), k = 0.0f, sum = 0.0f;
  if (word < kExactWords) {
    LRD_KEEP_LOOP
    for (sum = term; sum < tail; sum += term) {
      k += 1.0f;
      term *= mean * reciprocal(k);
    }
    return k;
  }
  LRD_KEEP_LOOP
  while (k < mean || term > tail * 0x1p-26f) {  // to where terms no longer matter
    k += 1.0f;
    term *= mean * reciprocal(k);
  }
  const float inverse_mean = reciprocal(mean);
  LRD_KEEP_LOOP
  while (sum + term <= tail) {  // sum is 1 - F(k)
    sum += term;
    term *= k * inverse_mean;
    k -= 1.0f;
  }
  return k;
}

// Those of N sites that the sums are for. On a device one after another through the same code, in registers.
template <int N>
LRD_HD void poisson_exact_sites(const uint32_t (&word)[N], const float (&mean)[N], float (&k)[N]) {
#if defined(__CUDA_ARCH__)
  LRD_KEEP_LOOP
  for (int i = 0; i < N; ++i) {
    uint32_t w = word[0];
    float m = mean[0];
    LRD_UNROLL
    for (int j = 1; j < N; ++j) {
      w = i == j ? word[j] : w;
      m = i == j ? mean[j] : m;
    }
    if (w + kExactWords >= 2 * kExactWords || !(m < kExactLimit)) continue;
    const float exact = poisson_exact(w, m);
    LRD_UNROLL
    for (int j = 0; j < N; ++j) k[j] = i == j ? exact : k[j];
  }
#else
  for (int i = 0; i < N; ++i) {
    const bool exact = word[i] + kExactWords < 2 * kExactWords && mean[i] < kExactLimit;
    if (exact) k[i] = poisson_exact(word[i], mean[i]);
  }
#endif
}

// N sites at once, so that the loops vectorise; a method runs only where a site of the block needs it, which
// cannot change a result because each site's method follows from its own mean and word.
template <int N>
LRD_HD void poisson_quantiles(const uint32_t (&word)[N], const float (&mean)[N], float (&k)[N]) {
  // Means are not negative, so their bits are ordered as they are.
  const int32_t walk_bits = static_cast<int32_t>(bits_of(kWalkLimit));
  int32_t least = 0x7F800000, most = 0;
  uint32_t outermost = ~0u;
  LRD_UNROLL
  for (int i = 0; i < N; ++i) {
    const int32_t bits = static_cast<int32_t>(bits_of(mean[i]));
    const uint32_t from_end = word[i] + kExactWords;  // below 2 kExactWords for words of either end
    least = bits < least ? bits : least;
    most = bits > most ? bits : most;
    outermost = from_end < outermost ? from_end : outermost;
  }
  if (most >= walk_bits) {
    // Sites of the walk are carried along with a mean of kWalkLimit: one loop without branches.
    float high_mean[N], root[N], inverse_root[N], s[N], z[N];
    normal_quantiles<N>(word, z);
    LRD_UNROLL
    for (int i = 0; i < N; ++i) {
      high_mean[i] = mean[i] < kWalkLimit ? kWalkLimit : mean[i];
      root[i] = square_root_of_normal(high_mean[i]);
      inverse_root[i] = reciprocal(root[i]);
      s[i] = z[i] * inverse_root[i];
    }
    LRD_UNROLL
    for (int i = 0; i < N; ++i) k[i] = poisson_asymptotic(z[i], high_mean[i], root[i], inverse_root[i], s[i]);
  }
  if (least < walk_bits) poisson_walk<N>(word, mean, k);
  if (outermost < 2 * kExactWords) poisson_exact_sites<N>(word, mean, k);
}

}  // namespace lrd::LRD_ISA
