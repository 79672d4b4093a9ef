// SPDX-License-Identifier: Apache-2.0
// What the model needs to know of one sample and of the whole call. Mirrors lrd_ext/params.py and ops.py.
#pragma once

#include "host_device.h"

namespace lrd::LRD_ISA {

enum class Read : int { kNone, kGaussian, kTukeyLambda };
enum class Output : int { kNormalized, kDn, kDnFloat };
enum class Quantize : int { kRound, kUniform, kNone };
enum class Clip : int { kAdc, kBlack, kNone };

struct Model {
  Read read;
  bool shot;
  Output output;
  Quantize quantize;
  Clip clip;
};

// Columns of the parameter table, one row per sample (lrd_ext/ops.py: TABLE).
constexpr int kTableColumns = 15;

struct SampleParams {
  float K, inverse_K, ratio, white, sigma_read, tukey_lambda, inverse_lambda, sigma_row, sigma_col;
  float black[4], bias[4];
  float span[4];          // white - black
  float signal_scale[4];  // clean input to DN of the short exposure
  float signal_offset[4];
};

// raw_input: clean holds raw DN, else it is normalized to [0, 1].
LRD_HD SampleParams sample_params(const float* row, bool raw_input) {
  SampleParams p;
  p.K = row[0];
  p.inverse_K = 1.0f / row[0];
  p.ratio = row[1];
  p.white = row[2];
  p.sigma_read = row[3];
  p.tukey_lambda = row[4];
  p.inverse_lambda = row[4] == 0.0f ? 0.0f : 1.0f / row[4];
  p.sigma_row = row[5];
  p.sigma_col = row[6];
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) {
    p.black[site] = row[7 + site];
    p.bias[site] = row[11 + site];
    p.span[site] = p.white - p.black[site];
    p.signal_scale[site] = raw_input ? 1.0f / p.ratio : p.span[site] / p.ratio;
    p.signal_offset[site] = raw_input ? p.black[site] : 0.0f;
  }
  return p;
}

}  // namespace lrd::LRD_ISA
