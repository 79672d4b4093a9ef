// SPDX-License-Identifier: Apache-2.0
// The physics kernel for calls whose table holds what the sensor adds: a kernel of its own, so that those without keep
// theirs. No launch syntax: tests/cuda runs this very text on the host.
#pragma once

#include "sensor_shared.cuh"

namespace lrd::LRD_ISA {

struct SensorTile : TileShared {
  SensorShared<kTileCellRows, kTileCellCols> sensor;
  WhiteLines<kTileCellRows, kTileCellCols> white;
};

LRD_DEVICE const SensorShared<kTileCellRows, kTileCellCols>& sensor_of(const SensorTile& shared) {
  return shared.sensor;
}

// The tile's sample and what is drawn by line.
LRD_DEVICE void fill_tile(const Request& q, const Cell& first, int thread, SensorTile& shared) {
  const Stream frame = stream_of(q, first.sample);
  draw_by_line<kThreads>(q, first, frame, thread, shared.white, shared.sensor);
  if (thread == kThreads / 2) {
    fill_sample(q, first.sample, 0.0f, shared.sample);
    fill_sensor(q, first.sample, frame, shared.sample, shared.sensor);
    shared.stream = frame;
    shared.first = first;
  }
  fill_read_octaves(row_of(q, first.sample), thread - kWarp);
}

LRD_DEVICE void draw_lines(const Request& q, int thread, SensorTile& shared) {
  colour_lines<kThreads>(q, shared.first, thread, shared.white, shared.sensor, shared.rows, shared.columns);
}

LRD_KERNEL(kThreads, 4) sensor_kernel(const Request q, const ThroughPlanes planes, const int tile_rows) {
  LRD_SHARED SensorTile shared;
  const int thread = static_cast<int>(threadIdx.x);
  fill_normal_octaves(thread);
  LRD_BARRIER();  // fill_tile draws
  synthesize_tiles(q, planes, tile_rows, thread, shared);
}

}  // namespace lrd::LRD_ISA
