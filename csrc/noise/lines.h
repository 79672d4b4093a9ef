// SPDX-License-Identifier: Apache-2.0
// Row and column noise with a colour: white deviates through taps, and sinusoids whose phase each frame draws anew.
// Both are drawn by line of the mosaic, not by site. Mirrors lrd_ext/reference/lines.py.
#pragma once

#include "sensor_row.h"
#include "sine.h"
#include "site.h"

namespace lrd::LRD_ISA {

constexpr int kTapCells = (kTaps - 1) / 2;  // cells before the first that taps reach

// Sinusoids by line: a phase in turns of 2^32 and its step from line to line, so that no line is too far for float32.
struct Waves {
  uint32_t phase[kWaves], step[kWaves];
  float amplitude[kWaves];
};

LRD_HD Waves waves_of(const Stream& frame, Component component, const Wave (&wave)[kWaves]) {
  const Words w = words(frame, component, 0, 0);
  Waves waves;
  LRD_UNROLL
  for (int k = 0; k < kWaves; ++k) {
    waves.phase[k] = w.v[k];
    waves.step[k] = wave[k].period >= 2.0f ? static_cast<uint32_t>(0x1p32f / wave[k].period) : 0u;
    waves.amplitude[k] = wave[k].amplitude;
  }
  return waves;
}

// The noise of N lines from `line` on. white: deviates of these and, before them, of the kTaps - 1 that taps reach.
template <int N>
LRD_HD void line_noise(const float* white, const float (&taps)[kTaps], float sigma, const Waves& waves, uint32_t line,
                       float (&noise)[N]) {
  LRD_UNROLL
  for (int i = 0; i < N; ++i) noise[i] = 0.0f;
  LRD_KEEP_LOOP
  for (int j = 0; j < kTaps; ++j) {
    const float tap = taps[j];
    LRD_UNROLL
    for (int i = 0; i < N; ++i) noise[i] = fma(tap, white[kTaps - 1 - j + i], noise[i]);
  }
  LRD_UNROLL
  for (int i = 0; i < N; ++i) noise[i] *= sigma;
  LRD_UNROLL
  for (int k = 0; k < kWaves; ++k) {
    const float amplitude = waves.amplitude[k];
    if (amplitude == 0.0f) continue;
    const uint32_t step = waves.step[k], phase = waves.phase[k] + step * line;
    LRD_UNROLL
    for (int i = 0; i < N; ++i) {
      noise[i] = fma(amplitude, sine_of_turn(phase + step * static_cast<uint32_t>(i)), noise[i]);
    }
  }
}

// Black-level drift of the frame by site, DN.
LRD_HD void drift(const Stream& frame, float sigma_drift, float (&level)[4]) {
  const Words w = words(frame, kDrift, 0, 0);
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) level[site] = sigma_drift * normal_quantile(w.v[site]);
}

}  // namespace lrd::LRD_ISA
