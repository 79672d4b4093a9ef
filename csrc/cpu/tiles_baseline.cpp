// SPDX-License-Identifier: Apache-2.0
// The CPU executor for the compiler's default instruction set (x86-64, arm64 ...).
#define LRD_ISA baseline
#include "probe.h"
#include "tile.h"

namespace lrd {

const Build kBaseline = {"baseline", [] { return true; }, baseline::synthesize_tiles, baseline::probe};

}  // namespace lrd
