// SPDX-License-Identifier: Apache-2.0
// Where the four sites of a cell lie in memory, for mosaic and packed frames alike.
// Site order is (0,0), (0,1), (1,0), (1,1). Mirrors lrd_ext/reference/bayer.py.
#pragma once

#include "host_device.h"

namespace lrd::LRD_ISA {

// Element offsets: site s of cell (row, col) of sample b is at b * sample + site[s] + row * cell_row + col * cell_col.
struct Layout {
  int64_t sample, cell_row, cell_col;
  int64_t site[4];
};

LRD_HD Layout mosaic_layout(int64_t sample_stride, int64_t row_stride) {
  return {sample_stride, 2 * row_stride, 2, {0, 1, row_stride, row_stride + 1}};
}

LRD_HD Layout packed_layout(int64_t sample_stride, int64_t channel_stride, int64_t row_stride) {
  return {sample_stride, row_stride, 1, {0, channel_stride, 2 * channel_stride, 3 * channel_stride}};
}

}  // namespace lrd::LRD_ISA
