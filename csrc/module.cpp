// SPDX-License-Identifier: Apache-2.0
// lrd_ext._C: the op's call without torch's dispatcher, build information, and probes of the random words and quantiles
// for the tests.

// No torch header is included here, and the copy of pybind11 that torch 2.10 brings does not go with this.
#undef TORCH_TARGET_VERSION
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "cpu/isa.h"
#include "noise/params.h"
#include "noise/philox.h"
#include "noise/sensor_row.h"
#include "run.h"

#if defined(LRD_WITH_CUDA)
#include "cuda/fused_synth.h"
#endif

namespace py = pybind11;

extern const char lrd_source_hash[];  // setup.py generates its definition

#define LRD_NAME(word) #word
#define LRD_NAME_OF(word) LRD_NAME(word)

namespace {

std::vector<uint32_t> philox(const std::vector<uint32_t>& counter, const std::vector<uint32_t>& key) {
  if (counter.size() != 4 || key.size() != 2) throw std::invalid_argument("philox: needs 4 counter and 2 key words");
  const auto w = lrd::portable::philox4x32(counter[0], counter[1], counter[2], counter[3], key[0], key[1]);
  return {w.v, w.v + 4};
}

using Index = py::array_t<int64_t, py::array::c_style | py::array::forcecast>;

// (n, 4 * cells): of each index the words of cells (0, first_cell), (0, first_cell + 1) ... of a component.
py::array_t<int64_t> words(uint64_t seed, const Index& index, uint32_t component, uint32_t first_cell, uint32_t cells) {
  py::array_t<int64_t> result({index.size(), py::ssize_t{4} * cells});
  int64_t* next = result.mutable_data();
  for (py::ssize_t i = 0; i < index.size(); ++i) {
    const auto stream = lrd::portable::make_stream(static_cast<int64_t>(seed), index.data()[i]);
    for (uint32_t c = 0; c < cells; ++c) {
      const auto w = lrd::portable::words(stream, static_cast<lrd::portable::Component>(component), 0, first_cell + c);
      next = std::copy(w.v, w.v + 4, next);
    }
  }
  return result;
}

using Words = py::array_t<uint32_t, py::array::c_style | py::array::forcecast>;
using Floats = py::array_t<float, py::array::c_style | py::array::forcecast>;

Floats quantile(const std::string& which, const Words& words, const Floats& argument, const std::string& isa) {
  lrd::Quantile kind;
  if (which == "normal") {
    kind = lrd::Quantile::kNormal;
  } else if (which == "tukey_lambda") {
    kind = lrd::Quantile::kTukeyLambda;
  } else if (which == "poisson") {
    kind = lrd::Quantile::kPoisson;
  } else if (which == "empirical") {
    kind = lrd::Quantile::kEmpirical;
  } else {
    throw std::invalid_argument("quantile: which must be normal, tukey_lambda, poisson or empirical, got " + which);
  }
  if (argument.size() != (kind == lrd::Quantile::kEmpirical ? lrd::kKnots : words.size())) {
    throw std::invalid_argument("quantile: one argument per word is needed, or one table of quantiles");
  }
  const lrd::Build& build = isa.empty() ? lrd::chosen_build() : lrd::build_named(isa.c_str());
  Floats result(words.size());
  build.probe(kind, words.data(), argument.data(), result.mutable_data(), words.size());
  return result;
}

// A mosaic (H, W), whose rows are contiguous, to planes (4, H/2, W/2), plane i from site sites[i]. Loops that the
// compiler vectorises.
void pack(const py::array_t<uint16_t>& mosaic, py::array_t<uint16_t>& planes, const std::array<int, 4>& sites) {
  const bool fit = planes.ndim() == 3 && planes.shape(0) == 4 && mosaic.ndim() == 2 &&
                   mosaic.shape(0) == 2 * planes.shape(1) && mosaic.shape(1) == 2 * planes.shape(2);
  std::array<int, 4> sorted = sites;
  std::sort(sorted.begin(), sorted.end());
  if (!fit || sorted != std::array<int, 4>{0, 1, 2, 3} || !(planes.flags() & py::array::c_style) ||
      (mosaic.shape(1) > 0 && mosaic.strides(1) != sizeof(uint16_t))) {
    throw std::invalid_argument("pack: needs a mosaic (H, W) of contiguous rows, planes (4, H/2, W/2), and 4 sites");
  }
  const py::ssize_t cols = planes.shape(2), plane_size = planes.shape(1) * cols, step = mosaic.strides(0);
  const char* const source = static_cast<const char*>(mosaic.request().ptr);
  uint16_t* plane_of[4];
  for (int plane = 0; plane < 4; ++plane) plane_of[sites[plane]] = planes.mutable_data() + plane * plane_size;
  const py::gil_scoped_release release;
  for (py::ssize_t row = 0; row < mosaic.shape(0); ++row) {
    const char* const line = source + row * step;
    // A crop's rows lie on pages apart, where the processor does not look ahead by itself.
    for (py::ssize_t at = 0; at < 4 * cols; at += 64) __builtin_prefetch(line + step + at);
    const uint16_t* const from = reinterpret_cast<const uint16_t*>(line);
    uint16_t* const left = plane_of[row % 2 * 2] + row / 2 * cols;
    uint16_t* const right = plane_of[row % 2 * 2 + 1] + row / 2 * cols;
    for (py::ssize_t i = 0; i < cols; ++i) {
      left[i] = from[2 * i];
      right[i] = from[2 * i + 1];
    }
  }
}

// Whether float32 frames, contiguous (batch, planes, height, width), are at most a limit, which NaN is not, wherever
// they are looked at: in every so many frames, rows and columns.
bool at_most(uintptr_t address, const std::array<int64_t, 4>& shape, const std::array<int64_t, 3>& steps, float limit) {
  const float* const value = reinterpret_cast<const float*>(address);
  const auto [batch, planes, height, width] = shape;
  const auto [frame_step, row_step, column_step] = steps;
  if (value == nullptr || frame_step < 1 || row_step < 1 || column_step < 1) return false;
  bool all = true;
  for (int64_t b = 0; b < batch; b += frame_step) {
    for (int64_t plane = b * planes; plane < (b + 1) * planes; ++plane) {
      for (int64_t row = 0; row < height; row += row_step) {
        const float* const line = value + (plane * height + row) * width;
        for (int64_t i = 0; i < width; i += column_step) all &= line[i] <= limit;
      }
    }
  }
  return all;
}

// The op on a CPU for what needs nothing of torch's dispatcher: all memory contiguous, kept alive and known to fit by
// the caller, lrd_ext/ops.py. channels as the op takes them.
void synth(uintptr_t clean, int clean_dtype, uintptr_t out, int out_dtype, uintptr_t table, int64_t rows,
           int64_t columns, int64_t batch, int64_t height, int64_t width, const std::vector<int64_t>& channels,
           bool shot, int output, int quantize, int clip, int64_t seed, int64_t index, int64_t sensor,
           int64_t origin_row, int64_t origin_col) {
  lrd::Request q = {};
  const bool packed = channels.size() == 4;
  if (clean == 0 || out == 0 || !lrd::take_table(reinterpret_cast<const void*>(table), rows, columns, q)) {
    throw std::invalid_argument("synth: needs clean, out and a table as wide as the kernels read it");
  }
  const auto frames = [&](uintptr_t address, int dtype) {
    void* const data = reinterpret_cast<void*>(address);
    const lrd::Dtype kind = static_cast<lrd::Dtype>(dtype);
    const int64_t plane = height * width;
    if (!packed) return lrd::mosaic_frames(data, kind, plane, width);
    return lrd::packed_frames(data, kind, 4 * plane, plane, width,
                              {channels[0], channels[1], channels[2], channels[3]});
  };
  q.clean = frames(clean, clean_dtype);
  q.out = frames(out, out_dtype);
  q.batch = batch;
  q.cell_rows = packed ? height : height / 2;
  q.cell_cols = packed ? width : width / 2;
  q.origin_row = origin_row;
  q.origin_col = origin_col;
  q.seed_value = seed;
  q.first_index = index;
  q.sensor_value = sensor;
  q.output = output;
  q.quantize = quantize;
  q.clip = clip;
  q.shot = shot;
  const py::gil_scoped_release release;
  lrd::run_on_cpu(q);
}

// Name and width of each field of a part of the parameter table's rows, in order.
template <size_t kCount>
std::vector<std::pair<std::string, size_t>> names_and_widths(const lrd::Column (&columns)[kCount]) {
  std::vector<std::pair<std::string, size_t>> result;
  for (const lrd::Column& c : columns) result.emplace_back(c.name, c.size / sizeof(float));
  return result;
}

std::vector<std::string> isa_names() {
  std::vector<std::string> names;
  for (const lrd::Build* build : lrd::available_builds()) names.emplace_back(build->name);
  return names;
}

}  // namespace

PYBIND11_MODULE(_C, m) {
  m.doc() = "Compiled part of lrd_ext: build information, probes and a straight call of torch.ops.lrd_ext.fused_synth";
  m.attr("compiler") = __VERSION__;
  m.attr("source_hash") = static_cast<const char*>(lrd_source_hash);
#if defined(LRD_WITH_CUDA)
  m.attr("cuda_targets") = lrd::cuda_targets();
  m.attr("cuda_why_not") = "";
#else
  m.attr("cuda_targets") = "";
  m.attr("cuda_why_not") = LRD_NAME_OF(LRD_CUDA_WHY_NOT);  // a key of WHY_NOT_CUDA in lrd_ext/ops.py
#endif
  m.attr("table_columns") = names_and_widths(lrd::kColumns);
  m.attr("sensor_columns") = names_and_widths(lrd::kSensorColumnNames);
  m.attr("read_models") =
      std::vector<std::string>(std::begin(lrd::portable::kReadNames), std::end(lrd::portable::kReadNames));
  m.def("isa", [] { return std::string(lrd::chosen_build().name); }, "Instruction set the CPU executor runs on.");
  m.def("isa_names", &isa_names, "Instruction sets this processor can run, slowest first.");
  m.def("at_most", &at_most, py::arg("address"), py::arg("shape"), py::arg("steps"), py::arg("limit"),
        "Whether float32 frames (batch, planes, height, width) at an address are at most a limit in every so many "
        "frames, "
        "rows and columns.");
  m.def("synth", &synth, py::arg("clean"), py::arg("clean_dtype"), py::arg("out"), py::arg("out_dtype"),
        py::arg("table"), py::arg("rows"), py::arg("columns"), py::arg("batch"), py::arg("height"), py::arg("width"),
        py::arg("channels"), py::arg("shot"), py::arg("output"), py::arg("quantize"), py::arg("clip"), py::arg("seed"),
        py::arg("index"), py::arg("sensor"), py::arg("origin_row"), py::arg("origin_col"),
        "The op without torch's dispatcher, by the addresses of contiguous memory; lrd_ext/ops.py says when.");
  m.def("pack", &pack, py::arg("mosaic").noconvert(), py::arg("planes").noconvert(), py::arg("sites"),
        "Fill planes (4, H/2, W/2) from a mosaic (H, W), both uint16: plane i from site sites[i].");
  m.def("philox", &philox, py::arg("counter"), py::arg("key"), "Philox4x32-10 of one counter.");
  m.def("words", &words, py::arg("seed"), py::arg("index"), py::arg("component"), py::arg("first_cell"),
        py::arg("cells"), "Random words (n, 4 * cells) of a component in the cells (0, first_cell ...) of n indices.");
  m.def("quantile", &quantile, py::arg("which"), py::arg("words"), py::arg("argument"), py::arg("isa") = "",
        "Quantiles of uint32 words; argument is the Tukey-lambda shape or the Poisson mean of each, or the table of "
        "them.");
}
