// The makers of all policies but exact, one line each.
#pragma once

#include "runtime/kv/policy/policy.h"

namespace leoam {

inline uint32_t all_granules(uint32_t page_granules) {
  return page_granules >= 32 ? UINT32_MAX : (uint32_t{1} << page_granules) - 1;
}

using CreatePolicy = std::unique_ptr<Policy>(const PolicyOptions& options, const PolicyMeans& means);
CreatePolicy create_leoam, create_quest, create_window;

}  // namespace leoam
