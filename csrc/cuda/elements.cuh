// SPDX-License-Identifier: Apache-2.0
// Elements between frames and registers. Dtype and layout are switches at run time. Neighbouring threads take
// neighbouring cells, so that what a warp reads or writes at once lies together.
#pragma once

#include "../noise/element.h"
#include "../request.h"

namespace lrd::LRD_ISA {

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

// Where a frame's four sites begin. The launch works it out, so that a thread adds an offset to a constant.
struct Planes {
  Dtype dtype;
  void* site[4];
};

LRD_HD Planes planes_of(const Frames& f) {
  const int64_t size = f.dtype == Dtype::kFloat32 ? 4 : 2;
  Planes planes = {f.dtype, {}};
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) planes.site[site] = static_cast<char*>(f.data) + size * f.site[site];
  return planes;
}

// The four sites of the cell at an element of each plane.
template <Dtype kDtype>
LRD_DEVICE void load_cell_typed(const Planes& f, int64_t offset, float (&value)[4][1]) {
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) {
    value[site][0] = as_float<kDtype>(static_cast<const Stored<kDtype>*>(f.site[site])[offset]);
  }
}

LRD_DEVICE void load_cell(const Planes& f, int64_t offset, float (&value)[4][1]) {
  switch (f.dtype) {
    case Dtype::kFloat32: return load_cell_typed<Dtype::kFloat32>(f, offset, value);
    case Dtype::kFloat16: return load_cell_typed<Dtype::kFloat16>(f, offset, value);
    case Dtype::kBfloat16: return load_cell_typed<Dtype::kBfloat16>(f, offset, value);
    case Dtype::kUint16: return load_cell_typed<Dtype::kUint16>(f, offset, value);
  }
}

template <Dtype kDtype>
LRD_DEVICE void store_cell_typed(const Planes& f, int64_t offset, const float (&value)[4][1]) {
  LRD_UNROLL
  for (int site = 0; site < 4; ++site) {
    static_cast<Stored<kDtype>*>(f.site[site])[offset] = as_stored<kDtype>(value[site][0]);
  }
}

LRD_DEVICE void store_cell(const Planes& f, int64_t offset, const float (&value)[4][1]) {
  switch (f.dtype) {
    case Dtype::kFloat32: return store_cell_typed<Dtype::kFloat32>(f, offset, value);
    case Dtype::kFloat16: return store_cell_typed<Dtype::kFloat16>(f, offset, value);
    case Dtype::kBfloat16: return store_cell_typed<Dtype::kBfloat16>(f, offset, value);
    case Dtype::kUint16: return store_cell_typed<Dtype::kUint16>(f, offset, value);
  }
}

}  // namespace lrd::LRD_ISA
