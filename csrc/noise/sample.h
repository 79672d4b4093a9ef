// SPDX-License-Identifier: Apache-2.0
// What a request says of the whole call and of one of its samples, as the noise model takes it.
#pragma once

#include "../request.h"
#include "params.h"
#include "philox.h"
#include "sensor_row.h"
#include "targets.h"

namespace lrd::LRD_ISA {

LRD_HD Model model_of(const Request& q) {
  return {q.shot, static_cast<Output>(q.output), static_cast<Quantize>(q.quantize), static_cast<Clip>(q.clip),
          q.has_quantiles};
}

LRD_HD const TableRow& row_of(const Request& q, int64_t sample) {
  const int64_t width = kTableColumns + (q.has_quantiles ? kKnots : 0) + (q.has_sensor ? kSensorColumns : 0);
  const float* rows = reinterpret_cast<const float*>(q.table);
  return *reinterpret_cast<const TableRow*>(rows + (q.table_rows == 1 ? 0 : sample) * width);
}

// What the sensor adds to a sample; only where the table holds it.
LRD_HD const SensorRow& sensor_row_of(const Request& q, int64_t sample) {
  const float* behind = reinterpret_cast<const float*>(&row_of(q, sample) + 1) + (q.has_quantiles ? kKnots : 0);
  return *reinterpret_cast<const SensorRow*>(behind);
}

LRD_HD SampleParams params_of(const Request& q, int64_t sample) {
  const TableRow& row = row_of(q, sample);
  return sample_params(row, q.has_quantiles ? reinterpret_cast<const float*>(&row + 1) : nullptr,
                       q.clean.dtype == Dtype::kUint16);
}

LRD_HD bool wants_targets(const Request& q) { return q.clean_out.data != nullptr || q.sigma_out.data != nullptr; }

LRD_HD Targets targets_of(const Request& q, int64_t sample, float sigma_init) {
  return targets(model_of(q), params_of(q, sample), row_of(q, sample), q.clean.dtype == Dtype::kUint16, sigma_init,
                 q.has_sensor ? &sensor_row_of(q, sample) : nullptr);
}

LRD_HD Stream stream_of(const Request& q, int64_t sample) {
  return make_stream(q.seed != nullptr ? *q.seed : q.seed_value,
                     q.index != nullptr ? q.index[sample] : q.first_index + sample);
}

// The stream of a sample's body: what is fixed in it does not follow the index.
LRD_HD Stream body_stream_of(const Request& q, int64_t sample) {
  return make_stream(q.seed != nullptr ? *q.seed : q.seed_value,
                     q.sensor != nullptr ? q.sensor[sample] : q.sensor_value);
}

// Of a cell; its sites follow at f.site.
LRD_HD int64_t offset_of(const Frames& f, int64_t sample, int64_t row, int64_t col) {
  return sample * f.sample + row * f.cell_row + col * f.cell_col;
}

}  // namespace lrd::LRD_ISA
