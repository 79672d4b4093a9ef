// SPDX-License-Identifier: Apache-2.0
// What training takes beside the noisy frame: the clean target and the noise level, both normalized.
// Mirrors lrd_ext/reference/targets.py.
#pragma once

#include "params.h"
#include "poisson.h"

namespace lrd::LRD_ISA {

// Of one sample.
struct Targets {
  float offset[4], range[4];     // clean input to the clean target, by site: 0 and 1 for what is normalized already
  float gain_square, inverse_K;  // (DN/e-)^2, 0 without shot noise; e-/DN
  float dark_variance;           // of all noise but shot noise, DN^2
  float scale[4];                // DN to the unit of the normalized output, by site
};

// sigma_init: of the learned generator, 0 without one; it counts as the standard deviation of what it makes.
LRD_HD Targets targets(const Model& model, const SampleParams& p, const TableRow& row, bool raw_input,
                       float sigma_init) {
  Targets t;
  t.gain_square = model.shot ? p.K * p.K : 0.0f;
  t.inverse_K = p.inverse_K;
  const float lines = row.sigma_row * row.sigma_row + row.sigma_col * row.sigma_col;
  const float rounding = model.quantize == Quantize::kNone ? 0.0f : 0.0833333333f;  // of U(-1/2, 1/2)
  t.dark_variance = ((read_variance(p.read) + lines) + sigma_init * sigma_init) + rounding;
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) {
    t.offset[site] = p.signal_offset[site];
    t.range[site] = raw_input ? p.range[site] : 1.0f;
    t.scale[site] = p.ratio / p.range[site];
  }
  return t;
}

LRD_HD float clean_target(const Targets& t, int site, float clean) { return (clean - t.offset[site]) / t.range[site]; }

// Standard deviation at a site. signal: DN of the short exposure; NaN passes through.
LRD_HD float noise_level(const Targets& t, int site, float signal) {
  const float variance = fma(t.gain_square, poisson_mean(signal, t.inverse_K), t.dark_variance);
  const float level = square_root(variance) * t.scale[site];
  return signal == signal ? level : signal;
}

}  // namespace lrd::LRD_ISA
