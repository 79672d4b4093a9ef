// SPDX-License-Identifier: Apache-2.0
// Octave table of the Tukey-lambda distribution, Q(u) = (u^shape - (1-u)^shape) / shape, logistic at 0: made anew for
// every shape, in IEEE operations and explicit fma only, so that every executor makes the same bits.
// The quantile mirrors lrd_ext/reference/tukey_lambda.py.
//
// With b the upper edge of a cell, p = b (1 + s g) and 1 - p = (1 - b) (1 + r g):
//   x = ((1 - p)^shape - p^shape) / shape
//     = ((1 - b)^shape - b^shape) / shape + sum over k of binom(shape, k) / shape ((1 - b)^shape r^k - b^shape s^k)
//     g^k.
// Beyond k = 8 the series of s, and of r in the two last cells, has a remainder: binom(shape, 9) / shape times a
// polynomial, whose coefficients hardly depend on the shape.
#pragma once

#include "octave_coefficients.h"

namespace lrd::LRD_ISA {

struct Power {
  float value, minus_one;
};

// base^shape and the same less 1, both within an ulp or so; log2 of the base in two parts.
LRD_HD Power power_of(float shape, float log_high, float log_low) {
  constexpr float kRound = 12582912.0f + 127.0f;  // see exp_float
  const float product = shape * log_high;
  const float t = larger(product, -120.0f);
  const float shifted = t + kRound;
  const float f = (t - (shifted - kRound)) + fma(shape, log_low, fma(shape, log_high, -product));
  const float tail = polynomial(f, -1.90465421e-09f, 0.240226507f, 0.0555041060f, 0.00961805880f, 0.00133336475f,
                                0.000154608992f, 1.52562743e-05f);
  const float q = fma(f, 0.693147182f, f * tail);
  const float power = float_of(bits_of(shifted) << 23);
  return {fma(power, q, power), fma(power, q, power - 1.0f)};
}

// Coefficients of the N cells from first on, by power of g.
template <int N>
LRD_HD void tukey_lambda_octaves(float shape, int first, float (&c)[kOctaveTerms][N]) {
  const float s = larger(shape, -shape) < 0x1p-60f ? 0x1p-60f : shape;  // the limit at 0, to the last bit
  float beta[kOctaveTerms + 1];                                         // binom(s, k) / s
  beta[1] = 1.0f;
  LRD_UNROLL
  for (int k = 1; k < kOctaveTerms; ++k) beta[k + 1] = beta[k] * ((s - static_cast<float>(k)) * (1.0f / (k + 1)));
  float edge[N], rest[N], edge_power[N], rest_power[N], step[N];
  float outer[N], middle[N], second[N];  // 1 or 0 for no branch: any cell but the last, the last, the last but one
  LRD_UNROLL
  for (int i = 0; i < N; ++i) {
    const Power p = power_of(s, kLogEdgeHigh[first + i], kLogEdgeLow[first + i]);
    const Power q = power_of(s, kLogRestHigh[first + i], kLogRestLow[first + i]);
    c[0][i] = (q.minus_one - p.minus_one) / s;
    edge[i] = edge_power[i] = -p.value;
    rest[i] = rest_power[i] = q.value;
  }
  LRD_UNROLL
  for (int i = 0; i < N; ++i) {
    const int is_last = (first + i + 1) / kOctaves, is_second = (first + i + 2) / kOctaves - is_last;
    middle[i] = static_cast<float>(is_last);
    second[i] = static_cast<float>(is_second);
    outer[i] = 1.0f - middle[i];
    step[i] = 0.333333333f * (1.0f + outer[i]);
  }
  LRD_UNROLL
  for (int k = 1; k < kOctaveTerms; ++k) {
    const float (&r)[3] = kRemainder[k - 1];
    const float (&of_rest)[2] = kRemainderOfRest[k - 1];
    const float of_edges = beta[kOctaveTerms] * fma(fma(r[2], s, r[1]), s, r[0]);
    const float of_rests = beta[kOctaveTerms] * fma(of_rest[1], s, of_rest[0]);
    const float of_middle = beta[kOctaveTerms] * kRemainderOfMiddle[k - 1];
    const float binomial = beta[k];
    LRD_UNROLL
    for (int i = 0; i < N; ++i) {
      edge_power[i] *= step[i];
      rest_power[i] *= kStepOfRest[first + i];
      const float left = edge[i] * fma(of_middle, middle[i], of_edges * outer[i]);
      const float left_of_rest = rest[i] * (of_rests * second[i]);
      c[k][i] = fma(binomial, edge_power[i] + rest_power[i], left + left_of_rest);
    }
  }
}

// Variance at scale 1, 2/l^2 (1/(1+2l) - G(l+1)^2/G(2l+2)), within 1.2e-6 of its value. A factor with neither a pole
// nor a zero from -1/2 on is left to the polynomial: P = (1 - G(l+1)^2/G(2l+1)) (1+l)^2 / l^2.
LRD_HD float tukey_lambda_variance(float shape) {
  const float v = 6.0f / (6.0f + shape) - 0.8f, w = 1.0f + shape;
  const float p = polynomial(v, 1.95965469f, 1.31596816f, -8.98443508f, -29.4001389f, -7.51148462f, 78.8419952f,
                             66.3149185f, -73.8373413f, 20.8095627f, 197.590851f);
  return (p + p) / ((1.0f + (shape + shape)) * (w * w));
}

}  // namespace lrd::LRD_ISA
