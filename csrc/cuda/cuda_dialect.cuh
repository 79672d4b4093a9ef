// SPDX-License-Identifier: Apache-2.0
// The words of kernels.cuh in CUDA. tests/cuda/emulator.h says them for the host.
#pragma once

// Two blocks a multiprocessor: up to 128 registers, which every architecture gets by with, spilling none.
#define LRD_KERNEL(threads) __global__ void __launch_bounds__(threads, 2)
#define LRD_DEVICE __device__ __forceinline__
#define LRD_SHARED __shared__
#define LRD_BARRIER __syncthreads
#define LRD_READ_ANEW() asm volatile("" ::: "memory")
