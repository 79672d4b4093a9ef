// SPDX-License-Identifier: Apache-2.0
// Groups of cells between frames and the place where a thread's cells wait: whole vectors where the frame's alignment
// allows, else element by element. Dtype and layout are switches at run time.
#pragma once

#include "../noise/element.h"
#include "../request.h"

namespace lrd::LRD_ISA {

constexpr int kThreads = 256;

// Cells of a group: 16 bytes of a float32 channel, or of a 16-bit mosaic row.
constexpr int kGroup = 4;

// Each thread's group, threads side by side, so that no two of a warp meet in a bank. Shared memory and not registers:
// a cell's number is known only at run time, because the code of a cell is too long to stand four times.
struct Staged {
  float value[kGroup][4][kThreads];
};

// Whether groups of the frame, if there is one, may be read or written as vectors.
inline bool holds_whole_vectors(const Frames& f) {
  if (f.data == nullptr) return false;
  const int64_t size = f.dtype == Dtype::kFloat32 ? 4 : 2;
  const int64_t run = f.cell_col * kGroup * size, unit = run < 16 ? run : 16;
  int64_t steps = f.sample | f.cell_row;
  for (int site = 0; site < 4; site += static_cast<int>(f.cell_col)) steps |= f.site[site];
  return static_cast<int64_t>(reinterpret_cast<uintptr_t>(f.data)) % unit == 0 && steps * size % unit == 0;
}

// The widest vector that a run of elements fills.
template <int kBytes>
struct VectorOf {
  using Type = uint4;
};
template <>
struct VectorOf<8> {
  using Type = uint2;
};

template <typename T, int kCount>
LRD_DEVICE void read_run(const T* source, T (&run)[kCount]) {
  using Vector = typename VectorOf<sizeof run>::Type;
  constexpr int kVectors = kCount * sizeof(T) / sizeof(Vector);
  Vector vector[kVectors];
  LRD_UNROLL
  for (int i = 0; i < kVectors; ++i) vector[i] = reinterpret_cast<const Vector*>(source)[i];
  memcpy(run, vector, sizeof run);
}

template <typename T, int kCount>
LRD_DEVICE void write_run(T* target, const T (&run)[kCount]) {
  using Vector = typename VectorOf<sizeof run>::Type;
  constexpr int kVectors = kCount * sizeof(T) / sizeof(Vector);
  Vector vector[kVectors];
  memcpy(vector, run, sizeof run);
  LRD_UNROLL
  for (int i = 0; i < kVectors; ++i) reinterpret_cast<Vector*>(target)[i] = vector[i];
}

// kSites is how many sites alternate in a run: 1 in a packed frame's channel, 2 in a mosaic's row.
template <Dtype kDtype, int kSites, typename T>
LRD_DEVICE void load_runs(const T* source, const Frames& f, Staged& staged, int thread) {
  LRD_UNROLL
  for (int site = 0; site < 4; site += kSites) {
    T run[kSites * kGroup];
    read_run(source + f.site[site], run);
    LRD_UNROLL
    for (int i = 0; i < kSites * kGroup; ++i) {
      staged.value[i / kSites][site + i % kSites][thread] = as_float<kDtype>(run[i]);
    }
  }
}

template <Dtype kDtype, int kSites, typename T>
LRD_DEVICE void store_runs(T* target, const Frames& f, const Staged& staged, int thread) {
  LRD_UNROLL
  for (int site = 0; site < 4; site += kSites) {
    T run[kSites * kGroup];
    LRD_UNROLL
    for (int i = 0; i < kSites * kGroup; ++i) {
      run[i] = as_stored<kDtype>(staged.value[i / kSites][site + i % kSites][thread]);
    }
    write_run(target + f.site[site], run);
  }
}

template <Dtype kDtype>
LRD_DEVICE void load_typed(const Frames& f, int64_t offset, bool vectors, int n, Staged& staged, int thread) {
  const auto* source = static_cast<const Stored<kDtype>*>(f.data) + offset;
  if (vectors && n == kGroup) {
    if (f.cell_col == 1) return load_runs<kDtype, 1>(source, f, staged, thread);
    return load_runs<kDtype, 2>(source, f, staged, thread);
  }
  LRD_KEEP_LOOP
  for (int i = 0; i < n; ++i, source += f.cell_col) {
    LRD_UNROLL
    for (int site = 0; site < 4; ++site) staged.value[i][site][thread] = as_float<kDtype>(source[f.site[site]]);
  }
}

template <Dtype kDtype>
LRD_DEVICE void store_typed(const Frames& f, int64_t offset, bool vectors, int n, const Staged& staged, int thread) {
  auto* target = static_cast<Stored<kDtype>*>(f.data) + offset;
  if (vectors && n == kGroup) {
    if (f.cell_col == 1) return store_runs<kDtype, 1>(target, f, staged, thread);
    return store_runs<kDtype, 2>(target, f, staged, thread);
  }
  LRD_KEEP_LOOP
  for (int i = 0; i < n; ++i, target += f.cell_col) {
    LRD_UNROLL
    for (int site = 0; site < 4; ++site) target[f.site[site]] = as_stored<kDtype>(staged.value[i][site][thread]);
  }
}

// n <= kGroup cells from the element offset on, if vectors is set by whole vectors.
LRD_DEVICE void load_group(const Frames& f, int64_t offset, bool vectors, int n, Staged& staged, int thread) {
  switch (f.dtype) {
    case Dtype::kFloat32: return load_typed<Dtype::kFloat32>(f, offset, vectors, n, staged, thread);
    case Dtype::kFloat16: return load_typed<Dtype::kFloat16>(f, offset, vectors, n, staged, thread);
    case Dtype::kBfloat16: return load_typed<Dtype::kBfloat16>(f, offset, vectors, n, staged, thread);
    case Dtype::kUint16: return load_typed<Dtype::kUint16>(f, offset, vectors, n, staged, thread);
  }
}

// The four sites of one cell.
template <Dtype kDtype>
LRD_DEVICE void load_cell_typed(const Frames& f, int64_t offset, float (&value)[4][1]) {
  const auto* source = static_cast<const Stored<kDtype>*>(f.data) + offset;
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) value[site][0] = as_float<kDtype>(source[f.site[site]]);
}

LRD_DEVICE void load_cell(const Frames& f, int64_t offset, float (&value)[4][1]) {
  switch (f.dtype) {
    case Dtype::kFloat32: return load_cell_typed<Dtype::kFloat32>(f, offset, value);
    case Dtype::kFloat16: return load_cell_typed<Dtype::kFloat16>(f, offset, value);
    case Dtype::kBfloat16: return load_cell_typed<Dtype::kBfloat16>(f, offset, value);
    case Dtype::kUint16: return load_cell_typed<Dtype::kUint16>(f, offset, value);
  }
}

LRD_DEVICE void store_group(const Frames& f, int64_t offset, bool vectors, int n, const Staged& staged, int thread) {
  switch (f.dtype) {
    case Dtype::kFloat32: return store_typed<Dtype::kFloat32>(f, offset, vectors, n, staged, thread);
    case Dtype::kFloat16: return store_typed<Dtype::kFloat16>(f, offset, vectors, n, staged, thread);
    case Dtype::kBfloat16: return store_typed<Dtype::kBfloat16>(f, offset, vectors, n, staged, thread);
    case Dtype::kUint16: return store_typed<Dtype::kUint16>(f, offset, vectors, n, staged, thread);
  }
}

template <Dtype kDtype>
LRD_DEVICE void store_cell_typed(const Frames& f, int64_t offset, const float (&value)[4][1]) {
  auto* target = static_cast<Stored<kDtype>*>(f.data) + offset;
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) target[f.site[site]] = as_stored<kDtype>(value[site][0]);
}

LRD_DEVICE void store_cell(const Frames& f, int64_t offset, const float (&value)[4][1]) {
  switch (f.dtype) {
    case Dtype::kFloat32: return store_cell_typed<Dtype::kFloat32>(f, offset, value);
    case Dtype::kFloat16: return store_cell_typed<Dtype::kFloat16>(f, offset, value);
    case Dtype::kBfloat16: return store_cell_typed<Dtype::kBfloat16>(f, offset, value);
    case Dtype::kUint16: return store_cell_typed<Dtype::kUint16>(f, offset, value);
  }
}

}  // namespace lrd::LRD_ISA
