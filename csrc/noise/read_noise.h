// SPDX-License-Identifier: Apache-2.0
// The distributions of read noise: their codes in the parameter table, their names, and the one place that chooses
// among them, sample by sample. Mirrors lrd_ext/reference/read_noise.py.
#pragma once

#include "normal.h"
#include "quantile_table.h"
#include "tukey_lambda.h"

namespace lrd::LRD_ISA {

enum class Read : int { kNone, kGaussian, kTukeyLambda, kEmpirical };

// By code, as NoiseParams spells them; lrd_ext/ops.py compares.
constexpr const char* kReadNames[] = {"none", "gaussian", "tukey_lambda", "empirical"};

// What a sample's read noise is drawn by. shape belongs to Tukey-lambda alone, table to the empirical model.
struct ReadModel {
  Read which;
  float sigma, shape, inverse_shape;
  const float* table;
};

// table: the quantiles behind a sample's row, or null.
LRD_HD ReadModel read_model(float code, float sigma, float shape, const float* table) {
  const Read named = static_cast<Read>(static_cast<int>(code));
  // Where looking at codes would mean waiting for a device, a table that is not there is not read.
  const Read which = named == Read::kEmpirical && table == nullptr ? Read::kNone : named;
  return {which, sigma, shape, shape == 0.0f ? 0.0f : 1.0f / shape, table};
}

// Of what is drawn, DN^2.
LRD_HD float read_variance(const ReadModel& model) {
  const float square = model.sigma * model.sigma;
  if (model.which == Read::kNone) return 0.0f;
  return model.which == Read::kTukeyLambda ? square * tukey_lambda_variance(model.shape) : square;
}

// Deviates of scale 1; the model draws some.
template <int N>
LRD_HD void read_deviates(const ReadModel& model, const uint32_t (&word)[N], float (&deviate)[N]) {
  if (model.which == Read::kGaussian) {
    normal_quantiles<N>(word, deviate);
  } else if (model.which == Read::kEmpirical) {
    table_quantiles<N>(word, model.table, deviate);
  } else {
    tukey_lambda_quantiles<N>(word, model.shape, model.inverse_shape, deviate);
  }
}

}  // namespace lrd::LRD_ISA
