// SPDX-License-Identifier: Apache-2.0
// One checked call of the op as plain data, shared by the dispatcher and every instruction-set build.
#pragma once

#include <cstdint>

namespace lrd {

enum class Dtype : int { kFloat32, kFloat16, kBfloat16, kUint16 };

// Frames of 2x2 cells, mosaic or packed: site s of cell (row, col) of sample b is element
// b * sample + row * cell_row + col * cell_col + site[s]. Sites are (0,0), (0,1), (1,0), (1,1) of a cell, whatever
// colours and whatever order of channels a frame has. Mirrors lrd_ext/reference/bayer.py.
struct Frames {
  void* data;
  Dtype dtype;
  int64_t sample;  // 0 for one frame for all samples
  int64_t cell_row;
  int64_t cell_col;  // 2 in a mosaic, 1 in packed channels
  int64_t site[4];
};

inline Frames mosaic_frames(void* data, Dtype dtype, int64_t sample_stride, int64_t row_stride) {
  return {data, dtype, sample_stride, 2 * row_stride, 2, {0, 1, row_stride, row_stride + 1}};
}

// channel: which channel holds each site.
inline Frames packed_frames(void* data, Dtype dtype, int64_t sample_stride, int64_t channel_stride, int64_t row_stride,
                            const int64_t (&channel)[4]) {
  Frames f = {data, dtype, sample_stride, row_stride, 1, {}};
  for (int site = 0; site < 4; ++site) f.site[site] = channel[site] * channel_stride;
  return f;
}

struct TableRow;  // noise/params.h

struct Request {
  Frames clean, dark, out;      // dark.data may be null
  Frames clean_out, sigma_out;  // the clean target and the noise level (noise/targets.h); data null: not wanted
  int64_t batch, cell_rows, cell_cols;
  int64_t origin_row, origin_col;  // in cells
  const TableRow* table;
  int64_t table_rows;    // 1 or batch
  bool has_quantiles;    // a table of quantiles (noise/quantile_table.h) follows each row
  bool has_sensor;       // then what the sensor adds does (noise/sensor_row.h)
  const int64_t* seed;   // one number, or null: seed_value
  const int64_t* index;  // (batch,), or null: first_index and those after it
  int64_t seed_value, first_index;
  const int64_t* sensor;  // (batch,), the body of each sample, or null: sensor_value
  int64_t sensor_value;
  int output, quantize, clip;
  bool shot;
  const float* weights;     // of the learned generator as packed by lrd_ext/generator/packing.py, or null
  int widths[3];            // of its hidden layers; 0 ends the list
  const float* sigma_init;  // (sigma_rows,), DN
  int64_t sigma_rows;       // 1 or batch
  bool bfloat16;            // the weights are bfloat16 numbers: tensor cores or a matrix unit may run the stack
};

// A tile is what one step of the parallel loop works on.
constexpr int kTileCellRows = 32;
constexpr int kTileCellCols = 64;

enum class Quantile : int { kNormal, kTukeyLambda, kPoisson, kEmpirical };

// One build of the executor, for one instruction set.
struct Build {
  const char* name;
  bool (*supported)();
  void (*tiles)(const Request& request, int64_t first_tile, int64_t last_tile);
  // Quantile of n words; argument is the Tukey-lambda shape or the Poisson mean of each, or the table of quantiles.
  void (*probe)(Quantile which, const uint32_t* word, const float* argument, float* result, int64_t n);
};

extern const Build kBaseline;
#if defined(__x86_64__)
extern const Build kAvx2, kAvx512;
#endif

inline int64_t tile_count(const Request& q, int rows) {
  return q.batch * ((q.cell_rows + rows - 1) / rows) * ((q.cell_cols + kTileCellCols - 1) / kTileCellCols);
}

// Cell rows of a tile on a CPU. More where a generator works out a halo of rows above and below as well, most where
// that leaves tiles for many threads; all tiles of about the same height then.
inline int tile_cell_rows(const Request& q) {
  constexpr int kTiles = 64, kStep = 8;
  if (q.weights == nullptr || q.cell_rows == 0) return kTileCellRows;
  const int most = (tile_count(q, 4 * kTileCellRows) >= kTiles ? 4 : 2) * kTileCellRows;
  const int64_t down = (q.cell_rows + most - 1) / most;
  return static_cast<int>((q.cell_rows + down * kStep - 1) / (down * kStep) * kStep);
}

inline int64_t tile_count(const Request& q) { return tile_count(q, tile_cell_rows(q)); }

}  // namespace lrd
