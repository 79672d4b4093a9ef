// SPDX-License-Identifier: Apache-2.0
// Octave tables of a block of a device's threads, in shared memory: what a word needs lies together there.
#pragma once

#include "octave_coefficients.h"

namespace lrd::LRD_ISA {

struct alignas(16) FourTerms {
  float c[4];
};

enum BlockTable : int { kNormalOctaves, kReadOctaves };  // the latter of the sample's read noise

// A cell's coefficients of powers 0 to 3 and 4 to 7, by table, and of power 8, of both tables side by side; each part
// aligned to its own size, so that one offset finds all of a cell.
struct alignas(kOctaves * sizeof(FourTerms)) BlockOctaves {
  FourTerms low[2][kOctaves], high[2][kOctaves], top[kOctaves];
};

// Kernels say LRD_SHARED (csrc/cuda/cuda_dialect.cuh, tests/cuda/emulator.h). Whatever they call takes its tables from
// the block, but not where nvcc compiles the same functions for the host.
#if defined(LRD_SHARED)
#if defined(__CUDA_ARCH__) || !defined(__CUDACC__)
#define LRD_BLOCK_OCTAVES
#endif

// The normal ones are filled once a launch.
LRD_DEVICE BlockOctaves& block_octaves() {
  LRD_SHARED BlockOctaves octaves;
  return octaves;
}

LRD_DEVICE float octave_quantile(uint32_t word, BlockTable table) {
  const OctavePlace place = octave_place(word);
  const uint32_t offset = static_cast<uint32_t>(place.bits) >> 19 & (kOctaves - 1) * sizeof(FourTerms);
  const FourTerms* cell = behind(block_octaves().low[0], offset);
  const float(&low)[4] = cell[table * kOctaves].c;
  const float(&high)[4] = cell[(2 + table) * kOctaves].c;
  const float top = cell[4 * kOctaves].c[table];
  const float x = polynomial(place.g, low[0], low[1], low[2], low[3], high[0], high[1], high[2], high[3], top);
  return with_side(word, x);
}

LRD_DEVICE void keep_octave(const float (&c)[kOctaveTerms][1], int cell, BlockTable table) {
  BlockOctaves& octaves = block_octaves();
  LRD_UNROLL
  for (int k = 0; k < 4; ++k) {
    octaves.low[table][cell].c[k] = c[k][0];
    octaves.high[table][cell].c[k] = c[k + 4][0];
  }
  octaves.top[cell].c[table] = c[8][0];
}

LRD_DEVICE void keep_normal_octave(int cell, BlockTable table) {
  float c[kOctaveTerms][1];
  LRD_UNROLL
  for (int k = 0; k < kOctaveTerms; ++k) c[k][0] = kNormalTable.c[k][cell];
  keep_octave(c, cell, table);
}
#endif

}  // namespace lrd::LRD_ISA
