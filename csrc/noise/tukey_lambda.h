// SPDX-License-Identifier: Apache-2.0
// Tukey-lambda quantile of a 32-bit word: Q(u) = (u^shape - (1-u)^shape) / shape, logistic at 0.
// Mirrors lrd_ext/reference/tukey_lambda.py.
#pragma once

#include "normal.h"

namespace lrd::LRD_ISA {

// Below this |shape| the third-order series is closer than the quotient of rounded differences.
constexpr float kSeriesShape = 2e-3f;

// What cameras have is within this.
constexpr float kMildShape = 0.49f;

// Below -80, exp(t) - 1 is -1; upward shape > -0.5 and log p >= -22.9 keep t under 12.
LRD_HD float clamp_exponent(float t) { return t < -80.0f ? -80.0f : t; }

// log p and log(1 - p) of the word's lower tail p: where both forms start from.
struct TailLogs {
  float p, q;
};

// For |shape| >= kSeriesShape.
LRD_HD float tukey_lambda_powers(uint32_t word, TailLogs log, float shape, float inverse_shape) {
  const float a = expm1_float(clamp_exponent(shape * log.p));
  const float b = expm1_float(shape * log.q);
  return with_side(word, (b - a) * inverse_shape);
}

// The same bits for kSeriesShape <= |shape| <= kMildShape: no exponent needs clamping, and |shape log(1 - p)| <= 0.341.
LRD_HD float tukey_lambda_mild_powers(uint32_t word, TailLogs log, float shape, float inverse_shape) {
  const float a = expm1_float(shape * log.p);
  const float b = expm1_small(shape * log.q);
  return with_side(word, (b - a) * inverse_shape);
}

// For |shape| < kSeriesShape: expm1(shape a) / shape = a (1 + h (1 + 2h/3)) with h = shape a / 2, up to
// shape^3 a^4 / 24.
LRD_HD float tukey_lambda_series(uint32_t word, TailLogs log, float shape) {
  const float ha = 0.5f * shape * log.p, hb = 0.5f * shape * log.q;
  const float qa = fma(log.p, fma(ha * ha, fma(0.333333333f, ha, 0.666666667f), ha), log.p);
  const float qb = fma(log.q, fma(hb * hb, fma(0.333333333f, hb, 0.666666667f), hb), log.q);
  return with_side(word, qb - qa);
}

// Variance at scale 1, 2/l^2 (1/(1+2l) - G(l+1)^2/G(2l+2)), within 1.2e-6 of its value. A factor with neither a pole
// nor a zero from -1/2 on is left to the polynomial: P = (1 - G(l+1)^2/G(2l+1)) (1+l)^2 / l^2.
LRD_HD float tukey_lambda_variance(float shape) {
  const float v = 6.0f / (6.0f + shape) - 0.8f, w = 1.0f + shape;
  const float p = polynomial(v, 1.95965469f, 1.31596816f, -8.98443508f, -29.4001389f, -7.51148462f, 78.8419952f,
                             66.3149185f, -73.8373413f, 20.8095627f, 197.590851f);
  return (p + p) / ((1.0f + (shape + shape)) * (w * w));
}

// N words at once; shape is one number for all. Tails and logarithms have loops of their own, because one long loop
// leaves the processor too few sites in flight.
template <int N>
LRD_HD void tukey_lambda_quantiles(const uint32_t (&word)[N], float shape, float inverse_shape, float (&result)[N]) {
  float tail[N], log_p[N], log_q[N];
  LRD_UNROLL
  for (int i = 0; i < N; ++i) tail[i] = lower_tail(word[i]);
  LRD_UNROLL
  for (int i = 0; i < N; ++i) log_p[i] = log_unit(tail[i]);
  LRD_UNROLL
  for (int i = 0; i < N; ++i) log_q[i] = log_unit(1.0f - tail[i]);
  if (shape < kSeriesShape && shape > -kSeriesShape) {
    LRD_UNROLL
    for (int i = 0; i < N; ++i) result[i] = tukey_lambda_series(word[i], {log_p[i], log_q[i]}, shape);
  } else if (N > 1 && shape <= kMildShape && shape >= -kMildShape) {  // where N is 1, a device's thread has one form
    LRD_UNROLL
    for (int i = 0; i < N; ++i) {
      result[i] = tukey_lambda_mild_powers(word[i], {log_p[i], log_q[i]}, shape, inverse_shape);
    }
  } else {
    LRD_UNROLL
    for (int i = 0; i < N; ++i) result[i] = tukey_lambda_powers(word[i], {log_p[i], log_q[i]}, shape, inverse_shape);
  }
}

}  // namespace lrd::LRD_ISA
