// SPDX-License-Identifier: Apache-2.0
// Launches of the CUDA executor. No torch header: any nvcc compiles this for any torch.
#include "fused_synth.h"

#include <cuda_runtime.h>

#include <cstdio>
#include <map>
#include <mutex>

#define LRD_ISA device
#include "cuda_dialect.cuh"
#include "sensor_kernel.cuh"
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

// An error of the first call on a device.
const char* not_prepared(cudaError_t error) {
  static thread_local char text[320];
  std::snprintf(text, sizeof text,
                "the kernels could not be loaded: %s. Where this call is being captured into a CUDA graph, make one "
                "call of fused_synth on this device before the capture",
                forgotten(error));
  return text;
}

// While this lives, what a capture forbids because it might wait for other streams is allowed on this thread: loading
// a module during a call that is being captured into a CUDA graph.
class AllowedInCapture {
 public:
  AllowedInCapture() { cudaThreadExchangeStreamCaptureMode(&mode_); }
  ~AllowedInCapture() { cudaThreadExchangeStreamCaptureMode(&mode_); }
  AllowedInCapture(const AllowedInCapture&) = delete;
  AllowedInCapture& operator=(const AllowedInCapture&) = delete;

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

// What is asked of a device once.
struct Device {
  int multiprocessors = 0;
  int shared_bytes = 0;       // a block may have beside its quantiles
  bool tensor_cores = false;  // the kernels that run here were compiled for them
};

// All shared memory there is and not what a call needs, so that it need not be set again. Loads the kernels too.
template <int kWidth, device::Precision kPrecision>
cudaError_t prepare_stack(const Device& d) {
  constexpr auto kMost = cudaFuncAttributeMaxDynamicSharedMemorySize;
  const cudaError_t error =
      cudaFuncSetAttribute(device::stack_kernel<kWidth, kPrecision, false>, kMost, d.shared_bytes);
  if (error != cudaSuccess) return error;
  return cudaFuncSetAttribute(device::stack_kernel<kWidth, kPrecision, true>, kMost, d.shared_bytes);
}

// Load the kernels on the current device and set what they need.
cudaError_t prepare(int device, Device& d) {
  constexpr auto kFloat32 = device::Precision::kFloat32, kBfloat16 = device::Precision::kBfloat16;
  const AllowedInCapture allowed;
  cudaFuncAttributes physics = {}, stack = {};
  cudaError_t error = cudaDeviceGetAttribute(&d.multiprocessors, cudaDevAttrMultiProcessorCount, device);
  if (error == cudaSuccess) {
    error = cudaDeviceGetAttribute(&d.shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
    d.shared_bytes -= static_cast<int>(sizeof(device::BlockOctaves));
  }
  if (error == cudaSuccess) error = cudaFuncGetAttributes(&physics, device::physics_kernel<true>);
  if (error == cudaSuccess) error = cudaFuncGetAttributes(&physics, device::physics_kernel<false>);
  if (error == cudaSuccess) error = cudaFuncGetAttributes(&physics, device::sensor_kernel);
  if (error == cudaSuccess) error = cudaFuncGetAttributes(&stack, device::stack_kernel<16, kBfloat16>);
  d.tensor_cores = stack.ptxVersion >= 80;  // PTX of sm_75 runs on later devices too
  if (error == cudaSuccess) error = prepare_stack<16, kFloat32>(d);
  if (error == cudaSuccess) error = prepare_stack<32, kFloat32>(d);
  if (error == cudaSuccess) error = prepare_stack<16, kBfloat16>(d);
  if (error == cudaSuccess) error = prepare_stack<32, kBfloat16>(d);
  return error;
}

// The current device, prepared at its first call. A failure is not kept: the next call tries again.
cudaError_t prepared(int device, Device& d) {
  static std::mutex mutex;
  static std::map<int, Device> known;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = known.find(device);
  if (found != known.end()) {
    d = found->second;
    return cudaSuccess;
  }
  const cudaError_t error = prepare(device, d);
  if (error == cudaSuccess) known[device] = d;
  return error;
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

template <int kWidth, device::Precision kPrecision, bool kSensor>
const char* launch_stack(const Request& q, const device::Stack& stack, const Device& d, cudaStream_t stream) {
  const int bytes = device::shared_bytes<kWidth, kPrecision, kSensor>(stack.layers);
  if (bytes > d.shared_bytes) {
    return too_large(q, bytes, d.shared_bytes, kPrecision == device::Precision::kBfloat16 ? "bfloat16" : "float32");
  }
  const int64_t columns = device::strip_columns<kWidth>(stack.layers);
  const int rows = rows_of_strip(q, (q.cell_cols + columns - 1) / columns, d.multiprocessors);
  const dim3 grid(blocks(q.cell_cols, columns, 0x7FFFFFFF), blocks(q.cell_rows, rows, 65535),
                  blocks(q.batch, 1, 65535));
  device::stack_kernel<kWidth, kPrecision, kSensor>
      <<<grid, device::Strip<kWidth>::kThreads, bytes, stream>>>(q, device::through_planes(q), stack, rows);
  return description(cudaGetLastError());
}

template <int kWidth, device::Precision kPrecision>
const char* launch_precision(const Request& q, const device::Stack& stack, const Device& d, cudaStream_t stream) {
  return q.has_sensor ? launch_stack<kWidth, kPrecision, true>(q, stack, d, stream)
                      : launch_stack<kWidth, kPrecision, false>(q, stack, d, stream);
}

// Weights in bfloat16 run in float32 where there are no tensor cores for them.
template <int kWidth>
const char* launch_width(const Request& q, const device::Stack& stack, const Device& d, cudaStream_t stream) {
  return q.bfloat16 && d.tensor_cores ? launch_precision<kWidth, device::Precision::kBfloat16>(q, stack, d, stream)
                                      : launch_precision<kWidth, device::Precision::kFloat32>(q, stack, d, stream);
}

// widths are all 16 or all 32 (lrd_ext/generator/packing.py fills narrower layers up).
const char* launch_generator(const Request& q, const Device& d, cudaStream_t stream) {
  device::Stack stack = device::unpack_stack(q.weights, q.widths);
  if (q.bfloat16) stack.fragments = reinterpret_cast<const uint32_t*>(q.weights + device::packed_size(q.widths));
  return q.widths[0] == 16 ? launch_width<16>(q, stack, d, stream) : launch_width<32>(q, stack, d, stream);
}

// Rows of a tile: as many as share what is drawn once a tile, but on few cells enough tiles for all multiprocessors.
int rows_of_tile(const Request& q, int multiprocessors) {
  const int64_t across = q.batch * ((q.cell_cols + kTileCellCols - 1) / kTileCellCols);
  int rows = kTileCellRows;
  while (rows > 2 * device::kRowsAtOnce && across * ((q.cell_rows + rows - 1) / rows) < 3 * multiprocessors) {
    rows /= 2;
  }
  return rows;
}

const char* launch_physics(const Request& q, const Device& d, cudaStream_t stream) {
  const int rows = rows_of_tile(q, d.multiprocessors);
  const dim3 grid(blocks(q.cell_cols, kTileCellCols, 0x7FFFFFFF), blocks(q.cell_rows, rows, 65535),
                  blocks(q.batch, 1, 65535));
  const auto kernel = q.has_sensor          ? device::sensor_kernel
                      : device::is_usual(q) ? device::physics_kernel<true>
                                            : device::physics_kernel<false>;
  kernel<<<grid, device::kThreads, 0, stream>>>(q, device::through_planes(q), rows);
  return description(cudaGetLastError());
}

}  // namespace

const char* fused_synth_cuda(const Request& q, int device, void* stream) {
  const CurrentDevice current(device);
  if (current.error() != cudaSuccess) return forgotten(current.error());
  Device d;
  const cudaError_t error = prepared(device, d);
  if (error != cudaSuccess) return not_prepared(error);
  if (q.weights != nullptr) return launch_generator(q, d, static_cast<cudaStream_t>(stream));
  return launch_physics(q, d, static_cast<cudaStream_t>(stream));
}

const char* cuda_targets() { return LRD_TEXT_OF(LRD_CUDA_TARGETS); }

}  // namespace lrd
