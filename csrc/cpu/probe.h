// SPDX-License-Identifier: Apache-2.0
// The quantiles of csrc/noise over arrays, so that tests can hold every instruction-set build against SciPy.
#pragma once

#include "../noise/site.h"
#include "../request.h"

namespace lrd::LRD_ISA {
namespace {

constexpr int kProbeBlock = 64;

template <typename F>
void over_blocks(const uint32_t* word, const float* argument, float* result, int64_t n, F f) {
  for (int64_t start = 0; start < n; start += kProbeBlock) {
    const int64_t count = n - start < kProbeBlock ? n - start : kProbeBlock;
    uint32_t w[kProbeBlock] = {};
    float a[kProbeBlock] = {}, r[kProbeBlock];
    memcpy(w, word + start, sizeof(uint32_t) * count);
    if (argument != nullptr) memcpy(a, argument + start, sizeof(float) * count);
    f(w, a, r);
    memcpy(result + start, r, sizeof(float) * count);
  }
}

inline void probe(Quantile which, const uint32_t* word, const float* argument, float* result, int64_t n) {
  using Word = const uint32_t (&)[kProbeBlock];
  using Value = float (&)[kProbeBlock];
  const auto normal = [](Word w, Value, Value r) { normal_quantiles<kProbeBlock>(w, r); };
  const auto tukey_lambda = [](Word w, Value a, Value r) {
    // Shapes may differ within a block here, while a sample has one: all of its words by each shape in turn.
    ReadOctaves octaves;
    float deviate[kProbeBlock];
    for (int i = 0; i < kProbeBlock; ++i) {
      if (i == 0 || a[i] != a[i - 1]) {
        octave_quantiles<kProbeBlock>(w, *octaves.of(read_model(static_cast<float>(Read::kTukeyLambda), 1.0f, a[i])),
                                      deviate);
      }
      r[i] = deviate[i];
    }
  };
  const auto poisson = [](Word w, Value a, Value r) {
    float mean[kProbeBlock];
    for (int i = 0; i < kProbeBlock; ++i) mean[i] = poisson_mean(a[i], 1.0f);
    poisson_quantiles<kProbeBlock>(w, mean, r);
  };
  const auto empirical = [argument](Word w, Value, Value r) { table_quantiles<kProbeBlock>(w, argument, r); };
  switch (which) {
    case Quantile::kNormal: return over_blocks(word, argument, result, n, normal);
    case Quantile::kTukeyLambda: return over_blocks(word, argument, result, n, tukey_lambda);
    case Quantile::kPoisson: return over_blocks(word, argument, result, n, poisson);
    case Quantile::kEmpirical: return over_blocks(word, nullptr, result, n, empirical);
  }
}

}  // namespace
}  // namespace lrd::LRD_ISA
