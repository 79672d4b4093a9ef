// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10 (Salmon et al., SC 2011), addressed by seed, sample index, sensor cell and noise component.
// Mirrors lrd_ext/reference/philox.py; STREAM_VERSION there names the map.
#pragma once

#include "host_device.h"

namespace lrd::LRD_ISA {

// Low byte of the fourth counter word. Public numbers, never reused.
enum Component : uint32_t {
  kShot = 0,
  kRead = 1,
  kRow = 2,
  kColumn = 3,
  kQuantize = 4,
  kGenerator = 5,
  kGeneratorRow = 6,
  kGeneratorColumn = 7,
  kParameters = 8,
  // Of the body, by sensor and not by index: kPattern, kFixedRow, kFixedColumn, kDarkCurrent, kBlinkingPixel.
  kPattern = 9,
  kFixedRow = 10,
  kFixedColumn = 11,
  kDarkCurrent = 12,
  kBlinkingPixel = 13,
  kBlinkState = 14,
  kDrift = 15,
  kRowWaves = 16,
  kColumnWaves = 17,
};

constexpr int kPhiloxRounds = 10;

struct Words {
  uint32_t v[4];
};

struct Product {
  uint32_t high, low;
};

// On a device in its own words: nvcc makes two multiplications of the product in C++.
LRD_HD Product wide_product(uint32_t a, uint32_t b) {
#if defined(__CUDA_ARCH__)
  Product p;
  asm("{ .reg .u64 wide; mul.wide.u32 wide, %2, %3; mov.b64 {%0, %1}, wide; }"
      : "=r"(p.low), "=r"(p.high)
      : "r"(a), "r"(b));
  return p;
#else
  const uint64_t wide = uint64_t{a} * b;
  return {static_cast<uint32_t>(wide >> 32), static_cast<uint32_t>(wide)};
#endif
}

// Keys: a function of a round's number and 0 or 1.
template <typename Keys>
LRD_HD Words philox_rounds(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, const Keys& key) {
  LRD_UNROLL
#pragma GCC unroll 10
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const Product product0 = wide_product(c0, 0xD2511F53u), product1 = wide_product(c2, 0xCD9E8D57u);
    c0 = product1.high ^ c1 ^ key(round, 0);
    c1 = product1.low;
    c2 = product0.high ^ c3 ^ key(round, 1);
    c3 = product0.low;
  }
  return {{c0, c1, c2, c3}};
}

LRD_HD uint32_t round_key(uint32_t first, int round, int half) {
  return first + static_cast<uint32_t>(round) * (half == 0 ? 0x9E3779B9u : 0xBB67AE85u);
}

LRD_HD Words philox4x32(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t k0, uint32_t k1) {
  return philox_rounds(c0, c1, c2, c3,
                       [=](int round, int half) { return round_key(half == 0 ? k0 : k1, round, half); });
}

// The stream of one sample: what stays fixed while cells and components vary.
struct alignas(16) Stream {
  uint32_t key0, key1, index_low, index_high;
#if defined(LRD_SHARED)
  uint32_t keys[kPhiloxRounds][2];  // of all rounds, for a block to keep: a fourth of a load is less than an addition
#endif
};

LRD_HD Stream make_stream(int64_t seed, int64_t index) {
  const uint64_t s = static_cast<uint64_t>(seed), i = static_cast<uint64_t>(index);
  Stream stream = {static_cast<uint32_t>(s), static_cast<uint32_t>(s >> 32), static_cast<uint32_t>(i),
                   static_cast<uint32_t>(i >> 32) & 0xFFFFFFu};
#if defined(LRD_SHARED)
  LRD_UNROLL
  for (int round = 0; round < kPhiloxRounds; ++round) {
    stream.keys[round][0] = round_key(stream.key0, round, 0);
    stream.keys[round][1] = round_key(stream.key1, round, 1);
  }
#endif
  return stream;
}

// Words of the cell's four sites; cell coordinates are taken mod 2^32.
LRD_HD Words words(const Stream& s, Component component, uint32_t cell_row, uint32_t cell_col) {
  const uint32_t last = component + 256u * s.index_high;
#if defined(LRD_SHARED)
  return philox_rounds(cell_col, cell_row, s.index_low, last, [&](int round, int half) { return s.keys[round][half]; });
#else
  return philox4x32(cell_col, cell_row, s.index_low, last, s.key0, s.key1);
#endif
}

}  // namespace lrd::LRD_ISA
