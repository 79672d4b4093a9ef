// SPDX-License-Identifier: Apache-2.0
// The CUDA executor, for callers that know nothing of CUDA. Built only where setup.py says so.
#pragma once

#include "../request.h"

namespace lrd {

// Put the call on a stream (a cudaStream_t) of the device; every pointer of the request is that device's memory.
// Waits for nothing. Returns nullptr, or CUDA's description of what went wrong.
const char* fused_synth_cuda(const Request& request, int device, void* stream);

// What the device code was compiled for, as "sm_80+sm_90+compute_90"; compute_ is PTX for later devices.
const char* cuda_targets();

}  // namespace lrd
