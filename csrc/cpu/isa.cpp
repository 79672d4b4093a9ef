// SPDX-License-Identifier: Apache-2.0
#include "isa.h"

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

namespace lrd {

const std::vector<const Build*>& available_builds() {
  static const std::vector<const Build*> builds = [] {
    std::vector<const Build*> found = {&kBaseline};
#if defined(__x86_64__)
    for (const Build* build : {&kAvx2, &kAvx512}) {
      if (build->supported()) found.push_back(build);
    }
#endif
    return found;
  }();
  return builds;
}

const Build& build_named(const char* name) {
  std::string names;
  for (const Build* build : available_builds()) {
    if (std::strcmp(build->name, name) == 0) return *build;
    names += std::string(names.empty() ? "" : ", ") + build->name;
  }
  throw std::runtime_error("LRD_EXT_ISA must be one of " + names + " on this processor, got " + name);
}

const Build& chosen_build() {
  static const Build& build = [&]() -> const Build& {
    const char* wanted = std::getenv("LRD_EXT_ISA");
    return wanted != nullptr && *wanted != '\0' ? build_named(wanted) : *available_builds().back();
  }();
  return build;
}

}  // namespace lrd
