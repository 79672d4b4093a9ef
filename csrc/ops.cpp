// SPDX-License-Identifier: Apache-2.0
// Registration of torch.ops.lrd_ext.* against the LibTorch stable ABI, so that one build serves later torch releases.
// Fake implementations are in lrd_ext/ops.py; lrd_ext/synth.py is the front door that users call.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/util/Exception.h>

#include <optional>

#include "cpu/isa.h"
#include "noise/params.h"

#if defined(LRD_WITH_CUDA)
#include <dlfcn.h>
#include <torch/csrc/stable/accelerator.h>

#include "cuda/fused_synth.h"
#endif

namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

lrd::Dtype dtype_of(const Tensor& t, const char* name) {
  switch (t.scalar_type()) {
    case ScalarType::Float: return lrd::Dtype::kFloat32;
    case ScalarType::Half: return lrd::Dtype::kFloat16;
    case ScalarType::BFloat16: return lrd::Dtype::kBfloat16;
    case ScalarType::UInt16: return lrd::Dtype::kUint16;
    default:
      STD_TORCH_CHECK(false, "lrd_ext.fused_synth: ", name, " must be float32, float16, bfloat16 or uint16");
      return lrd::Dtype::kFloat32;
  }
}

bool same_device(const Tensor& a, const Tensor& b) {
  return a.is_cpu() == b.is_cpu() && a.is_cuda() == b.is_cuda() && a.get_device() == b.get_device();
}

// Mosaic (B, H, W) or packed (B, 4, h, w), last dimension contiguous.
lrd::Frames frames_of(const Tensor& t, bool packed, int64_t batch, const char* name) {
  const int64_t dims = packed ? 4 : 3;
  STD_TORCH_CHECK(t.dim() == dims, "lrd_ext.fused_synth: ", name, " must have ", dims, " dimensions, got ", t.dim());
  STD_TORCH_CHECK(t.size(dims - 1) < 2 || t.stride(dims - 1) == 1, "lrd_ext.fused_synth: ", name,
                  " must be contiguous along its rows, got stride ", t.stride(dims - 1));
  STD_TORCH_CHECK(t.size(0) == batch || t.size(0) == 1, "lrd_ext.fused_synth: ", name, " must hold 1 or ", batch,
                  " samples, got ", t.size(0));
  return {const_cast<void*>(t.const_data_ptr()), dtype_of(t, name), t.size(0) == 1 ? 0 : t.stride(0),
          packed ? t.stride(1) : 0, t.stride(dims - 2)};
}

void check_beside(const Tensor& t, const Tensor& clean, const char* name) {
  bool same = t.dim() == clean.dim();
  for (int64_t d = 1; same && d < clean.dim(); ++d) same = t.size(d) == clean.size(d);
  STD_TORCH_CHECK(same, "lrd_ext.fused_synth: ", name, " must have clean's size");
  STD_TORCH_CHECK(same_device(t, clean), "lrd_ext.fused_synth: ", name, " must be on clean's device");
}

// The call as plain data, checked as far as memory safety needs; every tensor on clean's device.
lrd::Request checked_request(const Tensor& clean, const Tensor& table, const Tensor& seed, const Tensor& index,
                             const std::optional<Tensor>& dark, int64_t origin_row, int64_t origin_col, bool packed,
                             int64_t read, bool shot, int64_t output, int64_t quantize, int64_t clip,
                             const Tensor& out) {
  STD_TORCH_CHECK(table.dim() == 2 && table.size(1) == lrd::portable::kTableColumns && table.is_contiguous() &&
                      same_device(table, clean) && table.scalar_type() == ScalarType::Float,
                  "lrd_ext.fused_synth: table must be a contiguous float32 (B, ", lrd::portable::kTableColumns,
                  ") tensor on clean's device");
  STD_TORCH_CHECK(seed.numel() == 1 && seed.scalar_type() == ScalarType::Long && same_device(seed, clean),
                  "lrd_ext.fused_synth: seed must be one int64 on clean's device");
  const int64_t batch = clean.size(0);
  STD_TORCH_CHECK(index.numel() == batch && index.scalar_type() == ScalarType::Long && same_device(index, clean) &&
                      index.is_contiguous(),
                  "lrd_ext.fused_synth: index must be ", batch, " contiguous int64 on clean's device");
  STD_TORCH_CHECK(table.size(0) == 1 || table.size(0) == batch, "lrd_ext.fused_synth: table must have 1 or ", batch,
                  " rows, got ", table.size(0));
  check_beside(out, clean, "out");
  STD_TORCH_CHECK(out.size(0) == batch, "lrd_ext.fused_synth: out must hold ", batch, " samples");
  lrd::Request q = {};
  q.packed = packed;
  q.clean = frames_of(clean, packed, batch, "clean");
  q.out = frames_of(out, packed, batch, "out");
  if (dark.has_value()) {
    check_beside(*dark, clean, "dark");
    q.dark = frames_of(*dark, packed, batch, "dark");
  }
  const int64_t height = clean.size(clean.dim() - 2), width = clean.size(clean.dim() - 1);
  STD_TORCH_CHECK(packed ? clean.size(1) == 4 : height % 2 == 0 && width % 2 == 0,
                  "lrd_ext.fused_synth: clean must be whole 2x2 cells, got ", height, " x ", width);
  q.batch = batch;
  q.cell_rows = packed ? height : height / 2;
  q.cell_cols = packed ? width : width / 2;
  q.origin_row = origin_row;
  q.origin_col = origin_col;
  q.table = static_cast<const float*>(table.const_data_ptr());
  q.table_rows = table.size(0);
  q.seed = static_cast<const int64_t*>(seed.const_data_ptr());
  q.index = static_cast<const int64_t*>(index.const_data_ptr());
  q.read = static_cast<int>(read);
  q.output = static_cast<int>(output);
  q.quantize = static_cast<int>(quantize);
  q.clip = static_cast<int>(clip);
  q.shot = shot;
  return q;
}

void fused_synth_cpu(const Tensor& clean, const Tensor& table, const Tensor& seed, const Tensor& index,
                     std::optional<Tensor> dark, int64_t origin_row, int64_t origin_col, bool packed, int64_t read,
                     bool shot, int64_t output, int64_t quantize, int64_t clip, Tensor out) {
  const lrd::Request q = checked_request(clean, table, seed, index, dark, origin_row, origin_col, packed, read, shot,
                                         output, quantize, clip, out);
  if (clean.numel() == 0) return;
  const lrd::Build& build = lrd::chosen_build();
  torch::stable::parallel_for(0, lrd::tile_count(q), 1,
                              [&](int64_t first, int64_t last) { build.tiles(q, first, last); });
}

#if defined(LRD_WITH_CUDA)
// torch's current stream of the device, a cudaStream_t. Asked by name of the library that torch has loaded, because a
// torch without CUDA has no such function to link with.
void* current_cuda_stream(int32_t device) {
  using Ask = AOTITorchError (*)(int32_t, void**);
  static const Ask ask = [] {
    void* library = dlopen("libtorch_cuda.so", RTLD_LAZY | RTLD_NOLOAD);
    return library == nullptr ? nullptr : reinterpret_cast<Ask>(dlsym(library, "aoti_torch_get_current_cuda_stream"));
  }();
  STD_TORCH_CHECK(ask != nullptr, "lrd_ext.fused_synth: this torch has no CUDA streams");
  void* stream = nullptr;
  STD_TORCH_CHECK(ask(device, &stream) == AOTI_TORCH_SUCCESS, "lrd_ext.fused_synth: no current stream of device ",
                  device);
  return stream;
}

void fused_synth_cuda(const Tensor& clean, const Tensor& table, const Tensor& seed, const Tensor& index,
                      std::optional<Tensor> dark, int64_t origin_row, int64_t origin_col, bool packed, int64_t read,
                      bool shot, int64_t output, int64_t quantize, int64_t clip, Tensor out) {
  const lrd::Request q = checked_request(clean, table, seed, index, dark, origin_row, origin_col, packed, read, shot,
                                         output, quantize, clip, out);
  if (clean.numel() == 0) return;
  const int32_t device = clean.get_device();
  const torch::stable::accelerator::DeviceGuard guard(device);
  const char* error = lrd::fused_synth_cuda(q, device, current_cuda_stream(device));
  STD_TORCH_CHECK(error == nullptr, "lrd_ext.fused_synth: CUDA: ", error, " (device code for ", lrd::cuda_targets(),
                  ")");
}
#endif

}  // namespace

STABLE_TORCH_LIBRARY(lrd_ext, m) {
  m.def(
      "fused_synth(Tensor clean, Tensor table, Tensor seed, Tensor index, Tensor? dark, int origin_row, "
      "int origin_col, bool packed, int read, bool shot, int output, int quantize, int clip, Tensor(a!) out) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lrd_ext, CPU, m) { m.impl("fused_synth", TORCH_BOX(&fused_synth_cpu)); }

#if defined(LRD_WITH_CUDA)
STABLE_TORCH_LIBRARY_IMPL(lrd_ext, CUDA, m) { m.impl("fused_synth", TORCH_BOX(&fused_synth_cuda)); }
#endif
