// SPDX-License-Identifier: Apache-2.0
// The CPU executor for x86-64-v4: AVX-512. The standard headers come first, outside the target's reach:
// their inline functions must stay baseline code, because the linker may share them with every other object.
#if defined(__x86_64__)
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "../request.h"

// The matrix unit that later processors have beside it; for generators in bfloat16.
#if defined(__linux__) && !defined(__clang__) && __has_include(<amxbf16intrin.h>)
#include <sys/syscall.h>
#include <unistd.h>
#define LRD_MATRIX_UNIT
#endif

#define LRD_ISA avx512
#define LRD_VECTOR_BITS 512
#if defined(__clang__)  // which ignores GCC's pragmas
#pragma clang attribute push(                                                                                  \
    __attribute__((target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,bmi,bmi2,f16c,lzcnt,movbe"))), \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target( \
    "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,bmi,bmi2,f16c,lzcnt,movbe,prefer-vector-width=512")
#endif
#include "probe.h"
#include "tile.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace lrd {
namespace {

bool supported() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("f16c") &&
         __builtin_cpu_supports("lzcnt") && __builtin_cpu_supports("movbe");
}

}  // namespace

const Build kAvx512 = {"avx512", supported, avx512::synthesize_tiles, avx512::probe};

}  // namespace lrd
#endif
