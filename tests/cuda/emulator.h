// SPDX-License-Identifier: Apache-2.0
// A block of CUDA threads on the host, as fibers: enough to run csrc/cuda/kernels.cuh under the sanitizers. Between two
// barriers the threads run one after another in a chosen order, so that a missing barrier changes a result.
#pragma once

#include <sanitizer/common_interface_defs.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <random>
#include <vector>

struct uint3 {
  unsigned x, y, z;
};
struct alignas(8) uint2 {
  uint32_t x, y;
};
struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};

inline uint3 threadIdx, blockIdx, gridDim;

namespace emulator {

enum class Order { kForward, kReverse, kRandom };

constexpr size_t kStackBytes = 256 * 1024;

struct Fiber {
  ucontext_t context;
  std::vector<char> stack = std::vector<char>(kStackBytes);
  bool finished;
};

inline ucontext_t scheduler;
inline const void* scheduler_stack;
inline size_t scheduler_bytes;
inline std::vector<Fiber> fibers;
inline Fiber* running;
inline std::function<void()> body;

inline void to_scheduler(bool for_good) {
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(for_good ? nullptr : &fake_stack, scheduler_stack, scheduler_bytes);
  swapcontext(&running->context, &scheduler);
  __sanitizer_finish_switch_fiber(fake_stack, &scheduler_stack, &scheduler_bytes);
}

inline void enter() {
  __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_bytes);
  body();
  running->finished = true;
  to_scheduler(true);
}

inline void resume(Fiber& fiber, unsigned thread) {
  threadIdx = {thread, 0, 0};
  running = &fiber;
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(&fake_stack, fiber.stack.data(), fiber.stack.size());
  swapcontext(&scheduler, &fiber.context);
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
}

inline void barrier() {
#if !defined(LRD_PLANT_NO_BARRIER)
  to_scheduler(false);
#endif
}

// All threads of the current block up to their next barrier, again and again; every one must come to the same barriers.
inline void run_block(unsigned threads, Order order, std::mt19937& random) {
  fibers.resize(threads);
  std::vector<unsigned> sequence(threads);
  std::iota(sequence.begin(), sequence.end(), 0u);
  if (order == Order::kReverse) std::reverse(sequence.begin(), sequence.end());
  for (Fiber& fiber : fibers) {
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.data();
    fiber.context.uc_stack.ss_size = fiber.stack.size();
    fiber.context.uc_link = nullptr;
    fiber.finished = false;
    makecontext(&fiber.context, enter, 0);
  }
  for (size_t finished = 0; finished == 0;) {
    if (order == Order::kRandom) std::shuffle(sequence.begin(), sequence.end(), random);
    for (unsigned thread : sequence) resume(fibers[thread], thread);
    for (const Fiber& fiber : fibers) finished += fiber.finished;
    if (finished != 0 && finished != threads) {
      std::fprintf(stderr, "emulator: %zu of %u threads ended while the others wait at a barrier\n", finished, threads);
      std::exit(2);
    }
  }
}

// A launch: every block of the grid in turn.
template <typename Kernel>
void launch(uint3 grid, unsigned threads, Order order, std::mt19937& random, Kernel kernel) {
  gridDim = grid;
  body = kernel;
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        blockIdx = {x, y, z};
        run_block(threads, order, random);
      }
    }
  }
}

}  // namespace emulator

// The words of kernels.cuh on the host; csrc/cuda/cuda_dialect.cuh says them in CUDA.
#define LRD_KERNEL(threads) inline void
#define LRD_DEVICE inline
#define LRD_SHARED static
#define LRD_BARRIER emulator::barrier
#define LRD_READ_ANEW() ((void)0)
