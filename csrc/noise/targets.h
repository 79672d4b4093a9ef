// SPDX-License-Identifier: Apache-2.0
// What training takes beside the noisy frame: the clean target and the noise level, both normalized.
// Mirrors lrd_ext/reference/targets.py.
#pragma once

#include "params.h"
#include "poisson.h"
#include "sensor_row.h"

namespace lrd::LRD_ISA {

// Of one sample.
struct Targets {
  float offset[4], range[4];     // clean input to the clean target, by site: 0 and 1 for what is normalized already
  float gain_square, inverse_K;  // (DN/e-)^2, 0 without shot noise; e-/DN
  float response_square;         // (sigma_prnu K)^2
  float dark_variance;           // of all noise that light does not make, DN^2
  float scale[4];                // DN to the unit of the normalized output, by site
};

// What the sensor adds to the variance, DN^2, but for the photo response and hot pixels, which are too rare to be
// noise. gain_square: 0 without shot noise. rounding: variance of a step of 1 DN.
LRD_HD float sensor_variance(const SensorRow& row, float gain_square, float K, float rounding) {
  const float offsets = (row.sigma_dsnu * row.sigma_dsnu + row.sigma_row_fixed * row.sigma_row_fixed) +
                        (row.sigma_col_fixed * row.sigma_col_fixed + row.sigma_drift * row.sigma_drift);
  float waves = 0.0f;
  LRD_UNROLL
  for (int k = 0; k < kWaves; ++k) {
    waves = fma(0.5f * row.row_waves[k].amplitude, row.row_waves[k].amplitude, waves);
    waves = fma(0.5f * row.col_waves[k].amplitude, row.col_waves[k].amplitude, waves);
  }
  const float electrons = row.dark_current * row.exposure_s, level = K * electrons;
  const float spread = exp_float(row.dark_current_spread * row.dark_current_spread) - 1.0f;
  const float dark = fma(level * level, spread, gain_square * electrons);
  return ((offsets + waves) + dark) + rounding * fma(row.step, row.step, -1.0f);
}

// sigma_init: of the learned generator, 0 without one; it counts as the standard deviation of what it makes.
// sensor: what the sensor adds, or null.
LRD_HD Targets targets(const Model& model, const SampleParams& p, const TableRow& row, bool raw_input, float sigma_init,
                       const SensorRow* sensor = nullptr) {
  Targets t;
  t.gain_square = model.shot ? p.K * p.K : 0.0f;
  t.inverse_K = p.inverse_K;
  const float lines = row.sigma_row * row.sigma_row + row.sigma_col * row.sigma_col;
  const float rounding = model.quantize == Quantize::kNone ? 0.0f : 0.0833333333f;  // of U(-1/2, 1/2)
  t.dark_variance = ((read_variance(p.read) + lines) + sigma_init * sigma_init) + rounding;
  t.response_square = 0.0f;
  if (sensor != nullptr) {
    const float response = sensor->sigma_prnu * p.K;
    t.response_square = response * response;
    t.dark_variance += sensor_variance(*sensor, t.gain_square, p.K, rounding);
  }
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
  const float electrons = poisson_mean(signal, t.inverse_K);
  const float variance = fma(fma(t.response_square, electrons, t.gain_square), electrons, t.dark_variance);
  const float level = square_root(variance) * t.scale[site];
  return signal == signal ? level : signal;
}

}  // namespace lrd::LRD_ISA
