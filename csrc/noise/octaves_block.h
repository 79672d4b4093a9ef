// SPDX-License-Identifier: Apache-2.0
// Octave tables of a block of a device's threads, in shared memory: what a word needs lies together there.
#pragma once

#include "octave_coefficients.h"

namespace lrd::LRD_ISA {

struct alignas(16) BlockOctaves {
  float low[kOctaves][4], high[kOctaves][4], top[kOctaves];
};

// Of the two tables of a block.
constexpr int kBlockOctavesBytes = 2 * sizeof(BlockOctaves);

// Kernels say LRD_SHARED (csrc/cuda/cuda_dialect.cuh, tests/cuda/emulator.h). Whatever they call takes its tables from
// the block, but not where nvcc compiles the same functions for the host.
#if defined(LRD_SHARED)
#if defined(__CUDA_ARCH__) || !defined(__CUDACC__)
#define LRD_BLOCK_OCTAVES
#endif

// Of the normal distribution, filled once a launch.
LRD_DEVICE BlockOctaves& normal_octaves() {
  LRD_SHARED BlockOctaves octaves;
  return octaves;
}

// Of the sample's read noise.
LRD_DEVICE BlockOctaves& read_octaves() {
  LRD_SHARED BlockOctaves octaves;
  return octaves;
}

LRD_DEVICE float octave_quantile(uint32_t word, const BlockOctaves& octaves) {
  const OctavePlace place = octave_place(word);
  const int cell = octave_of(place);
  const float (&low)[4] = octaves.low[cell];
  const float (&high)[4] = octaves.high[cell];
  const float x =
      polynomial(place.g, low[0], low[1], low[2], low[3], high[0], high[1], high[2], high[3], octaves.top[cell]);
  return with_side(word, x);
}

LRD_DEVICE void keep_octave(const float (&c)[kOctaveTerms][1], int cell, BlockOctaves& octaves) {
  LRD_UNROLL
  for (int k = 0; k < 4; ++k) {
    octaves.low[cell][k] = c[k][0];
    octaves.high[cell][k] = c[k + 4][0];
  }
  octaves.top[cell] = c[8][0];
}

LRD_DEVICE void keep_normal_octave(int cell, BlockOctaves& octaves) {
  float c[kOctaveTerms][1];
  LRD_UNROLL
  for (int k = 0; k < kOctaveTerms; ++k) c[k][0] = kNormalTable.c[k][cell];
  keep_octave(c, cell, octaves);
}
#endif

}  // namespace lrd::LRD_ISA
