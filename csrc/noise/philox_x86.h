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
#if LRD_VECTOR_BITS == 512
struct PhiloxLanes {
  using Register = __m512i;
  static constexpr int kLanes = 8;
  static LRD_HD Register all(uint32_t x) { return _mm512_set1_epi32(static_cast<int>(x)); }
  // first, first + 2, first + 4 ...
  static LRD_HD Register every_second(uint32_t first) {
    return _mm512_add_epi32(all(first), _mm512_set_epi32(0, 14, 0, 12, 0, 10, 0, 8, 0, 6, 0, 4, 0, 2, 0, 0));
  }
  static LRD_HD Register product(Register a, Register b) { return _mm512_mul_epu32(a, b); }
  static LRD_HD Register xor_high(Register product, Register b, Register c) {
    return _mm512_ternarylogic_epi64(_mm512_srli_epi64(product, 32), b, c, 0x96);
  }
  static LRD_HD void store_interleaved(uint32_t* target, Register even, Register odd) {
    _mm512_storeu_si512(target, _mm512_mask_blend_epi32(0xAAAA, even, _mm512_slli_epi64(odd, 32)));
  }
};
#else
struct PhiloxLanes {
  using Register = __m256i;
  static constexpr int kLanes = 4;
  static LRD_HD Register all(uint32_t x) { return _mm256_set1_epi32(static_cast<int>(x)); }
  static LRD_HD Register every_second(uint32_t first) {
    return _mm256_add_epi32(all(first), _mm256_set_epi32(0, 6, 0, 4, 0, 2, 0, 0));
  }
  static LRD_HD Register product(Register a, Register b) { return _mm256_mul_epu32(a, b); }
  static LRD_HD Register xor_high(Register product, Register b, Register c) {
    return _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(product, 32), b), c);
  }
  static LRD_HD void store_interleaved(uint32_t* target, Register even, Register odd) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(target), _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA));
  }
};
#endif

struct PhiloxState {
  PhiloxLanes::Register c0, c1, c2, c3;
};

LRD_HD void philox_rounds(PhiloxState& s, uint32_t key0, uint32_t key1) {
  using L = PhiloxLanes;
#pragma GCC unroll 10
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const L::Register product0 = L::product(s.c0, L::all(0xD2511F53u));
    const L::Register product1 = L::product(s.c2, L::all(0xCD9E8D57u));
    s.c0 = L::xor_high(product1, s.c1, L::all(key0));
    s.c1 = product1;
    s.c2 = L::xor_high(product0, s.c3, L::all(key1));
    s.c3 = product0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

// Words of the sites of N cells, N a multiple of 2 kLanes. Mirrors words() in philox.h.
template <int N>
LRD_HD void words_of_cells(const Stream& stream, Component component, uint32_t cell_row, uint32_t cell_col,
                           uint32_t (&word)[4][N]) {
  using L = PhiloxLanes;
  static_assert(N % (2 * L::kLanes) == 0, "whole registers");
  const L::Register row = L::all(cell_row), low = L::all(stream.index_low);
  const L::Register high = L::all(component + 256u * stream.index_high);
  for (int i = 0; i < N; i += 2 * L::kLanes) {
    const uint32_t first = cell_col + static_cast<uint32_t>(i);
    PhiloxState even = {L::every_second(first), row, low, high};
    PhiloxState odd = {L::every_second(first + 1), row, low, high};
    philox_rounds(even, stream.key0, stream.key1);
    philox_rounds(odd, stream.key0, stream.key1);
    L::store_interleaved(&word[0][i], even.c0, odd.c0);
    L::store_interleaved(&word[1][i], even.c1, odd.c1);
    L::store_interleaved(&word[2][i], even.c2, odd.c2);
    L::store_interleaved(&word[3][i], even.c3, odd.c3);
  }
}

}  // namespace lrd::LRD_ISA
#endif
