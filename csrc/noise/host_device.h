// SPDX-License-Identifier: Apache-2.0
// What lets one source serve the host (one namespace per instruction set) and the device.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#define LRD_HD __host__ __device__ __forceinline__
#else
// always_inline: a function left out of line could be merged at link time with another instruction set's copy.
#define LRD_HD inline __attribute__((always_inline))
#endif

// Arrays live in registers on a device only where every index is known, so its loops over them must unroll, and rare
// long ones must not, to keep the code short. A CPU's compiler needs no word on either.
#if defined(__CUDA_ARCH__)
#define LRD_UNROLL _Pragma("unroll")
#define LRD_KEEP_LOOP _Pragma("unroll 1")
#else
#define LRD_UNROLL
#define LRD_KEEP_LOOP
#endif

// Numbers that are looked up at a place known only at run time.
#if defined(__CUDA_ARCH__)
#define LRD_TABLE __device__ constexpr
#else
#define LRD_TABLE constexpr
#endif

// Every build of these headers lives in a namespace of its own (see csrc/cpu), so the linker never mixes them.
#ifndef LRD_ISA
#define LRD_ISA portable
#endif

namespace lrd::LRD_ISA {

LRD_HD uint32_t bits_of(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}

LRD_HD float float_of(uint32_t u) {
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}

// One rounding each, whatever the compiler's flags.
#if defined(__CUDA_ARCH__)
LRD_HD float fma(float a, float b, float c) { return __fmaf_rn(a, b, c); }
LRD_HD float square_root(float x) { return __fsqrt_rn(x); }
LRD_HD float floor_of(float x) { return floorf(x); }
LRD_HD float infinity() { return __int_as_float(0x7F800000); }
LRD_HD float larger(float a, float b) { return fmaxf(a, b); }
#else
LRD_HD float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
LRD_HD float square_root(float x) { return __builtin_sqrtf(x); }
LRD_HD float floor_of(float x) { return __builtin_floorf(x); }
LRD_HD float infinity() { return __builtin_inff(); }
LRD_HD float larger(float a, float b) { return a > b ? a : b; }  // as maxps: b where equal
#endif

// The same number, in words that keep nvcc from working it out only where it is asked for, behind a branch.
LRD_HD float kept(float x) {
#if defined(__CUDA_ARCH__)
  asm("" : "+f"(x));
#endif
  return x;
}

// Correctly rounded, for x in [2^-100, 2^100] only: on a device nvcc's own instructions for 1 / x and the square root,
// less the look at x and the call for what is out of range.
#if defined(__CUDA_ARCH__)
LRD_HD float reciprocal(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return fma(y, fma(-x, y, 1.0f), y);
}
LRD_HD float square_root_of_normal(float x) {
  float y;
  asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  const float root = x * y;
  return fma(fma(-root, root, x), 0.5f * y, root);
}
#else
LRD_HD float reciprocal(float x) { return 1.0f / x; }
LRD_HD float square_root_of_normal(float x) { return square_root(x); }
#endif

// c0 + c1 x + c2 x^2 + ..., by Horner's rule in explicit fmas: the same bits on every executor.
LRD_HD float polynomial(float, float c) { return c; }

template <typename... Rest>
LRD_HD float polynomial(float x, float c, Rest... rest) {
  return fma(polynomial(x, rest...), x, c);
}

}  // namespace lrd::LRD_ISA
