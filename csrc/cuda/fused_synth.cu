// SPDX-License-Identifier: Apache-2.0
// Launches of the CUDA executor. No torch header: any nvcc compiles this for any torch.
#include "fused_synth.h"

#include <cuda_runtime.h>

#include <cstdio>

#define LRD_ISA device
#include "cuda_dialect.cuh"
#include "stack_kernel.cuh"

#define LRD_TEXT(...) #__VA_ARGS__
#define LRD_TEXT_OF(...) LRD_TEXT(__VA_ARGS__)

namespace lrd {
namespace {

// Not left to torch's guard alone: this object is linked with a runtime of its own.
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

const char* description(cudaError_t error) { return error == cudaSuccess ? nullptr : cudaGetErrorString(error); }

// An error of a call before the launch, which must not be found again after the next one.
const char* forgotten(cudaError_t error) {
  cudaGetLastError();
  return description(error);
}

int attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  if (cudaDeviceGetAttribute(&value, which, device) != cudaSuccess) cudaGetLastError();
  return value;
}

// Whether the kernel that would run here was compiled for tensor cores: PTX of sm_75 runs on later devices too.
template <typename Kernel>
bool has_tensor_cores(Kernel kernel) {
  cudaFuncAttributes of = {};
  if (cudaFuncGetAttributes(&of, kernel) != cudaSuccess) cudaGetLastError();
  return of.ptxVersion >= 80;
}

const char* too_large(const Request& q, int needed, int available, const char* precision) {
  static thread_local char text[320];
  std::snprintf(
      text, sizeof text,
      "generator must fit into this GPU: with hidden layers %d wide (all are taken as wide as the widest) it needs "
      "%d bytes of shared memory a block in %s, and the GPU has %d. Use fewer or narrower layers, "
      "generator.bfloat16() from sm_80 on, or backend=\"reference\"",
      q.widths[0], needed, precision, available);
  return text;
}

// Rows of a strip: many, to draw few rows twice, but enough strips for every multiprocessor to have several.
int rows_of_strip(const Request& q, int64_t strips_across, int multiprocessors) {
  int rows = device::kMostStripRows;
  while (rows > 16 && q.batch * strips_across * ((q.cell_rows + rows - 1) / rows) < 6 * int64_t{multiprocessors}) {
    rows /= 2;
  }
  return rows;
}

template <int kWidth, device::Precision kPrecision>
const char* launch_stack(const Request& q, const device::Stack& stack, int device, cudaStream_t stream) {
  const auto kernel = device::stack_kernel<kWidth, kPrecision>;
  const int bytes = device::shared_bytes<kWidth, kPrecision>(stack.layers);
  // Less what a block keeps its quantiles in.
  const int available = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, device) - device::kBlockOctavesBytes;
  if (bytes > available) {
    return too_large(q, bytes, available, kPrecision == device::Precision::kBfloat16 ? "bfloat16" : "float32");
  }
  // All there is and not this call's bytes: another thread may set it between here and the launch.
  const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, available);
  if (error != cudaSuccess) return forgotten(error);
  const int64_t columns = device::strip_columns<kWidth>(stack.layers);
  const int rows =
      rows_of_strip(q, (q.cell_cols + columns - 1) / columns, attribute(cudaDevAttrMultiProcessorCount, device));
  const dim3 grid(blocks(q.cell_cols, columns, 0x7FFFFFFF), blocks(q.cell_rows, rows, 65535),
                  blocks(q.batch, 1, 65535));
  kernel<<<grid, device::Strip<kWidth>::kThreads, bytes, stream>>>(q, stack, rows);
  return description(cudaGetLastError());
}

// Weights in bfloat16 run in float32 where there are no tensor cores for them.
template <int kWidth>
const char* launch_width(const Request& q, const device::Stack& stack, int device, cudaStream_t stream) {
  constexpr auto kFloat32 = device::Precision::kFloat32, kBfloat16 = device::Precision::kBfloat16;
  return q.bfloat16 && has_tensor_cores(device::stack_kernel<kWidth, kBfloat16>)
             ? launch_stack<kWidth, kBfloat16>(q, stack, device, stream)
             : launch_stack<kWidth, kFloat32>(q, stack, device, stream);
}

// widths are all 16 or all 32 (lrd_ext/generator/packing.py fills narrower layers up).
const char* launch_generator(const Request& q, int device, cudaStream_t stream) {
  device::Stack stack = device::unpack_stack(q.weights, q.widths);
  if (q.bfloat16) stack.fragments = reinterpret_cast<const uint32_t*>(q.weights + device::packed_size(q.widths));
  return q.widths[0] == 16 ? launch_width<16>(q, stack, device, stream) : launch_width<32>(q, stack, device, stream);
}

}  // namespace

const char* fused_synth_cuda(const Request& q, int device, void* stream) {
  const CurrentDevice current(device);
  if (current.error() != cudaSuccess) return forgotten(current.error());
  if (q.weights != nullptr) return launch_generator(q, device, static_cast<cudaStream_t>(stream));
  const dim3 grid(blocks(q.cell_cols, kTileCellCols, 0x7FFFFFFF), blocks(q.cell_rows, kTileCellRows, 65535),
                  blocks(q.batch, 1, 65535));
  device::physics_kernel<<<grid, device::kThreads, 0, static_cast<cudaStream_t>(stream)>>>(q, device::vectors_of(q));
  return description(cudaGetLastError());
}

const char* cuda_targets() { return LRD_TEXT_OF(LRD_CUDA_TARGETS); }

}  // namespace lrd
