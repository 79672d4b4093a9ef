// SPDX-License-Identifier: Apache-2.0
// Quantiles of a 32-bit word by table: no logarithm, root or division, at one price for every distribution.
//
// u = (word + 1/2) / 2^32, and p = min(u, 1 - u) is its tail. Where the tail lies is a cell and a g in it:
//   cell 31      p in [3/8, 1/2],             g = -6 |u - 1/2|, good to its own last bit near the median
//   cell i < 31  p in [3/8, 3/4) 2^(i - 31),  g = p 2^(32 - i) - 3/2
// so a cell is an octave, g goes from -3/4 at its outer end to 0 at its inner end, 31 in 32 words lie in the five last
// cells, and cell 0 holds the outermost word of a side alone, at g = -1.
// The quantile is x above u = 1/2 and -x below, x >= 0 a polynomial of degree 8 in g whose coefficients, the lowest
// power first, an OctaveTable holds by cell. A distribution that is not symmetric, or that needs finer pieces than an
// octave, starts from the same OctavePlace: pieces of each side by cell and by eighth of g's range.
#pragma once

#include "host_device.h"

namespace lrd::LRD_ISA {

constexpr int kOctaves = 32, kOctaveTerms = 9;

struct alignas(64) OctaveTable {
  float c[kOctaveTerms][kOctaves];
};

// Bits of p plus this have the exponent 96 + cell.
constexpr int32_t kOctaveOffset = 0x00C00000, kFirstOctave = 96 << 23, kExponent = 0x7F800000;

struct OctavePlace {
  int32_t bits;  // of a float whose exponent is 96 + cell
  float g;
};

LRD_HD OctavePlace octave_place(uint32_t word) {
  const uint32_t side = static_cast<uint32_t>(static_cast<int32_t>(word) >> 31);
  const int32_t outside = static_cast<int32_t>(word ^ side);  // words farther out on this side
  const int32_t inside = outside ^ 0x7FFFFFFF;                // and nearer to the median
  const float p = fma(static_cast<float>(outside), 0x1p-32f, 0x1p-33f);
  const float middle = fma(static_cast<float>(inside), -6 * 0x1p-32f, -3 * 0x1p-32f);
  const int32_t shifted = static_cast<int32_t>(bits_of(p)) + kOctaveOffset;
  const int32_t bits = shifted > kFirstOctave ? shifted : kFirstOctave;
  const float scale = float_of(static_cast<uint32_t>(~bits & kExponent));  // 2^(128 - 96 - cell)
  return {bits, larger(fma(p, scale, -1.5f), middle)};                     // middle is below -3/4 outside cell 31
}

LRD_HD int octave_of(const OctavePlace& place) { return (place.bits >> 23) & (kOctaves - 1); }

// x with the side's sign.
LRD_HD float with_side(uint32_t word, float x) { return float_of(bits_of(x) ^ (~word & 0x80000000u)); }

LRD_HD float octave_quantile(uint32_t word, const OctaveTable& table) {
  const OctavePlace place = octave_place(word);
  const int cell = octave_of(place);
  float x = table.c[kOctaveTerms - 1][cell];
  LRD_UNROLL
  for (int k = kOctaveTerms - 2; k >= 0; --k) x = fma(x, place.g, table.c[k][cell]);
  return with_side(word, x);
}

}  // namespace lrd::LRD_ISA
