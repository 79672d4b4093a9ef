// SPDX-License-Identifier: Apache-2.0
// What tensor cores do with a warp's matrix tiles, on the emulator (PTX ISA: ldmatrix .m8n8.x4, mma.m16n8k16).
#pragma once

#include "../../csrc/noise/half.h"
#include "emulator.h"

namespace lrd {

inline uint32_t two_bfloat16(float low, float high) {
  return emulated::to_bfloat16(low) | uint32_t{emulated::to_bfloat16(high)} << 16;
}

inline void load_tiles(uint32_t (&a)[4], const uint32_t* row) {
  if (reinterpret_cast<uintptr_t>(row) % 16 != 0) emulator::fail("a row of a matrix tile is not aligned to 16 bytes");
  emulator::Lane mine = {}, result;
  mine.row = row;
  emulator::as_one(
      mine,
      [](emulator::Lane* lane) {
        for (unsigned i = 0; i < emulator::kWarp; ++i) {
          for (unsigned quarter = 0; quarter < 4; ++quarter) lane[i].a[quarter] = lane[8 * quarter + i / 4].row[i % 4];
        }
      },
      result);
  std::memcpy(a, result.a, sizeof a);
}

// One bfloat16 of a register.
inline float half_of(uint32_t word, unsigned high) {
  return emulated::from_bfloat16(static_cast<uint16_t>(word >> (high ? 16 : 0)));
}

inline void multiply_add_tiles(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  emulator::Lane mine = {}, result;
  std::memcpy(mine.d, d, sizeof d);
  std::memcpy(mine.a, a, sizeof a);
  std::memcpy(mine.b, b, sizeof b);
  emulator::as_one(
      mine,
      [](emulator::Lane* lane) {
        for (unsigned i = 0; i < emulator::kWarp; ++i) {
          for (unsigned e = 0; e < 4; ++e) {
            const unsigned row = i / 4 + e / 2 * 8, col = i % 4 * 2 + e % 2;
            for (unsigned k = 0; k < 16; ++k) {
              const emulator::Lane& left = lane[row % 8 * 4 + k % 8 / 2];
              const emulator::Lane& right = lane[col * 4 + k % 8 / 2];
              const float x = half_of(left.a[row / 8 + k / 8 * 2], k % 2), w = half_of(right.b[k / 8], k % 2);
              lane[i].d[e] += x * w;
            }
          }
        }
      },
      result);
  std::memcpy(d, result.d, sizeof d);
}

}  // namespace lrd
