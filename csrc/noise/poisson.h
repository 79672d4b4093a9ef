// SPDX-License-Identifier: Apache-2.0
// Poisson quantile of a 32-bit word: the smallest k with F(k; mean) >= u, u = (word + 1/2) / 2^32.
// Mirrors lrd_ext/reference/poisson.py. Which of three methods answers depends on the mean and the word alone:
//   walk        mean < kWalkLimit: subtract the terms of the distribution from the word, upward from k = 0
//   asymptotic  else: Giles 2016, ACM TOMS 42(1), Algorithm 955, with a correction term of our own fit
//   exact       where neither is fine enough (far tails): the sum in double; about 1 word in 2000
#pragma once

#include "elementary.h"
#include "normal.h"

namespace lrd::LRD_ISA {

constexpr float kMaxMean = 1e7f;  // above, float32 no longer resolves single electrons
constexpr float kWalkLimit = 10.0f;
constexpr int kWalkSteps = 32;               // more than any word below kWalkTail can take at mean < kWalkLimit
constexpr int kWalkUnroll = 4;               // steps between two looks at whether all are done
constexpr uint32_t kWalkTail = 0xFFE00000u;  // words from here on go to the exact method
constexpr float kWalkUnit = 0x1p30f;         // fixed point of the walk: 2^-30, so that int32 cannot overflow
constexpr float kAsymptoticLow = -1.0f, kAsymptoticHigh = 1.5f;  // range of the fits in s = z / sqrt(mean)

// The mean as the quantile takes it: negative and NaN count as 0, large ones as kMaxMean.
LRD_HD float poisson_mean(float signal, float inverse_gain) {
  const float mean = signal * inverse_gain;
  const float positive = mean > 0.0f ? mean : 0.0f;
  return positive < kMaxMean ? positive : kMaxMean;
}

// 1 / n for the steps n = 1 ... kWalkSteps of the walk.
#if defined(__CUDA_ARCH__)
LRD_HD float inverse_of_step(int n) { return 1.0f / static_cast<float>(n); }
#else
constexpr float kInverseOfStep[kWalkSteps] = {
    1.0f / 1,  1.0f / 2,  1.0f / 3,  1.0f / 4,  1.0f / 5,  1.0f / 6,  1.0f / 7,  1.0f / 8,
    1.0f / 9,  1.0f / 10, 1.0f / 11, 1.0f / 12, 1.0f / 13, 1.0f / 14, 1.0f / 15, 1.0f / 16,
    1.0f / 17, 1.0f / 18, 1.0f / 19, 1.0f / 20, 1.0f / 21, 1.0f / 22, 1.0f / 23, 1.0f / 24,
    1.0f / 25, 1.0f / 26, 1.0f / 27, 1.0f / 28, 1.0f / 29, 1.0f / 30, 1.0f / 31, 1.0f / 32};
LRD_HD float inverse_of_step(int n) { return kInverseOfStep[n - 1]; }
#endif

// The walk for the sites of a block whose mean is below kWalkLimit, all in step until the last one is done.
// remaining < 0 means that k is found; term is P(X = k) in units of 2^-30.
template <int N>
LRD_HD void poisson_walk(const uint32_t (&word)[N], const float (&mean)[N], float (&k)[N]) {
  float term[N], low_mean[N];
  int32_t remaining[N], done[N];  // done counts, downward, the steps taken after k was found
  LRD_UNROLL
  for (int i = 0; i < N; ++i) {
    low_mean[i] = mean[i] < kWalkLimit ? mean[i] : 0.0f;  // at 0 the first step ends the walk
    term[i] = exp_float(-low_mean[i]) * kWalkUnit;
    const int32_t start = static_cast<int32_t>(word[i] >> 2);
    remaining[i] = word[i] >= kWalkTail ? -1 : start;
    done[i] = 0;
  }
  int taken = 0;
  LRD_UNROLL
  for (; taken < kWalkSteps; taken += kWalkUnroll) {
    int32_t all_done = -1;
    float inverse[kWalkUnroll];
    LRD_UNROLL
    for (int j = 0; j < kWalkUnroll; ++j) inverse[j] = inverse_of_step(taken + j + 1);
    LRD_UNROLL
    for (int i = 0; i < N; ++i) {
      float t = term[i];
      int32_t r = remaining[i], n = done[i];
#pragma GCC unroll 4
      for (int j = 0; j < kWalkUnroll; ++j) {
        r -= static_cast<int32_t>(t);  // goes on below 0 harmlessly: the terms sum to 2^30
        n += r >> 31;
        t *= low_mean[i] * inverse[j];
      }
      term[i] = t;
      remaining[i] = r;
      done[i] = n;
      all_done &= r;
    }
    if (all_done < 0) {
      taken += kWalkUnroll;
      break;
    }
  }
  LRD_UNROLL
  for (int i = 0; i < N; ++i) k[i] = mean[i] < kWalkLimit ? static_cast<float>(taken + done[i]) : k[i];
}

// z is the normal quantile of the word, mean >= kWalkLimit, s = z / sqrt(mean); the answer stands where s is in
// [kAsymptoticLow, kAsymptoticHigh]. The whole part of the mean stays apart, so float32 loses nothing up to kMaxMean.
LRD_HD float poisson_asymptotic(float z, float mean, float root, float inverse_root, float s) {
  const float ratio = polynomial(s, 0.166665748f, -0.0138875237f, 0.00372125488f, -0.00134601421f, 0.000478341273f,
                                 -0.000207090532f, 0.000242877519f, -0.000130337605f);
  const float c0 = polynomial(s, 0.333332866f, -0.0277843624f, 0.00867154729f, -0.00340340845f, 0.00142173911f,
                              -0.00125998119f, 0.000902248779f);
  const float c1 = polynomial(s, -0.0197880249f, 0.0174228903f, -0.0135428254f, 0.00838330109f, -0.00194516499f,
                              0.00824741460f, -0.0110180862f);
  const float small_terms = fma(z * z, ratio, fma(c1, inverse_root * inverse_root, c0));
  const float whole = floor_of(mean);
  const float x = fma(z, root, (mean - whole) + small_terms);
  return whole + floor_of(x);
}

// exp(-x) in double for 0 <= x < 100, by the Taylor series after halving down: 14 terms leave less than 1e-17.
LRD_HD double exp_negative(double x) {
  const int n = static_cast<int>(x * 1.4426950408889634 + 0.5);
  const double halvings = n;
  const double f = fma(halvings, -1.9082149292705877e-10, fma(halvings, -0.6931471803691238, x));
  double sum = 1.0;
  LRD_KEEP_LOOP
  for (int i = 14; i > 0; --i) sum = fma(sum, -f / i, 1.0);
  LRD_KEEP_LOOP
  for (int i = 0; i < n; ++i) sum *= 0.5;
  return sum;
}

// Sum of the terms in double. Serves means below 42: larger ones have |z| < 6.34 inside the asymptotic range.
LRD_HD float poisson_exact(uint32_t word, float mean) {
  const double u = (static_cast<double>(word) + 0.5) * 0x1p-32, m = static_cast<double>(mean);
  double term = exp_negative(m), cumulative = term;
  int k = 0;
  LRD_KEEP_LOOP
  while (cumulative < u && k < 256) {
    ++k;
    term *= m / k;
    cumulative += term;
  }
  return static_cast<float>(k);
}

// Largest error of the CDF that any of the three leaves: 1e-6 (tests/csrc/test_quantiles.py).
//
// N sites at once, so that the loops vectorise; a method runs only where a site of the block needs it, which
// cannot change a result because each site's method follows from its own mean and word.
template <int N>
LRD_HD void poisson_quantiles(const uint32_t (&word)[N], const float (&mean)[N], float (&k)[N]) {
  int32_t any_walk = 0, any_asymptotic = 0, any_exact = 0;
  int32_t exact[N];
  LRD_UNROLL
  for (int i = 0; i < N; ++i) {
    const int32_t walk = mean[i] < kWalkLimit;
    const int32_t tail = word[i] >= kWalkTail;
    any_walk |= walk;
    any_asymptotic |= 1 - walk;
    exact[i] = walk & tail;
    any_exact |= exact[i];
  }
  if (any_asymptotic) {
    // Sites of the walk are carried along with a mean of kWalkLimit: one loop without branches.
    float high_mean[N], root[N], inverse_root[N], s[N], z[N];
    normal_quantiles<N>(word, z);
    LRD_UNROLL
    for (int i = 0; i < N; ++i) {
      high_mean[i] = mean[i] < kWalkLimit ? kWalkLimit : mean[i];
      root[i] = square_root(high_mean[i]);
      inverse_root[i] = 1.0f / root[i];
      s[i] = z[i] * inverse_root[i];
    }
    LRD_UNROLL
    for (int i = 0; i < N; ++i) k[i] = poisson_asymptotic(z[i], high_mean[i], root[i], inverse_root[i], s[i]);
    LRD_UNROLL
    for (int i = 0; i < N; ++i) {
      const int32_t outside = (s[i] < kAsymptoticLow) | (s[i] > kAsymptoticHigh);
      exact[i] |= outside & (mean[i] >= kWalkLimit);
      any_exact |= exact[i];
    }
  }
  if (any_walk) poisson_walk<N>(word, mean, k);
  if (any_exact) {
    LRD_UNROLL
    for (int i = 0; i < N; ++i) {
      if (exact[i]) k[i] = poisson_exact(word[i], mean[i]);
    }
  }
}

}  // namespace lrd::LRD_ISA
