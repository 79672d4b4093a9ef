// SPDX-License-Identifier: Apache-2.0
// Tukey-lambda quantile of a 32-bit word: Q(u) = (u^shape - (1-u)^shape) / shape, logistic at 0.
// Mirrors lrd_ext/reference/tukey_lambda.py.
#pragma once

#include "normal.h"

namespace lrd::LRD_ISA {

// Below this |shape| the third-order series is closer than the quotient of rounded differences.
constexpr float kSeriesShape = 2e-3f;

LRD_HD float clamp_exponent(float t) {
  t = t < -80.0f ? -80.0f : t;
  return t > 80.0f ? 80.0f : t;
}

// Both forms, for |shape| >= kSeriesShape and below; shape is one number per sample, so callers choose per sample.
LRD_HD float tukey_lambda_powers(uint32_t word, float shape, float inverse_shape) {
  const float p = lower_tail(word);
  const float a = expm1_float(clamp_exponent(shape * log_unit(p)));
  const float b = expm1_float(clamp_exponent(shape * log_unit(1.0f - p)));
  return with_side(word, (b - a) * inverse_shape);
}

LRD_HD float tukey_lambda_series(uint32_t word, float shape) {
  const float p = lower_tail(word);
  const float a = log_unit(p), b = log_unit(1.0f - p);
  // expm1(shape a) / shape = a (1 + h (1 + 2h/3)) with h = shape a / 2, up to shape^3 a^4 / 24.
  const float ha = 0.5f * shape * a, hb = 0.5f * shape * b;
  const float qa = fma(a, fma(ha * ha, fma(0.333333333f, ha, 0.666666667f), ha), a);
  const float qb = fma(b, fma(hb * hb, fma(0.333333333f, hb, 0.666666667f), hb), b);
  return with_side(word, qb - qa);
}

LRD_HD float tukey_lambda_quantile(uint32_t word, float shape, float inverse_shape) {
  return shape < kSeriesShape && shape > -kSeriesShape ? tukey_lambda_series(word, shape)
                                                       : tukey_lambda_powers(word, shape, inverse_shape);
}

}  // namespace lrd::LRD_ISA
