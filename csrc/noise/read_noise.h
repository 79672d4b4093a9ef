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
  float sigma, shape;
  const OctaveTable* octaves;  // of scale 1; null where a device's block keeps them in shared memory
  const float* table;          // of scale 1
};

// table: the quantiles behind a sample's row, or null.
LRD_HD ReadModel read_model(float code, float sigma, float shape, const float* table = nullptr) {
  const Read named = static_cast<Read>(static_cast<int>(code));
  // Where looking at codes would mean waiting for a device, a table that is not there is not read.
  const Read which = named == Read::kEmpirical && table == nullptr ? Read::kNone : named;
  return {which, sigma, shape, nullptr, table};
}

// Of what is drawn, DN^2.
LRD_HD float read_variance(const ReadModel& model) {
  const float square = model.sigma * model.sigma;
  if (model.which == Read::kNone) return 0.0f;
  return model.which == Read::kTukeyLambda ? square * tukey_lambda_variance(model.shape) : square;
}

// Deviates of scale 1; the model draws some. tables: whether one may be empirical, which costs code.
template <int N>
LRD_HD void read_deviates(const ReadModel& model, bool tables, const uint32_t (&word)[N], float (&deviate)[N]) {
  if (tables && model.which == Read::kEmpirical) return table_quantiles<N>(word, model.table, deviate);
#if defined(LRD_BLOCK_OCTAVES)
  octave_quantiles<N>(word, kReadOctaves, deviate);
#else
  octave_quantiles<N>(word, *model.octaves, deviate);
#endif
}

#if defined(LRD_SHARED)
// One cell of the model's octaves to where a block keeps them.
LRD_DEVICE void keep_read_octave(const ReadModel& model, int cell) {
  if (model.which == Read::kGaussian) return keep_normal_octave(cell, kReadOctaves);
  float c[kOctaveTerms][1];
  tukey_lambda_octaves<1>(model.shape, cell, c);
  keep_octave(c, cell, kReadOctaves);
}
#else
// The octaves of one sample after another: samples of one shape in a row share a table.
class ReadOctaves {
 public:
  LRD_HD const OctaveTable* of(const ReadModel& model) {
    if (model.which == Read::kNone || model.which == Read::kEmpirical) return nullptr;
    if (model.which == Read::kGaussian) return &kNormalTable;
    if (!made_ || model.shape != shape_) tukey_lambda_octaves<kOctaves>(model.shape, 0, table_.c);
    made_ = true;
    shape_ = model.shape;
    return &table_;
  }

 private:
  bool made_ = false;
  float shape_ = 0.0f;
  OctaveTable table_;
};
#endif

}  // namespace lrd::LRD_ISA
