// SPDX-License-Identifier: Apache-2.0
// Poisson quantiles of small means: the terms of the distribution are subtracted from u, upward from k = 0.
#pragma once

#include "elementary.h"

namespace lrd::LRD_ISA {

constexpr float kWalkLimit = 4.0f;  // the asymptotic form is 4.4e-7 off here, 1.2e-6 from 3 on
constexpr uint32_t kWalkLimitBits = 0x40800000u;
constexpr int kWalkSteps = 16;  // more than any word takes whose answer comes from the walk
constexpr int kWalkUnroll = 4;  // steps between two looks at whether all are done

constexpr uint32_t kExactWords = 1u << 18;  // of each end, 2^-14 of all, which the walk leaves to other methods

// Which methods of poisson.h the sites of a block need.
struct PoissonMethods {
  bool walk, asymptotic, exact;
};

LRD_HD float inverse_factorial(int k) {
  constexpr float kInverseFactorial[kWalkSteps] = {
      1.0f,           1.0f,           0.5f,           0.166666667f,    0.0416666667f,
      0.00833333333f, 1.38888889e-3f, 1.98412698e-4f, 2.48015873e-5f,  2.75573192e-6f,
      2.75573192e-7f, 2.50521084e-8f, 2.08767570e-9f, 1.60590438e-10f, 1.14707456e-11f,
      7.64716373e-13f};
  return kInverseFactorial[k];
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
        r = fma(-t, inverse_factorial(taken + j), r);  // goes on below 0 harmlessly
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

}  // namespace lrd::LRD_ISA
