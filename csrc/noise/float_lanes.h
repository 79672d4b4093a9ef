// SPDX-License-Identifier: Apache-2.0
// As many float32 as the instruction set takes at once. Every operation is one IEEE operation per lane, so results do
// not depend on the number of lanes. Where no instruction set is named (baseline, devices) a lane is a float.
#pragma once

#include "host_device.h"

// LRD_VECTOR_BITS is set by the builds that are compiled for AVX2 or AVX-512, LRD_NEON by that for arm64
// (csrc/cpu/tiles_*.cpp).
#if defined(LRD_VECTOR_BITS)
#include <immintrin.h>
#elif defined(LRD_NEON)
#include <arm_neon.h>
#endif

namespace lrd::LRD_ISA {

#if defined(LRD_NEON)
struct FloatLanes {
  using Register = float32x4_t;
  static constexpr int kLanes = 4;
  static LRD_HD Register all(float x) { return vdupq_n_f32(x); }
  static LRD_HD Register load(const float* source) { return vld1q_f32(source); }
  static LRD_HD void store(float* target, Register x) { vst1q_f32(target, x); }
  static LRD_HD Register add(Register a, Register b) { return vaddq_f32(a, b); }
  static LRD_HD Register multiply(Register a, Register b) { return vmulq_f32(a, b); }
  static LRD_HD Register multiply_add(Register a, Register b, Register c) { return vfmaq_f32(c, a, b); }
  static LRD_HD Register larger(Register a, Register b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }  // as maxps
};
#elif !defined(LRD_VECTOR_BITS)
struct FloatLanes {
  using Register = float;
  static constexpr int kLanes = 1;
  static LRD_HD Register all(float x) { return x; }
  static LRD_HD Register load(const float* source) { return *source; }
  static LRD_HD void store(float* target, Register x) { *target = x; }
  static LRD_HD Register add(Register a, Register b) { return a + b; }
  static LRD_HD Register multiply(Register a, Register b) { return a * b; }
  static LRD_HD Register multiply_add(Register a, Register b, Register c) { return fma(a, b, c); }
  static LRD_HD Register larger(Register a, Register b) { return LRD_ISA::larger(a, b); }
};
#elif LRD_VECTOR_BITS == 512
struct FloatLanes {
  using Register = __m512;
  static constexpr int kLanes = 16;
  static LRD_HD Register all(float x) { return _mm512_set1_ps(x); }
  static LRD_HD Register load(const float* source) { return _mm512_loadu_ps(source); }
  static LRD_HD void store(float* target, Register x) { _mm512_storeu_ps(target, x); }
  static LRD_HD Register add(Register a, Register b) { return _mm512_add_ps(a, b); }
  static LRD_HD Register multiply(Register a, Register b) { return _mm512_mul_ps(a, b); }
  static LRD_HD Register multiply_add(Register a, Register b, Register c) { return _mm512_fmadd_ps(a, b, c); }
  static LRD_HD Register larger(Register a, Register b) { return _mm512_max_ps(a, b); }
};
#else
struct FloatLanes {
  using Register = __m256;
  static constexpr int kLanes = 8;
  static LRD_HD Register all(float x) { return _mm256_set1_ps(x); }
  static LRD_HD Register load(const float* source) { return _mm256_loadu_ps(source); }
  static LRD_HD void store(float* target, Register x) { _mm256_storeu_ps(target, x); }
  static LRD_HD Register add(Register a, Register b) { return _mm256_add_ps(a, b); }
  static LRD_HD Register multiply(Register a, Register b) { return _mm256_mul_ps(a, b); }
  static LRD_HD Register multiply_add(Register a, Register b, Register c) { return _mm256_fmadd_ps(a, b, c); }
  static LRD_HD Register larger(Register a, Register b) { return _mm256_max_ps(a, b); }
};
#endif

}  // namespace lrd::LRD_ISA
