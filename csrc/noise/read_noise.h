// SPDX-License-Identifier: Apache-2.0
// The distributions of read noise: their codes in the parameter table, their names, and the one place that chooses
// among them, sample by sample. Mirrors lrd_ext/reference/read_noise.py.
#pragma once

#include "normal.h"
#include "tukey_lambda.h"

namespace lrd::LRD_ISA {

enum class Read : int { kNone, kGaussian, kTukeyLambda };

// By code, as NoiseParams spells them; lrd_ext/ops.py compares.
constexpr const char* kReadNames[] = {"none", "gaussian", "tukey_lambda"};

// What a sample's read noise is drawn by. shape belongs to Tukey-lambda alone.
struct ReadModel {
  Read which;
  float sigma, shape, inverse_shape;
};

LRD_HD ReadModel read_model(float code, float sigma, float shape) {
  return {static_cast<Read>(static_cast<int>(code)), sigma, shape, shape == 0.0f ? 0.0f : 1.0f / shape};
}

// Of what is drawn, DN^2.
LRD_HD float read_variance(const ReadModel& model) {
  const float square = model.sigma * model.sigma;
  if (model.which == Read::kNone) return 0.0f;
  return model.which == Read::kGaussian ? square : square * tukey_lambda_variance(model.shape);
}

// Deviates of scale 1; the model draws some.
template <int N>
LRD_HD void read_deviates(const ReadModel& model, const uint32_t (&word)[N], float (&deviate)[N]) {
  if (model.which == Read::kGaussian) {
    normal_quantiles<N>(word, deviate);
  } else {
    tukey_lambda_quantiles<N>(word, model.shape, model.inverse_shape, deviate);
  }
}

}  // namespace lrd::LRD_ISA
