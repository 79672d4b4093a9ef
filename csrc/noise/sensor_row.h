// SPDX-License-Identifier: Apache-2.0
// What a sensor adds to the model of params.h, as NoiseParams holds it behind a row of the parameter table.
// Mirrors lrd_ext/sensor_figures.py.
#pragma once

#include "params.h"

namespace lrd {

constexpr int kTaps = 33, kWaves = 4;

struct Wave {
  float amplitude;  // DN
  float period;     // mosaic lines
};

struct SensorRow {
  float sigma_prnu;           // of the gain, share
  float sigma_dsnu;           // DN
  float sigma_row_fixed;      // DN
  float sigma_col_fixed;      // DN
  float dark_current;         // e-/s, mean of the pixels that are not hot
  float dark_current_spread;  // standard deviation of its logarithm
  float hot_fraction;         // of the pixels
  float hot_current;          // e-/s, mean of what a hot pixel has more than others
  float blink_fraction;       // of the hot pixels
  float exposure_s;           // s
  float sigma_drift;          // DN, by site and frame
  float step;                 // of the converter, DN
  float row_taps[kTaps], col_taps[kTaps];
  Wave row_waves[kWaves], col_waves[kWaves];
};

constexpr int kSensorColumns = sizeof(SensorRow) / sizeof(float);

#define LRD_COLUMN(name) {#name, offsetof(SensorRow, name), sizeof(SensorRow::name)}
constexpr Column kSensorColumnNames[] = {
    LRD_COLUMN(sigma_prnu),      LRD_COLUMN(sigma_dsnu),   LRD_COLUMN(sigma_row_fixed),
    LRD_COLUMN(sigma_col_fixed), LRD_COLUMN(dark_current), LRD_COLUMN(dark_current_spread),
    LRD_COLUMN(hot_fraction),    LRD_COLUMN(hot_current),  LRD_COLUMN(blink_fraction),
    LRD_COLUMN(exposure_s),      LRD_COLUMN(sigma_drift),  LRD_COLUMN(step),
    LRD_COLUMN(row_taps),        LRD_COLUMN(col_taps),     LRD_COLUMN(row_waves),
    LRD_COLUMN(col_waves),
};
#undef LRD_COLUMN
static_assert(columns_name_the_whole_row(kSensorColumnNames, sizeof(SensorRow)),
              "kSensorColumnNames must list SensorRow's members in order");

}  // namespace lrd
