// SPDX-License-Identifier: Apache-2.0
// The CPU executor for the compiler's default instruction set; on arm64 that has NEON.
#define LRD_ISA baseline
#if defined(__aarch64__)
#define LRD_NEON
#define LRD_NAME "neon"
#else
#define LRD_NAME "baseline"
#endif
#include "probe.h"
#include "tile.h"

namespace lrd {

const Build kBaseline = {LRD_NAME, [] { return true; }, baseline::synthesize_tiles, baseline::probe};

}  // namespace lrd
