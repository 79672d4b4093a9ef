// SPDX-License-Identifier: Apache-2.0
// Blocks of cells out of frames and into frames, for the loop over tiles (tile.h).
#pragma once

#include "../noise/element.h"
#include "../noise/half_x86.h"
#include "../noise/sample.h"
#include "../request.h"

namespace lrd::LRD_ISA {
namespace {

// What is done to an element on its way in: (element - offset) * scale, by site.
struct Levels {
  float offset[4], scale[4];
};

constexpr Levels kAsTheyAre = {{0.0f, 0.0f, 0.0f, 0.0f}, {1.0f, 1.0f, 1.0f, 1.0f}};

// Where the sites of N cells lie in a buffer of their own, in the order of a frame.
template <int kColumnStep, int N>
struct SideBySide {
  static constexpr int64_t kAt[4] = {0, kColumnStep == 1 ? N : 1, 2 * N,
                                     (kColumnStep == 1 ? 3 : 2) * N + kColumnStep - 1};
};

// N cells of one cell row to the four sites, which lie at `at`: apart, or the two of a row side by side in a mosaic.
// Always inline, as what follows: a second caller would else make calls of them in the loop of the noise.
template <typename T, int kColumnStep, Dtype kDtype, int N>
LRD_HD void load_sites(const T* source, const int64_t* at, const Levels& levels, float (&value)[4][N]) {
#if defined(LRD_VECTOR_BITS)
  if constexpr (kDtype == Dtype::kFloat16) {
    float wide[4 * N];
    for (int site = 0; site < 4; site += kColumnStep)
      from_float16s(source + at[site], kColumnStep * N, wide + site * N);
    return load_sites<float, kColumnStep, Dtype::kFloat32>(wide, SideBySide<kColumnStep, N>::kAt, levels, value);
  }
#endif
  for (int pair = 0; pair < 2; ++pair) {
    const int s = 2 * pair;
    const T* left = source + at[s];
    const T* right = kColumnStep == 2 ? left + 1 : source + at[s + 1];
    const float left_offset = levels.offset[s], left_scale = levels.scale[s];
    const float right_offset = levels.offset[s + 1], right_scale = levels.scale[s + 1];
    float* a = value[s];
    float* b = value[s + 1];
    for (int i = 0; i < N; ++i) {
      a[i] = (as_float<kDtype>(left[kColumnStep * i]) - left_offset) * left_scale;
      b[i] = (as_float<kDtype>(right[kColumnStep * i]) - right_offset) * right_scale;
    }
  }
}

// Ask for the memory of N cells of a cell row, which is too short a run for the processor to see coming by itself.
template <typename T, int kColumnStep, int N>
LRD_HD void prefetch(const T* source, const int64_t* at) {
#pragma GCC unroll 4
  for (int site = 0; site < 4; site += kColumnStep) {
    const char* run = reinterpret_cast<const char*>(source + at[site]);
#pragma GCC unroll 8
    for (size_t i = 0; i < kColumnStep * N * sizeof(T); i += 64) __builtin_prefetch(run + i);
  }
}

// n cells, the rest of the block filled with zeros. ahead: to the cells that are read next, 0 for none.
template <typename T, int kColumnStep, Dtype kDtype, int N>
LRD_HD void load_typed(const Frames& f, int64_t offset, int n, const Levels& levels, float (&value)[4][N],
                       int64_t ahead) {
  const T* source = static_cast<const T*>(f.data) + offset;
  const int64_t* at = f.site;
  if (ahead != 0) prefetch<T, kColumnStep, N>(source + ahead, at);
  T staged[4 * N];
  if (n < N) {
    memset(staged, 0, sizeof staged);
    for (int site = 0; site < 4; site += kColumnStep) {
      memcpy(staged + site * N, source + at[site], kColumnStep * n * sizeof(T));
    }
    source = staged;
    at = SideBySide<kColumnStep, N>::kAt;
  }
  load_sites<T, kColumnStep, kDtype>(source, at, levels, value);
}

template <typename T, Dtype kDtype, int N>
LRD_HD void load_typed(const Frames& f, int64_t offset, int n, const Levels& levels, float (&value)[4][N],
                       int64_t ahead) {
  if (f.cell_col == 1) {
    load_typed<T, 1, kDtype>(f, offset, n, levels, value, ahead);
  } else {
    load_typed<T, 2, kDtype>(f, offset, n, levels, value, ahead);
  }
}

template <int N>
LRD_HD void load(const Frames& f, int64_t offset, int n, const Levels& levels, float (&value)[4][N],
                 int64_t ahead = 0) {
  switch (f.dtype) {
    case Dtype::kFloat32: return load_typed<float, Dtype::kFloat32>(f, offset, n, levels, value, ahead);
    case Dtype::kFloat16: return load_typed<uint16_t, Dtype::kFloat16>(f, offset, n, levels, value, ahead);
    case Dtype::kBfloat16: return load_typed<uint16_t, Dtype::kBfloat16>(f, offset, n, levels, value, ahead);
    case Dtype::kUint16: return load_typed<uint16_t, Dtype::kUint16>(f, offset, n, levels, value, ahead);
  }
}

template <typename T, int kColumnStep, Dtype kDtype, int N>
LRD_HD void store_sites(T* target, const int64_t* at, const float (&value)[4][N]) {
#if defined(LRD_VECTOR_BITS)
  if constexpr (kDtype == Dtype::kFloat16) {
    float wide[4 * N];
    store_sites<float, kColumnStep, Dtype::kFloat32>(wide, SideBySide<kColumnStep, N>::kAt, value);
    for (int site = 0; site < 4; site += kColumnStep) to_float16s(wide + site * N, kColumnStep * N, target + at[site]);
    return;
  }
#endif
  for (int pair = 0; pair < 2; ++pair) {
    T* left = target + at[2 * pair];
    T* right = kColumnStep == 2 ? left + 1 : target + at[2 * pair + 1];
    const float* a = value[2 * pair];
    const float* b = value[2 * pair + 1];
    for (int i = 0; i < N; ++i) {
      left[kColumnStep * i] = as_stored<kDtype>(a[i]);
      right[kColumnStep * i] = as_stored<kDtype>(b[i]);
    }
  }
}

// Calls that write so much write past the caches, which could not keep it for its reader: an ordinary store first reads
// the line that it is about to overwrite.
constexpr int64_t kPastCachesBytes = 8 << 20;

#if defined(LRD_VECTOR_BITS)
inline void write_past_caches(void* target, const void* source, int bytes) {
  for (int i = 0; i < bytes; i += 32) {
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(static_cast<const char*>(source) + i));
    _mm256_stream_si256(reinterpret_cast<__m256i*>(static_cast<char*>(target) + i), x);
  }
}

// A whole block by whole cache lines; false, and nothing written, where it does not fill them.
template <typename T, int kColumnStep, Dtype kDtype, int N>
bool store_past_caches(T* target, const int64_t (&at)[4], const float (&value)[4][N]) {
  constexpr int kSites = kColumnStep, kRun = kSites * N;  // sites side by side in a run of elements
  for (int site = 0; site < 4; site += kSites) {
    if (reinterpret_cast<uintptr_t>(target + at[site]) % 64 != 0) return false;
  }
  T staged[4 * N];
  store_sites<T, kColumnStep, kDtype>(staged, SideBySide<kColumnStep, N>::kAt, value);
  for (int site = 0; site < 4; site += kSites) {
    write_past_caches(target + at[site], staged + site * N, kRun * sizeof(T));
  }
  return true;
}
#endif

template <typename T, int kColumnStep, Dtype kDtype, int N>
LRD_HD void store_typed(const Frames& f, int64_t offset, int n, [[maybe_unused]] bool past_caches,
                        const float (&value)[4][N]) {
  T* target = static_cast<T*>(f.data) + offset;
#if defined(LRD_VECTOR_BITS)
  if (past_caches && n == N && store_past_caches<T, kColumnStep, kDtype>(target, f.site, value)) return;
#endif
  T staged[4 * N];
  store_sites<T, kColumnStep, kDtype>(n < N ? staged : target, n < N ? SideBySide<kColumnStep, N>::kAt : f.site, value);
  if (n < N) {
    for (int site = 0; site < 4; site += kColumnStep) {
      memcpy(target + f.site[site], staged + site * N, kColumnStep * n * sizeof(T));
    }
  }
}

template <int kColumnStep, int N>
LRD_HD void store(const Frames& f, int64_t offset, int n, bool past, const float (&value)[4][N]) {
  switch (f.dtype) {
    case Dtype::kFloat32: return store_typed<float, kColumnStep, Dtype::kFloat32>(f, offset, n, past, value);
    case Dtype::kFloat16: return store_typed<uint16_t, kColumnStep, Dtype::kFloat16>(f, offset, n, past, value);
    case Dtype::kBfloat16: return store_typed<uint16_t, kColumnStep, Dtype::kBfloat16>(f, offset, n, past, value);
    case Dtype::kUint16: return store_typed<uint16_t, kColumnStep, Dtype::kUint16>(f, offset, n, past, value);
  }
}

}  // namespace
}  // namespace lrd::LRD_ISA
