// SPDX-License-Identifier: Apache-2.0
// What the model needs to know of one sample and of the whole call. Mirrors lrd_ext/figures.py.
#pragma once

#include <cstddef>

#include "host_device.h"
#include "quantize.h"
#include "read_noise.h"

namespace lrd {

// A row of the parameter table: one sample as NoiseParams holds it, in these columns.
struct TableRow {
  float K;             // DN/e-
  float ratio;         // of exposures
  float white;         // raw DN
  float black[4];      // by site, raw DN
  float sigma_read;    // DN
  float tukey_lambda;  // shape
  float sigma_row;     // DN
  float sigma_col;     // DN
  float bias[4];       // by site, DN
  float iso;           // not used here
  float read;          // code of the read noise's distribution (read_noise.h)
};

constexpr int kTableColumns = sizeof(TableRow) / sizeof(float);

// The same by name, for lrd_ext/ops.py to compare with the fields of NoiseParams.
struct Column {
  const char* name;
  size_t offset, size;
};
#define LRD_COLUMN(name) {#name, offsetof(TableRow, name), sizeof(TableRow::name)}
constexpr Column kColumns[] = {
    LRD_COLUMN(K),          LRD_COLUMN(ratio),        LRD_COLUMN(white),     LRD_COLUMN(black),
    LRD_COLUMN(sigma_read), LRD_COLUMN(tukey_lambda), LRD_COLUMN(sigma_row), LRD_COLUMN(sigma_col),
    LRD_COLUMN(bias),       LRD_COLUMN(iso),          LRD_COLUMN(read),
};
#undef LRD_COLUMN

template <int kCount>
constexpr bool columns_name_the_whole_row(const Column (&columns)[kCount], size_t size) {
  size_t end = 0;
  for (const Column& column : columns) {
    if (column.offset != end) return false;
    end += column.size;
  }
  return end == size;
}
static_assert(columns_name_the_whole_row(kColumns, sizeof(TableRow)), "kColumns must list TableRow's members in order");

}  // namespace lrd

namespace lrd::LRD_ISA {

enum class Output : int { kNormalized, kDn, kDnFloat };
enum class Quantize : int { kRound, kUniform, kNone };
enum class Clip : int { kAdc, kBlack, kNone };

struct Model {
  bool shot;
  Output output;
  Quantize quantize;
  Clip clip;
  bool tables;  // the call brings tables of quantiles
};

// What every site of a sample needs, worked out once per tile.
struct SampleParams {
  ReadModel read;
  float K, inverse_K, ratio, white;
  float black[4], bias[4];
  float range[4];  // white - black
  float inverse_range[4];
  float signal_scale[4];  // clean input to DN of the short exposure
  float signal_offset[4];
};

// quantiles: those behind the row, or null. raw_input: clean holds raw DN, else it is normalized to [0, 1].
LRD_HD SampleParams sample_params(const TableRow& row, const float* quantiles, bool raw_input) {
  SampleParams p;
  p.read = read_model(row.read, row.sigma_read, row.tukey_lambda, quantiles);
  p.K = row.K;
  p.inverse_K = 1.0f / row.K;
  p.ratio = row.ratio;
  p.white = row.white;
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) {
    p.black[site] = row.black[site];
    p.bias[site] = row.bias[site];
    p.range[site] = p.white - p.black[site];
    p.inverse_range[site] = reciprocal_of_divisor(p.range[site]);
    p.signal_scale[site] = raw_input ? 1.0f / p.ratio : p.range[site] / p.ratio;
    p.signal_offset[site] = raw_input ? p.black[site] : 0.0f;
  }
  return p;
}

}  // namespace lrd::LRD_ISA
