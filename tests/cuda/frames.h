// SPDX-License-Identifier: Apache-2.0
// Frames that emulated kernels and the CPU executor write, and what compares them.
#pragma once

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "../../csrc/noise/half.h"
#include "../../csrc/noise/params.h"
#include "../../csrc/noise/sensor_row.h"
#include "../../csrc/request.h"

namespace frames {

using lrd::Dtype;
using lrd::Frames;
using lrd::Request;

inline int size_of(Dtype dtype) { return dtype == Dtype::kFloat32 ? 4 : 2; }

// Quantiles of no distribution with a name: one side longer than the other, and with a gap.
inline std::vector<float> some_quantiles() {
  std::vector<float> quantiles;
  for (int knot = 0; knot < lrd::kKnots; ++knot) {
    const float x = (static_cast<float>(knot) - 464.0f) / 464.0f;
    quantiles.push_back(x < 0.0f ? 3.0f * x : x < 0.75f ? 5.0f * x : 2.0f + 7.0f * x);
  }
  return quantiles;
}

// The parameter table of a request whose rows are followed by quantiles.
inline std::vector<float> with_quantiles(const std::vector<lrd::TableRow>& rows) {
  const std::vector<float> quantiles = some_quantiles();
  std::vector<float> table;
  for (const lrd::TableRow& row : rows) {
    const float* figures = reinterpret_cast<const float*>(&row);
    table.insert(table.end(), figures, figures + lrd::kTableColumns);
    table.insert(table.end(), quantiles.begin(), quantiles.end());
  }
  return table;
}

// What a sensor adds, all of it or, by number, a part of it.
inline lrd::SensorRow some_sensor(int number) {
  const auto on = [number](int part) { return number % 6 == 0 || number % 6 == part; };
  lrd::SensorRow row = {};
  row.step = 1.0f, row.row_taps[0] = row.col_taps[0] = 1.0f;
  if (on(1)) row.sigma_prnu = 0.02f, row.sigma_dsnu = 3.0f;
  if (on(2)) row.sigma_row_fixed = 2.0f, row.sigma_col_fixed = 1.5f, row.sigma_drift = 4.0f;
  if (on(3)) row.dark_current = 3.0f, row.dark_current_spread = 0.9f, row.exposure_s = 1.5f;
  if (on(4)) row.hot_fraction = 0.03f, row.hot_current = 80.0f, row.blink_fraction = 0.4f, row.exposure_s = 0.5f;
  if (on(5)) {
    for (int j = 0; j < lrd::kTaps; ++j) row.row_taps[j] = 0.2f - 0.006f * static_cast<float>(j);
    row.col_taps[0] = 0.6f, row.col_taps[lrd::kTaps - 1] = -0.8f;
    row.row_waves[0] = {3.0f, 2.0f}, row.row_waves[3] = {1.0f, 317.3f}, row.col_waves[1] = {2.0f, 7.7f};
    row.step = number % 2 == 0 ? 8.0f : 2.5f;
  }
  return row;
}

// The parameter table of a request with sensors, and with quantiles where they are wanted.
inline std::vector<float> with_sensors(const std::vector<lrd::TableRow>& rows, bool has_quantiles, int first) {
  const std::vector<float> quantiles = some_quantiles();
  std::vector<float> table;
  for (const lrd::TableRow& row : rows) {
    const float* figures = reinterpret_cast<const float*>(&row);
    table.insert(table.end(), figures, figures + lrd::kTableColumns);
    if (has_quantiles) table.insert(table.end(), quantiles.begin(), quantiles.end());
    const lrd::SensorRow sensor = some_sensor(first++);
    const float* more = reinterpret_cast<const float*>(&sensor);
    table.insert(table.end(), more, more + lrd::kSensorColumns);
  }
  return table;
}

// How frames lie in memory: mosaic, or packed with the channel that holds each site.
struct Shape {
  bool packed = false;
  int64_t channel[4] = {0, 1, 2, 3};
};

// A frame in memory of exactly its size, so that the sanitizer sees one byte too far.
struct Buffer {
  std::unique_ptr<char[]> bytes;
  size_t size = 0;
  Frames frames = {};

  Buffer(const Request& q, const Shape& shape, Dtype dtype, int64_t samples, int64_t pad, bool drop_last = false) {
    const int64_t sides = shape.packed ? 1 : 2, rows = sides * q.cell_rows, cols = sides * q.cell_cols;
    const int64_t row = cols + pad, channel = rows * row + pad, channels = shape.packed ? 4 : 1;
    const int64_t elements = (samples - 1) * channels * channel + (channels - 1) * channel + (rows - 1) * row + cols;
    size = static_cast<size_t>((elements - (drop_last ? 1 : 0)) * size_of(dtype));
    bytes.reset(new char[size]);
    std::memset(bytes.get(), 0x5A, size);
    const int64_t sample = samples == 1 ? 0 : channels * channel;
    frames = shape.packed ? lrd::packed_frames(bytes.get(), dtype, sample, channel, row, shape.channel)
                          : lrd::mosaic_frames(bytes.get(), dtype, sample, row);
  }
};

inline std::mt19937 draw(1);

inline float uniform() { return static_cast<float>(draw() >> 8) * 0x1p-24f; }

// Signal over decades with zeros, highlights, negatives and a NaN now and then.
inline void fill_signal(Buffer& b, float top) {
  namespace model = lrd::emulated;
  const size_t n = b.size / static_cast<size_t>(size_of(b.frames.dtype));
  for (size_t i = 0; i < n; ++i) {
    const float u = uniform(), v = u * u * u;
    float x = u < 0.03f ? 0.0f : u > 0.97f ? 1.7f : v;
    if (u > 0.5f && u < 0.51f) x = __builtin_nanf("");
    if (u > 0.6f && u < 0.62f) x = -0.01f;
    x *= top;
    uint16_t half = 0;
    switch (b.frames.dtype) {
      case Dtype::kFloat32: std::memcpy(b.bytes.get() + 4 * i, &x, 4); continue;
      case Dtype::kFloat16: half = model::to_float16(x); break;
      case Dtype::kBfloat16: half = model::to_bfloat16(x); break;
      case Dtype::kUint16: half = model::to_uint16(x * 16000.0f); break;
    }
    std::memcpy(b.bytes.get() + 2 * i, &half, 2);
  }
}

inline bool same_element(const char* a, const char* b, Dtype dtype) {
  if (std::memcmp(a, b, static_cast<size_t>(size_of(dtype))) == 0) return true;
  if (dtype == Dtype::kUint16) return false;
  float x[2];
  for (int i = 0; i < 2; ++i) {
    const char* at = i == 0 ? a : b;
    uint16_t half;
    std::memcpy(&half, at, 2);
    if (dtype == Dtype::kFloat32) {
      std::memcpy(&x[i], at, 4);
    } else {
      x[i] = dtype == Dtype::kFloat16 ? lrd::emulated::from_float16(half) : lrd::emulated::from_bfloat16(half);
    }
  }
  return x[0] != x[0] && x[1] != x[1];  // a NaN's sign and payload are the processor's own
}

// Elements of two frames alike that are not the same.
inline size_t differing(const Buffer& expected, const Buffer& got) {
  const auto step = static_cast<size_t>(size_of(expected.frames.dtype));
  size_t wrong = 0;
  for (size_t at = 0; at < expected.size; at += step) {
    wrong += !same_element(expected.bytes.get() + at, got.bytes.get() + at, expected.frames.dtype);
  }
  return wrong;
}

// All that a call writes. The clean target and the noise level take turns with out in their dtypes.
struct Results {
  Buffer out, clean, sigma;
  int targets;  // 1: the clean target is wanted, 2: the noise level, 3: both

  Results(const Request& q, const Shape& shape, Dtype dtype, int which, int64_t pad, const std::string& plant = "")
      : out(q, shape, dtype, q.batch, pad, plant == "overrun"),
        clean(q, shape, beside(dtype, 0), q.batch, pad, plant == "overrun beside"),
        sigma(q, shape, beside(dtype, 1), q.batch, pad),
        targets(which) {}

  static Dtype beside(Dtype dtype, int turn) {
    return dtype == Dtype::kUint16 ? Dtype::kFloat32 : static_cast<Dtype>((static_cast<int>(dtype) + turn) % 3);
  }

  void put_into(Request& q) const {
    q.out = out.frames;
    q.clean_out = targets % 2 == 1 ? clean.frames : Frames{};
    q.sigma_out = targets / 2 == 1 ? sigma.frames : Frames{};
  }
};

inline size_t differing_targets(const Results& expected, const Results& got) {
  return differing(expected.clean, got.clean) + differing(expected.sigma, got.sigma);
}

inline size_t differing(const Results& expected, const Results& got) {
  return differing(expected.out, got.out) + differing_targets(expected, got);
}

}  // namespace frames
