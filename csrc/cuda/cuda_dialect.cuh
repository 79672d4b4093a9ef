// SPDX-License-Identifier: Apache-2.0
// The words of kernels.cuh in CUDA. tests/cuda/emulator.h says them for the host.
#pragma once

#include <cstdint>

// blocks: of a multiprocessor, at least. 512 threads leave each 128 registers, 768 leave 80.
#define LRD_KERNEL(threads, blocks) __global__ void __launch_bounds__((threads), (blocks))
#define LRD_DEVICE __device__ __forceinline__
#define LRD_SHARED __shared__
#define LRD_BARRIER __syncthreads
#define LRD_WARP_BARRIER __syncwarp
#define LRD_DYNAMIC_SHARED(name) extern __shared__ __align__(16) char name[]
#define LRD_READ_ANEW() asm volatile("" ::: "memory")

namespace lrd {

// So many bytes behind the beginning of something in shared memory that is aligned to more than these.
template <typename T>
__device__ __forceinline__ const T* behind(const T* aligned, uint32_t bytes) {
  const size_t address = __cvta_generic_to_shared(aligned) | bytes;
  return static_cast<const T*>(__cvta_shared_to_generic(address));
}

// Two bfloat16 in a word, rounded half to even.
__device__ __forceinline__ uint32_t two_bfloat16(float low, float high) {
  uint32_t word = 0;
#if __CUDA_ARCH__ >= 800
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
#endif
  return word;
}

// A warp's matrix tile of 16 rows x 16 bfloat16, a quarter of it in each register. Lane i names the 16 bytes of row
// i % 16, half i / 16.
__device__ __forceinline__ void load_tiles(uint32_t (&a)[4], const uint32_t* row) {
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(a[0]), "=r"(a[1]), "=r"(a[2]), "=r"(a[3])
               : "r"(address)
               : "memory");
}

// d += a b: 16 x 16 by 16 x 8 bfloat16, float32 sums, spread over a warp (PTX: mma.m16n8k16). Devices before sm_80 have
// no such instruction; no caller runs there.
__device__ __forceinline__ void multiply_add_tiles(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

}  // namespace lrd
