// SPDX-License-Identifier: Apache-2.0
// Many quantiles by octave table at once, in the way of the executor that asks.
#pragma once

#include "octaves_block.h"
#include "octaves_x86.h"

namespace lrd::LRD_ISA {

// Table: OctaveTable, or which of a block of a device's threads.
template <int N, typename Table>
LRD_HD void octave_quantiles(const uint32_t (&word)[N], const Table& table, float (&result)[N]) {
#if defined(LRD_VECTOR_BITS)
  if constexpr (N % OctaveLanes::kLanes == 0) return octave_quantiles_of_lanes<OctaveLanes, N>(word, table, result);
#endif
  LRD_UNROLL
  for (int i = 0; i < N; ++i) result[i] = octave_quantile(word[i], table);
}

}  // namespace lrd::LRD_ISA
