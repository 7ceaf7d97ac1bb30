// The makers of all policies but exact, one line each.
#pragma once

#include "runtime/kv/policy/policy.h"

namespace leoam {

using CreatePolicy = std::unique_ptr<Policy>(const PolicyOptions& options, const PolicyMeans& means);
CreatePolicy create_leoam, create_quest, create_window, create_h2o;

}  // namespace leoam
