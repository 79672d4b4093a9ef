// SPDX-License-Identifier: Apache-2.0
// Launches of the CUDA executor. No torch header: any nvcc compiles this for any torch.
#include "fused_synth.h"

#include <cuda_runtime.h>

#define LRD_ISA device
#include "cuda_dialect.cuh"
#include "kernels.cuh"

#define LRD_TEXT(...) #__VA_ARGS__
#define LRD_TEXT_OF(...) LRD_TEXT(__VA_ARGS__)

namespace lrd {
namespace {

// The static runtime keeps a current device of its own, so torch's guard does not reach it.
class CurrentDevice {
 public:
  explicit CurrentDevice(int device) {
    if (cudaGetDevice(&callers_) != cudaSuccess) callers_ = device;
    error_ = cudaSetDevice(device);
  }
  ~CurrentDevice() { cudaSetDevice(callers_); }
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;
  cudaError_t error() const { return error_; }

 private:
  int callers_ = 0;
  cudaError_t error_;
};

// Blocks along one direction: its tiles, or CUDA's limit; the kernel strides over the rest.
unsigned blocks(int64_t length, int64_t tile, int64_t most) {
  const int64_t tiles = (length + tile - 1) / tile;
  return static_cast<unsigned>(tiles < most ? tiles : most);
}

}  // namespace

const char* fused_synth_cuda(const Request& q, int device, void* stream) {
  const CurrentDevice current(device);
  if (current.error() != cudaSuccess) return cudaGetErrorString(current.error());
  const dim3 grid(blocks(q.cell_cols, kTileCellCols, 0x7FFFFFFF), blocks(q.cell_rows, kTileCellRows, 65535),
                  blocks(q.batch, 1, 65535));
  device::physics_kernel<<<grid, device::kThreads, 0, static_cast<cudaStream_t>(stream)>>>(q, device::vectors_of(q));
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

const char* cuda_targets() { return LRD_TEXT_OF(LRD_CUDA_TARGETS); }

}  // namespace lrd
