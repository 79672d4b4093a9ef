// SPDX-License-Identifier: Apache-2.0
// The builds of the CPU executor and which of them runs.
#pragma once

#include <vector>

#include "../request.h"

namespace lrd {

// Builds this processor can run, slowest first.
const std::vector<const Build*>& available_builds();

// The fastest one, or the one named by the environment variable LRD_EXT_ISA; chosen once.
// Throws std::runtime_error where LRD_EXT_ISA names none of them.
const Build& chosen_build();

// Throws std::runtime_error where no available build has this name.
const Build& build_named(const char* name);

}  // namespace lrd
