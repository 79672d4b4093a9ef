// SPDX-License-Identifier: Apache-2.0
// One element of a frame to and from float32, by dtype.
#pragma once

#include <type_traits>

#include "../request.h"
#include "half.h"

namespace lrd::LRD_ISA {

// What memory holds: float, or 16 bits.
template <Dtype kDtype>
using Stored = std::conditional_t<kDtype == Dtype::kFloat32, float, uint16_t>;

template <Dtype kDtype>
LRD_HD float as_float(Stored<kDtype> x) {
  if constexpr (kDtype == Dtype::kFloat16) {
    return from_float16(x);
  } else if constexpr (kDtype == Dtype::kBfloat16) {
    return from_bfloat16(x);
  } else {
    return static_cast<float>(x);
  }
}

template <Dtype kDtype>
LRD_HD Stored<kDtype> as_stored(float x) {
  if constexpr (kDtype == Dtype::kFloat32) {
    return x;
  } else if constexpr (kDtype == Dtype::kFloat16) {
    return to_float16(x);
  } else if constexpr (kDtype == Dtype::kBfloat16) {
    return to_bfloat16(x);
  } else {
    return to_uint16(x);
  }
}

}  // namespace lrd::LRD_ISA
