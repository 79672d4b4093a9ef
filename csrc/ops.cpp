// SPDX-License-Identifier: Apache-2.0
// Registration of torch.ops.lrd_ext.* against the LibTorch stable ABI, so that one build serves later torch releases.
// Fake implementations are in lrd_ext/ops.py; lrd_ext/synth.py is the front door that users call.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/util/Exception.h>

#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "cpu/isa.h"
#include "noise/conv_tile.h"
#include "noise/sample.h"
#include "run.h"

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

// How a call says where the four sites are: in which channels of packed frames, or nothing of mosaics.
using Channels = std::vector<int64_t>;

void check_channels(const Channels& channels) {
  bool held[4] = {};
  for (const int64_t c : channels) {
    if (c >= 0 && c < 4) held[c] = true;
  }
  STD_TORCH_CHECK(channels.empty() || (channels.size() == 4 && held[0] && held[1] && held[2] && held[3]),
                  "lrd_ext.fused_synth: channels must be 0, 1, 2 and 3 in some order, or none for mosaics");
}

// Mosaic (B, H, W) or packed (B, 4, h, w), last dimension contiguous.
lrd::Frames frames_of(const Tensor& t, const Channels& channels, int64_t batch, const char* name) {
  const bool packed = !channels.empty();
  const int64_t dims = packed ? 4 : 3;
  STD_TORCH_CHECK(t.dim() == dims, "lrd_ext.fused_synth: ", name, " must have ", dims, " dimensions, got ", t.dim());
  STD_TORCH_CHECK(t.size(dims - 1) < 2 || t.stride(dims - 1) == 1, "lrd_ext.fused_synth: ", name,
                  " must be contiguous along its rows, got stride ", t.stride(dims - 1));
  STD_TORCH_CHECK(t.size(0) == batch || t.size(0) == 1, "lrd_ext.fused_synth: ", name, " must hold 1 or ", batch,
                  " samples, got ", t.size(0));
  void* data = const_cast<void*>(t.const_data_ptr());
  const lrd::Dtype dtype = dtype_of(t, name);
  const int64_t sample = t.size(0) == 1 ? 0 : t.stride(0);
  if (!packed) return lrd::mosaic_frames(data, dtype, sample, t.stride(1));
  return lrd::packed_frames(data, dtype, sample, t.stride(1), t.stride(2),
                            {channels[0], channels[1], channels[2], channels[3]});
}

void check_beside(const Tensor& t, const Tensor& clean, const char* name) {
  bool same = t.dim() == clean.dim();
  for (int64_t d = 1; same && d < clean.dim(); ++d) same = t.size(d) == clean.size(d);
  STD_TORCH_CHECK(same, "lrd_ext.fused_synth: ", name, " must have clean's size");
  STD_TORCH_CHECK(same_device(t, clean), "lrd_ext.fused_synth: ", name, " must be on clean's device");
}

// Seed and index as tensors, which a compiled graph or a CUDA graph may refill, or as numbers.
struct Identity {
  std::optional<Tensor> seed, index, sensor;
  int64_t seed_value, first_index, sensor_value;
};

// One number per sample.
const int64_t* numbers_of(const Tensor& t, const Tensor& clean, int64_t batch, const char* name) {
  STD_TORCH_CHECK(
      t.numel() == batch && t.scalar_type() == ScalarType::Long && same_device(t, clean) && t.is_contiguous(),
      "lrd_ext.fused_synth: ", name, " must be ", batch, " contiguous int64 on clean's device");
  return static_cast<const int64_t*>(t.const_data_ptr());
}

void add_identity(const Identity& identity, const Tensor& clean, lrd::Request& q) {
  q.seed_value = identity.seed_value;
  q.first_index = identity.first_index;
  q.sensor_value = identity.sensor_value;
  if (identity.seed.has_value()) {
    const Tensor& seed = *identity.seed;
    STD_TORCH_CHECK(seed.numel() == 1 && seed.scalar_type() == ScalarType::Long && same_device(seed, clean),
                    "lrd_ext.fused_synth: seed must be one int64 on clean's device");
    q.seed = static_cast<const int64_t*>(seed.const_data_ptr());
  }
  if (identity.index.has_value()) q.index = numbers_of(*identity.index, clean, q.batch, "index");
  if (identity.sensor.has_value()) q.sensor = numbers_of(*identity.sensor, clean, q.batch, "sensor");
}

void add_table(const Tensor& table, const Tensor& clean, lrd::Request& q) {
  STD_TORCH_CHECK(table.dim() == 2 && lrd::take_table(table.const_data_ptr(), table.size(0), table.size(1), q) &&
                      table.is_contiguous() && same_device(table, clean) && table.scalar_type() == ScalarType::Float,
                  "lrd_ext.fused_synth: table must be a contiguous float32 (B, ", lrd::kTableColumns,
                  ") tensor on clean's device, ", "with ", lrd::kKnots, " columns more for quantiles and ",
                  lrd::kSensorColumns, " more for the sensor");
  STD_TORCH_CHECK(table.size(0) == 1 || table.size(0) == q.batch, "lrd_ext.fused_synth: table must have 1 or ", q.batch,
                  " rows, got ", table.size(0));
}

// The call as plain data, checked as far as memory safety needs; every tensor on clean's device.
lrd::Request checked_request(const Tensor& clean, const Tensor& table, const Identity& identity, int64_t origin_row,
                             int64_t origin_col, const std::optional<Tensor>& dark, const Channels& channels, bool shot,
                             int64_t output, int64_t quantize, int64_t clip, const Tensor& out) {
  check_channels(channels);
  const bool packed = !channels.empty();
  const int64_t batch = clean.size(0);
  check_beside(out, clean, "out");
  STD_TORCH_CHECK(out.size(0) == batch, "lrd_ext.fused_synth: out must hold ", batch, " samples");
  lrd::Request q = {};
  q.batch = batch;
  q.clean = frames_of(clean, channels, batch, "clean");
  q.out = frames_of(out, channels, batch, "out");
  if (dark.has_value()) {
    check_beside(*dark, clean, "dark");
    q.dark = frames_of(*dark, channels, batch, "dark");
  }
  const int64_t height = clean.size(clean.dim() - 2), width = clean.size(clean.dim() - 1);
  STD_TORCH_CHECK(packed ? clean.size(1) == 4 : height % 2 == 0 && width % 2 == 0,
                  "lrd_ext.fused_synth: clean must be whole 2x2 cells, got ", height, " x ", width);
  q.cell_rows = packed ? height : height / 2;
  q.cell_cols = packed ? width : width / 2;
  q.origin_row = origin_row;
  q.origin_col = origin_col;
  add_table(table, clean, q);
  add_identity(identity, clean, q);
  q.output = static_cast<int>(output);
  q.quantize = static_cast<int>(quantize);
  q.clip = static_cast<int>(clip);
  q.shot = shot;
  return q;
}

// What is wanted beside the noise: float frames that lie as out does.
void add_target(const std::optional<Tensor>& target, const Tensor& clean, const Channels& channels, const char* name,
                lrd::Frames& frames, int64_t batch) {
  if (!target.has_value()) return;
  check_beside(*target, clean, name);
  STD_TORCH_CHECK(target->size(0) == batch, "lrd_ext.fused_synth: ", name, " must hold ", batch, " samples, got ",
                  target->size(0));
  frames = frames_of(*target, channels, batch, name);
  STD_TORCH_CHECK(frames.dtype != lrd::Dtype::kUint16, "lrd_ext.fused_synth: ", name,
                  " must be float32, float16 or bfloat16");
}

// The learned generator: its packed weights and sigma_init beside a request.
void add_generator(const Tensor& clean, const Tensor& weights, const std::optional<Tensor>& sigma_init,
                   const std::vector<int64_t>& widths, bool bfloat16, lrd::Request& q) {
  bool valid = !widths.empty() && widths.size() <= lrd::portable::kMaxHiddenLayers, equal = true;
  for (const int64_t width : widths) {
    valid = valid && (width == 16 || width == 32);
    equal = equal && width == widths[0];
  }
  STD_TORCH_CHECK(valid, "lrd_ext.fused_synth: widths must be 1 to ", lrd::portable::kMaxHiddenLayers, " of 16 or 32");
  STD_TORCH_CHECK(equal || clean.is_cpu(), "lrd_ext.fused_synth: widths must be equal on a GPU");
  for (size_t i = 0; i < widths.size(); ++i) q.widths[i] = static_cast<int>(widths[i]);
  q.bfloat16 = bfloat16;
  const bool has_fragments = bfloat16 && !clean.is_cpu();
  const int64_t size =
      lrd::portable::packed_size(q.widths) + (has_fragments ? lrd::portable::fragment_words(q.widths) : 0);
  STD_TORCH_CHECK(weights.dim() == 1 && weights.size(0) == size && weights.scalar_type() == ScalarType::Float &&
                      weights.is_contiguous() && same_device(weights, clean),
                  "lrd_ext.fused_synth: weights must be ", size, " contiguous float32 on clean's device");
  STD_TORCH_CHECK(sigma_init.has_value() && sigma_init->dim() == 1 && sigma_init->is_contiguous() &&
                      (sigma_init->size(0) == 1 || sigma_init->size(0) == q.batch) &&
                      sigma_init->scalar_type() == ScalarType::Float && same_device(*sigma_init, clean),
                  "lrd_ext.fused_synth: sigma_init must be 1 or ", q.batch, " contiguous float32 on clean's device");
  q.weights = static_cast<const float*>(weights.const_data_ptr());
  q.sigma_init = static_cast<const float*>(sigma_init->const_data_ptr());
  q.sigma_rows = sigma_init->size(0);
  STD_TORCH_CHECK(reinterpret_cast<uintptr_t>(q.weights) % 16 == 0,
                  "lrd_ext.fused_synth: weights must begin at a multiple of 16 bytes");
}

// Values, where looking at them waits for no device.
void check_table_values(const lrd::Request& q) {
  constexpr float kModels = sizeof lrd::portable::kReadNames / sizeof *lrd::portable::kReadNames;
  for (int64_t i = 0; i < q.table_rows; ++i) {
    const float read = lrd::portable::row_of(q, i).read;
    STD_TORCH_CHECK(read >= 0.0f && read < kModels, "lrd_ext.fused_synth: table must hold codes of read models, got ",
                    read);
    STD_TORCH_CHECK(q.has_quantiles || read != static_cast<float>(lrd::portable::Read::kEmpirical),
                    "lrd_ext.fused_synth: table must hold quantiles where the read model is empirical");
  }
}

void check_generator_values(const lrd::Request& q) {
  const int64_t size = lrd::portable::packed_size(q.widths);
  bool finite = true;  // a loop without a branch: thousands of weights, in calls of any size
  for (int64_t i = 0; i < size; ++i) finite &= std::fabs(q.weights[i]) <= std::numeric_limits<float>::max();
  for (int64_t i = 0; !finite && i < size; ++i) {
    STD_TORCH_CHECK(std::isfinite(q.weights[i]), "lrd_ext.fused_synth: weights must be finite, got ", q.weights[i]);
  }
  for (int64_t i = 0; i < q.sigma_rows; ++i) {
    STD_TORCH_CHECK(q.sigma_init[i] >= 1e-6f && q.sigma_init[i] <= 1e6f,
                    "lrd_ext.fused_synth: sigma_init must be in [1e-06, 1e+06] DN (NaN: the ISO is unknown or outside "
                    "the trained range), got ",
                    q.sigma_init[i]);
  }
}

void fused_synth_cpu(const Tensor& clean, const Tensor& table, std::optional<Tensor> seed, std::optional<Tensor> index,
                     int64_t seed_value, int64_t first_index, int64_t origin_row, int64_t origin_col,
                     std::optional<Tensor> dark, std::vector<int64_t> channels, bool shot, int64_t output,
                     int64_t quantize, int64_t clip, Tensor out, std::optional<Tensor> weights,
                     std::optional<Tensor> sigma_init, std::vector<int64_t> widths, bool bfloat16,
                     std::optional<Tensor> clean_out, std::optional<Tensor> sigma_out, std::optional<Tensor> sensor,
                     int64_t sensor_value) {
  lrd::Request q = checked_request(clean, table, {seed, index, sensor, seed_value, first_index, sensor_value},
                                   origin_row, origin_col, dark, channels, shot, output, quantize, clip, out);
  add_target(clean_out, clean, channels, "clean_out", q.clean_out, q.batch);
  add_target(sigma_out, clean, channels, "sigma_out", q.sigma_out, q.batch);
  if (weights.has_value()) {
    add_generator(clean, *weights, sigma_init, widths, bfloat16, q);
    check_generator_values(q);
  }
  lrd::run_on_cpu(q);
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

void fused_synth_cuda(const Tensor& clean, const Tensor& table, std::optional<Tensor> seed, std::optional<Tensor> index,
                      int64_t seed_value, int64_t first_index, int64_t origin_row, int64_t origin_col,
                      std::optional<Tensor> dark, std::vector<int64_t> channels, bool shot, int64_t output,
                      int64_t quantize, int64_t clip, Tensor out, std::optional<Tensor> weights,
                      std::optional<Tensor> sigma_init, std::vector<int64_t> widths, bool bfloat16,
                      std::optional<Tensor> clean_out, std::optional<Tensor> sigma_out, std::optional<Tensor> sensor,
                      int64_t sensor_value) {
  lrd::Request q = checked_request(clean, table, {seed, index, sensor, seed_value, first_index, sensor_value},
                                   origin_row, origin_col, dark, channels, shot, output, quantize, clip, out);
  add_target(clean_out, clean, channels, "clean_out", q.clean_out, q.batch);
  add_target(sigma_out, clean, channels, "sigma_out", q.sigma_out, q.batch);
  if (weights.has_value()) add_generator(clean, *weights, sigma_init, widths, bfloat16, q);
  if (clean.numel() == 0) return;
  const int32_t device = clean.get_device();
  const torch::stable::accelerator::DeviceGuard guard(device);
  const char* error = lrd::fused_synth_cuda(q, device, current_cuda_stream(device));
  STD_TORCH_CHECK(error == nullptr, "lrd_ext.fused_synth: CUDA: ", error, " (device code for ", lrd::cuda_targets(),
                  ")");
}
#endif

}  // namespace

bool lrd::take_table(const void* table, int64_t rows, int64_t columns, Request& q) {
  const int64_t more = columns - kTableColumns;
  q.table = static_cast<const TableRow*>(table);
  q.table_rows = rows;
  q.has_quantiles = more >= kKnots;
  q.has_sensor = more == kSensorColumns || more == kKnots + kSensorColumns;
  return q.has_sensor || more == 0 || more == kKnots;
}

void lrd::run_on_cpu(const Request& q) {
  check_table_values(q);
  const Build& build = chosen_build();
  torch::stable::parallel_for(0, tile_count(q), 1, [&](int64_t first, int64_t last) { build.tiles(q, first, last); });
}

STABLE_TORCH_LIBRARY(lrd_ext, m) {
  m.def(
      "fused_synth(Tensor clean, Tensor table, Tensor? seed, Tensor? index, SymInt seed_value, SymInt first_index, "
      "SymInt origin_row, SymInt origin_col, Tensor? dark, int[] channels, bool shot, int output, int quantize, "
      "int clip, Tensor(a!) out, Tensor? weights=None, Tensor? sigma_init=None, int[] widths=[], bool bfloat16=False, "
      "Tensor(b!)? clean_out=None, Tensor(c!)? sigma_out=None, Tensor? sensor=None, SymInt sensor_value=0) "
      "-> ()");
}

STABLE_TORCH_LIBRARY_IMPL(lrd_ext, CPU, m) { m.impl("fused_synth", TORCH_BOX(&fused_synth_cpu)); }

#if defined(LRD_WITH_CUDA)
STABLE_TORCH_LIBRARY_IMPL(lrd_ext, CUDA, m) { m.impl("fused_synth", TORCH_BOX(&fused_synth_cuda)); }
#endif
