// SPDX-License-Identifier: Apache-2.0
// Normal quantile of a 32-bit word, u = (word + 1/2) / 2^32. Mirrors lrd_ext/reference/normal.py.
#pragma once

#include "octave_coefficients.h"
#include "octave_quantiles.h"

namespace lrd::LRD_ISA {

LRD_HD float normal_quantile(uint32_t word) {
#if defined(LRD_BLOCK_OCTAVES)
  return octave_quantile(word, kNormalOctaves);
#else
  return octave_quantile(word, kNormalTable);
#endif
}

// N words at once.
template <int N>
LRD_HD void normal_quantiles(const uint32_t (&word)[N], float (&z)[N]) {
#if defined(LRD_BLOCK_OCTAVES)
  octave_quantiles<N>(word, kNormalOctaves, z);
#else
  octave_quantiles<N>(word, kNormalTable, z);
#endif
}

}  // namespace lrd::LRD_ISA
