// SPDX-License-Identifier: Apache-2.0
// One checked call of the op as plain data, shared by the dispatcher and every instruction-set build.
#pragma once

#include <cstdint>

namespace lrd {

enum class Dtype : int { kFloat32, kFloat16, kBfloat16, kUint16 };

// Strides in elements, of mosaic (sample, row) or packed (sample, channel, row) frames; columns are contiguous.
struct Frames {
  void* data;
  Dtype dtype;
  int64_t sample_stride, channel_stride, row_stride;
};

struct Request {
  Frames clean, dark, out;  // dark.data may be null; dark.sample_stride is 0 for one dark frame for all
  bool packed;
  int64_t batch, cell_rows, cell_cols;
  int64_t origin_row, origin_col;  // in cells
  const float* table;              // (table_rows, kTableColumns)
  int64_t table_rows;              // 1 or batch
  const int64_t* seed;             // one number
  const int64_t* index;            // (batch,)
  int read, output, quantize, clip;
  bool shot;
  const float* weights;     // of the learned generator as packed by lrd_ext/generator/packing.py, or null
  int widths[3];            // of its hidden layers; 0 ends the list
  const float* sigma_init;  // (sigma_rows,), DN
  int64_t sigma_rows;       // 1 or batch
  bool bfloat16;            // the weights are bfloat16 numbers: tensor cores may run the stack
};

// A tile is what one step of the parallel loop works on.
constexpr int kTileCellRows = 32;
constexpr int kTileCellCols = 64;

enum class Quantile : int { kNormal, kTukeyLambda, kPoisson };

// One build of the executor, for one instruction set.
struct Build {
  const char* name;
  bool (*supported)();
  void (*tiles)(const Request& request, int64_t first_tile, int64_t last_tile);
  // Quantile of n words; argument is the Tukey-lambda shape or the Poisson mean.
  void (*probe)(Quantile which, const uint32_t* word, const float* argument, float* result, int64_t n);
};

extern const Build kBaseline;
#if defined(__x86_64__)
extern const Build kAvx2, kAvx512;
#endif

inline int64_t tile_count(const Request& q) {
  const int64_t down = (q.cell_rows + kTileCellRows - 1) / kTileCellRows;
  const int64_t across = (q.cell_cols + kTileCellCols - 1) / kTileCellCols;
  return q.batch * down * across;
}

}  // namespace lrd
