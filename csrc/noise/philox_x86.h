// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10 of neighbouring cells in 64-bit lanes: the multiplier's own lanes, so that no round has to shuffle.
// Same words as philox.h; half the instructions the compiler's vectoriser needs.
#pragma once

#include "philox.h"

// LRD_VECTOR_BITS is set by the builds that are compiled for AVX2 or AVX-512 (csrc/cpu/tiles_*.cpp).
#if defined(LRD_VECTOR_BITS)
#include <immintrin.h>

#define LRD_PHILOX_LANES

namespace lrd::LRD_ISA {

// A register of 64-bit lanes, one cell each. The high halves may hold anything: products read the low halves only.
// cells() are first + 0, 1, 4, 5, 8, 9 ...: with those of first + 2 in another register, lows() and highs() give the
// halves of all in order.
#if LRD_VECTOR_BITS == 512
struct PhiloxLanes {
  using Register = __m512i;
  static constexpr int kLanes = 8;
  static LRD_HD Register all(uint32_t x) { return _mm512_set1_epi32(static_cast<int>(x)); }
  static LRD_HD Register cells(uint32_t first) {
    return _mm512_add_epi32(all(first), _mm512_set_epi32(0, 13, 0, 12, 0, 9, 0, 8, 0, 5, 0, 4, 0, 1, 0, 0));
  }
  static LRD_HD Register product(Register a, Register b) { return _mm512_mul_epu32(a, b); }
  static LRD_HD Register bits_xor(Register a, Register b, Register c) {
    return _mm512_ternarylogic_epi32(a, b, c, 0x96);
  }
  static LRD_HD Register high(Register product) { return _mm512_srli_epi64(product, 32); }
  static LRD_HD Register bits_xor(Register a, Register b) { return _mm512_xor_si512(a, b); }
  static LRD_HD Register lows(Register a, Register b) {
    return _mm512_castps_si512(_mm512_shuffle_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), 0x88));
  }
  static LRD_HD Register highs(Register a, Register b) {
    return _mm512_castps_si512(_mm512_shuffle_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), 0xDD));
  }
  static LRD_HD void store(uint32_t* target, Register x) { _mm512_storeu_si512(target, x); }
};
#else
struct PhiloxLanes {
  using Register = __m256i;
  static constexpr int kLanes = 4;
  static LRD_HD Register all(uint32_t x) { return _mm256_set1_epi32(static_cast<int>(x)); }
  static LRD_HD Register cells(uint32_t first) {
    return _mm256_add_epi32(all(first), _mm256_set_epi32(0, 5, 0, 4, 0, 1, 0, 0));
  }
  static LRD_HD Register product(Register a, Register b) { return _mm256_mul_epu32(a, b); }
  static LRD_HD Register bits_xor(Register a, Register b, Register c) {
    return _mm256_xor_si256(a, _mm256_xor_si256(b, c));  // b and c first: they are there before a is
  }
  static LRD_HD Register high(Register product) { return _mm256_srli_epi64(product, 32); }
  static LRD_HD Register bits_xor(Register a, Register b) { return _mm256_xor_si256(a, b); }
  static LRD_HD Register lows(Register a, Register b) {
    return _mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), 0x88));
  }
  static LRD_HD Register highs(Register a, Register b) {
    return _mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), 0xDD));
  }
  static LRD_HD void store(uint32_t* target, Register x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(target), x); }
};
#endif

struct PhiloxState {
  PhiloxLanes::Register c0, c1, c2, c3;
};

constexpr uint32_t kPhiloxMultiplier0 = 0xD2511F53u, kPhiloxMultiplier1 = 0xCD9E8D57u;
constexpr uint32_t kPhiloxStep0 = 0x9E3779B9u, kPhiloxStep1 = 0xBB67AE85u;

LRD_HD void philox_round(PhiloxState& s, PhiloxLanes::Register key0, PhiloxLanes::Register key1) {
  using L = PhiloxLanes;
  const L::Register product0 = L::product(s.c0, L::all(kPhiloxMultiplier0));
  const L::Register product1 = L::product(s.c2, L::all(kPhiloxMultiplier1));
  s.c0 = L::bits_xor(L::high(product1), s.c1, key0);
  s.c1 = product1;
  s.c2 = L::bits_xor(L::high(product0), s.c3, key1);
  s.c3 = product0;
}

// The last round, of cells in a and b, which brings the words in order.
LRD_HD void last_philox_round(const PhiloxState& a, const PhiloxState& b, PhiloxLanes::Register key0,
                              PhiloxLanes::Register key1, int i, uint32_t* const (&target)[4]) {
  using L = PhiloxLanes;
  const L::Register a0 = L::product(a.c0, L::all(kPhiloxMultiplier0)),
                    b0 = L::product(b.c0, L::all(kPhiloxMultiplier0));
  const L::Register a1 = L::product(a.c2, L::all(kPhiloxMultiplier1)),
                    b1 = L::product(b.c2, L::all(kPhiloxMultiplier1));
  L::store(target[0] + i, L::bits_xor(L::highs(a1, b1), L::lows(a.c1, b.c1), key0));
  L::store(target[1] + i, L::lows(a1, b1));
  L::store(target[2] + i, L::bits_xor(L::highs(a0, b0), L::lows(a.c3, b.c3), key1));
  L::store(target[3] + i, L::lows(a0, b0));
}

// Words of the sites of N cells, N a multiple of 2 kLanes. Mirrors words() in philox.h.
template <int N>
LRD_HD void words_of_cells(const Stream& stream, Component component, uint32_t cell_row, uint32_t cell_col,
                           uint32_t (&word)[4][N]) {
  using L = PhiloxLanes;
  static_assert(N % (2 * L::kLanes) == 0, "whole registers");
  const L::Register row = L::all(cell_row), low = L::all(stream.index_low);
  const L::Register high = L::all(component + 256u * stream.index_high);
  uint32_t* const target[4] = {word[0], word[1], word[2], word[3]};
  for (int i = 0; i < N; i += 2 * L::kLanes) {
    const uint32_t first = cell_col + static_cast<uint32_t>(i);
    PhiloxState a = {L::cells(first), row, low, high}, b = {L::cells(first + 2), row, low, high};
    uint32_t key0 = stream.key0, key1 = stream.key1;
#pragma GCC unroll 10
    for (int round = 0; round < kPhiloxRounds - 1; ++round) {
      philox_round(a, L::all(key0), L::all(key1));
      philox_round(b, L::all(key0), L::all(key1));
      key0 += kPhiloxStep0;
      key1 += kPhiloxStep1;
    }
    last_philox_round(a, b, L::all(key0), L::all(key1), i, target);
  }
}

// The words of the same N cells in row after row. A cell's row enters the first round alone, so most of the first
// three rounds is the same in every row: it is worked out once.
template <int N>
class RowsOfWords {
 public:
  LRD_HD RowsOfWords(const Stream& stream, Component component, uint32_t cell_col) {
    static_assert(N % (2 * L::kLanes) == 0, "whole registers");
    const uint64_t product = uint64_t{kPhiloxMultiplier1} * stream.index_low;  // of round 1, all cells share it
    row_mask_ = static_cast<uint32_t>(product >> 32) ^ stream.key0;
    const uint32_t high = component + 256u * stream.index_high;
    for (int round = 0; round < kPhiloxRounds; ++round) {
      key0_[round] = stream.key0 + static_cast<uint32_t>(round) * kPhiloxStep0;
      key1_[round] = stream.key1 + static_cast<uint32_t>(round) * kPhiloxStep1;
    }
    for (int half = 0; half < kHalves; ++half) {
      const uint32_t first = cell_col + static_cast<uint32_t>(half / 2 * 2 * L::kLanes + half % 2 * 2);
      const L::Register product0 = L::product(L::cells(first), L::all(kPhiloxMultiplier0));
      const L::Register c2 = L::bits_xor(L::high(product0), L::all(high), L::all(key1_[0]));
      const L::Register product1 = L::product(c2, L::all(kPhiloxMultiplier1));
      const L::Register c0 = L::bits_xor(L::high(product1), L::all(static_cast<uint32_t>(product)), L::all(key0_[1]));
      const L::Register product2 = L::product(c0, L::all(kPhiloxMultiplier0));
      columns_[half] = {product0, L::bits_xor(product1, L::all(key0_[2])), L::high(product2), product2};
    }
  }

  LRD_HD void at(uint32_t cell_row, uint32_t (&word)[4][N]) const {
    const uint64_t product = uint64_t{kPhiloxMultiplier0} * (row_mask_ ^ cell_row);  // of round 2
    const L::Register mask2 = L::all(static_cast<uint32_t>(product >> 32) ^ key1_[1]);
    const L::Register mask3 = L::all(static_cast<uint32_t>(product) ^ key1_[2]);
    uint32_t* const target[4] = {word[0], word[1], word[2], word[3]};
    for (int half = 0; half < kHalves; half += 2) {
      PhiloxState a = third_round(columns_[half], mask2, mask3), b = third_round(columns_[half + 1], mask2, mask3);
#pragma GCC unroll 10
      for (int round = 3; round < kPhiloxRounds - 1; ++round) {
        const L::Register key0 = L::all(key0_[round]), key1 = L::all(key1_[round]);
        philox_round(a, key0, key1);
        philox_round(b, key0, key1);
      }
      const L::Register key0 = L::all(key0_[kPhiloxRounds - 1]), key1 = L::all(key1_[kPhiloxRounds - 1]);
      last_philox_round(a, b, key0, key1, half * L::kLanes, target);
    }
  }

 private:
  using L = PhiloxLanes;

  // Of kLanes cells: the third counter word that enters round 3, less what the row gives it; what is left of c1 and
  // its key after that; and the product of round 3 that knows no row, its high half apart.
  struct Columns {
    L::Register c2, c1, high, product;
  };

  static LRD_HD PhiloxState third_round(const Columns& c, L::Register mask2, L::Register mask3) {
    const L::Register product1 = L::product(L::bits_xor(c.c2, mask2), L::all(kPhiloxMultiplier1));
    return {L::bits_xor(L::high(product1), c.c1), product1, L::bits_xor(c.high, mask3), c.product};
  }

  static constexpr int kHalves = N / L::kLanes;
  uint32_t row_mask_, key0_[kPhiloxRounds], key1_[kPhiloxRounds];
  Columns columns_[kHalves];
};

}  // namespace lrd::LRD_ISA
#endif
