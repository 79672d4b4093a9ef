// SPDX-License-Identifier: Apache-2.0
// Poisson quantile of a 32-bit word: the smallest k with F(k; mean) >= u, u = (word + 1/2) / 2^32.
// Mirrors lrd_ext/reference/poisson.py. Which of three methods answers depends on the mean and the word alone:
//   exact       the outermost words of both ends where mean < kExactLimit: sums from the far end; 1 word in 8192
//   walk        else where mean < kWalkLimit: subtract the terms of the distribution from u, upward from k = 0
//   asymptotic  else: Giles 2016, ACM TOMS 42(1), Algorithm 955, with coefficients of our own fit
// All in float32. Largest error of the CDF found, by method: 2e-10, 2.3e-7 (6.3e-7 proved), 5.3e-7 (tests/verify).
#pragma once

#include "normal.h"
#include "poisson_walk.h"
#include "poisson_x86.h"

namespace lrd::LRD_ISA {

constexpr float kMaxMean = 1e7f;  // above, float32 no longer resolves single electrons
constexpr float kExactLimit = 25.0f;
constexpr float kAsymptoticLow = -1.24f;  // of s = z / sqrt(mean): lower words give 0 electrons

// The mean as the quantile takes it: negative and NaN count as 0, large ones as kMaxMean.
LRD_HD float poisson_mean(float signal, float inverse_gain) {
  const float mean = signal * inverse_gain;
  const float positive = mean > 0.0f ? mean : 0.0f;
  return positive < kMaxMean ? positive : kMaxMean;
}

// The same, but that -0 may stay, and NaN, whose electrons are NaN by the asymptotic form.
LRD_HD float poisson_mean_or_nan(float signal, float inverse_gain) {
  const float mean = signal * inverse_gain;
  const float positive = 0.0f > mean ? 0.0f : mean;
  return kMaxMean < positive ? kMaxMean : positive;
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

// Those of N sites that the sums are for. In a kernel one after another through the same code, in registers.
template <int N>
LRD_HD void poisson_exact_sites(const uint32_t (&word)[N], const float (&mean)[N], float (&k)[N]) {
#if defined(LRD_SHARED)
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

template <int N>
LRD_HD PoissonMethods poisson_methods(const uint32_t (&word)[N], const float (&mean)[N]) {
#if defined(LRD_VECTOR_BITS)
  if constexpr (N % PoissonLanes::kLanes == 0) return poisson_methods_of_lanes<N>(word, mean);
#endif
  // Means are not negative, so their bits are ordered as they are; -0 and -NaN count among the least and the most.
  int32_t least = INT32_MAX;
  uint32_t most = 0, outermost = ~0u;
  LRD_UNROLL
  for (int i = 0; i < N; ++i) {
    const uint32_t bits = bits_of(mean[i]);
    const uint32_t from_end = word[i] + kExactWords;  // below 2 kExactWords for words of either end
    least = static_cast<int32_t>(bits) < least ? static_cast<int32_t>(bits) : least;
    most = bits > most ? bits : most;
    outermost = from_end < outermost ? from_end : outermost;
  }
  return {least < static_cast<int32_t>(kWalkLimitBits), most >= kWalkLimitBits, outermost < 2 * kExactWords};
}

// N sites at once, so that the loops vectorise; a method runs only where a site of the block needs it, which
// cannot change a result because each site's method follows from its own mean and word.
template <int N>
LRD_HD void poisson_quantiles(const uint32_t (&word)[N], const float (&mean)[N], float (&k)[N]) {
  const PoissonMethods needed = poisson_methods<N>(word, mean);
  if (needed.asymptotic) {
    // Sites of the walk are carried along with a mean of kWalkLimit: a loop without branches.
    float z[N];
    normal_quantiles<N>(word, z);
    LRD_UNROLL
    for (int i = 0; i < N; ++i) {
      const float high_mean = mean[i] < kWalkLimit ? kWalkLimit : mean[i];
      const float root = square_root_of_normal(high_mean), inverse_root = reciprocal(root);
      k[i] = poisson_asymptotic(z[i], high_mean, root, inverse_root, z[i] * inverse_root);
    }
  }
  if (needed.walk) {
#if defined(LRD_VECTOR_BITS)
    if constexpr (N % PoissonLanes::kLanes == 0) {
      poisson_walk_of_lanes<N>(word, mean, !needed.asymptotic, k);
    } else
#endif
      poisson_walk<N>(word, mean, k);
  }
  if (needed.exact) poisson_exact_sites<N>(word, mean, k);
}

}  // namespace lrd::LRD_ISA
