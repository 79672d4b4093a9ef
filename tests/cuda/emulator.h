// SPDX-License-Identifier: Apache-2.0
// A block of CUDA threads on the host, as fibers: enough to run the kernels of csrc/cuda under the sanitizers. Between
// two barriers the warps run one after another in a chosen order, and so do the threads of a warp, and the blocks: a
// missing barrier changes a result. What a warp does as one, products of matrix tiles, is done when its last thread has
// come.
#pragma once

#include <sanitizer/common_interface_defs.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
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
constexpr unsigned kWarp = 32;

enum class State { kReady, kAtBarrier, kInWarp, kFinished };

struct Fiber {
  ucontext_t context;
  std::vector<char> stack = std::vector<char>(kStackBytes);
  State state;
};

// What the threads of a warp bring to an instruction that they execute as one, and what each takes away.
struct Lane {
  const void* what;  // the instruction, told by its code
  float d[4];
  uint32_t a[4], b[2];
  const uint32_t* row;
};
struct Warp {
  Lane lane[kWarp];
  unsigned arrived = 0;
};

inline ucontext_t scheduler;
inline const void* scheduler_stack;
inline size_t scheduler_bytes;
inline std::vector<Fiber> fibers;
inline Fiber* running;
inline std::function<void()> body;
inline std::vector<Warp> warps;
inline std::vector<char> dynamic_shared;

inline void to_scheduler(bool for_good) {
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(for_good ? nullptr : &fake_stack, scheduler_stack, scheduler_bytes);
  swapcontext(&running->context, &scheduler);
  __sanitizer_finish_switch_fiber(fake_stack, &scheduler_stack, &scheduler_bytes);
}

inline void enter() {
  __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_bytes);
  body();
  running->state = State::kFinished;
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

inline int without_barrier = -1;  // the planted fault: this barrier, counted through the kernels' text, is not there

inline void barrier(int number) {
  if (number == without_barrier) return;
  running->state = State::kAtBarrier;
  to_scheduler(false);
}

[[noreturn]] inline void fail(const char* what) {
  std::fprintf(stderr, "emulator: %s\n", what);
  std::exit(2);
}

// Wait for the whole warp; its last thread carries the instruction out for all lanes.
template <typename Instruction>
void as_one(Lane mine, Instruction carry_out, Lane& result) {
  Warp& warp = warps[threadIdx.x / kWarp];
  const unsigned lane = threadIdx.x % kWarp;
  static const char code = 0;
  mine.what = &code;
  warp.lane[lane] = mine;
  if (++warp.arrived < kWarp) {
    running->state = State::kInWarp;
    to_scheduler(false);
  } else {
    for (const Lane& other : warp.lane) {
      if (other.what != mine.what) fail("the lanes of a warp are at different instructions");
    }
    carry_out(warp.lane);
    warp.arrived = 0;
    for (unsigned i = 0; i < kWarp; ++i) fibers[threadIdx.x / kWarp * kWarp + i].state = State::kReady;
  }
  result = warp.lane[lane];
}

inline void start_fibers(unsigned threads) {
  fibers.resize(threads);
  warps.assign((threads + kWarp - 1) / kWarp, Warp());
  for (Fiber& fiber : fibers) {
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.data();
    fiber.context.uc_stack.ss_size = fiber.stack.size();
    fiber.context.uc_link = nullptr;
    fiber.state = State::kReady;
    makecontext(&fiber.context, enter, 0);
  }
}

// Whether the block goes on, once no thread can without the others: all at a barrier are let through together.
inline bool release_barrier() {
  const auto count = [](State state) {
    return std::count_if(fibers.begin(), fibers.end(), [=](const Fiber& f) { return f.state == state; });
  };
  const auto all = static_cast<std::ptrdiff_t>(fibers.size());
  if (count(State::kFinished) == all) return false;
  if (count(State::kAtBarrier) != all) fail("some threads wait at a barrier or for their warp, the others never come");
  for (Fiber& fiber : fibers) fiber.state = State::kReady;
  return true;
}

inline std::vector<unsigned> in_order(unsigned count, Order order, std::mt19937& random) {
  std::vector<unsigned> sequence(count);
  std::iota(sequence.begin(), sequence.end(), 0u);
  if (order == Order::kReverse) std::reverse(sequence.begin(), sequence.end());
  if (order == Order::kRandom) std::shuffle(sequence.begin(), sequence.end(), random);
  return sequence;
}

// Let a warp run until all its threads wait at a barrier of the block or have ended.
inline void run_warp(unsigned first, const std::vector<unsigned>& lanes) {
  for (bool moved = true; moved;) {
    moved = false;
    for (unsigned lane : lanes) {
      if (first + lane >= fibers.size() || fibers[first + lane].state != State::kReady) continue;
      resume(fibers[first + lane], first + lane);
      moved = true;
    }
  }
}

// Warps run up to their next barrier, one after another; every thread must come to the same barriers.
inline void run_block(unsigned threads, Order order, std::mt19937& random) {
  start_fibers(threads);
  std::fill(dynamic_shared.begin(), dynamic_shared.end(), static_cast<char>(0xFF));  // NaN: nothing is there yet
  do {
    const std::vector<unsigned> lanes = in_order(kWarp, order, random);
    for (unsigned warp : in_order((threads + kWarp - 1) / kWarp, order, random)) run_warp(warp * kWarp, lanes);
  } while (release_barrier());
}

// A launch: every block of the grid, one after another. shared_bytes: of dynamic shared memory.
template <typename Kernel>
void launch(uint3 grid, unsigned threads, size_t shared_bytes, Order order, std::mt19937& random, Kernel kernel) {
  gridDim = grid;
  std::vector<char>(shared_bytes).swap(dynamic_shared);  // of exactly this size, so that the sanitizer sees its end
  body = kernel;
  for (unsigned block : in_order(grid.x * grid.y * grid.z, order, random)) {
    blockIdx = {block % grid.x, block / grid.x % grid.y, block / grid.x / grid.y};
    run_block(threads, order, random);
  }
}

}  // namespace emulator

// The words of the kernels on the host; csrc/cuda/cuda_dialect.cuh says them in CUDA.
#define LRD_KERNEL(threads, blocks) inline void
#define LRD_DEVICE inline
#define LRD_SHARED static
constexpr int kBeforeBarriers = __COUNTER__;
#define LRD_BARRIER() emulator::barrier(__COUNTER__ - kBeforeBarriers - 1)
#define LRD_WARP_BARRIER() ((void)0)
#define LRD_DYNAMIC_SHARED(name) char* const name = emulator::dynamic_shared.data()
#define LRD_READ_ANEW() ((void)0)

namespace lrd {

template <typename T>
const T* behind(const T* aligned, uint32_t bytes) {
  return reinterpret_cast<const T*>(reinterpret_cast<const char*>(aligned) + bytes);
}

}  // namespace lrd
