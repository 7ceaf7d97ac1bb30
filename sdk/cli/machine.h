// What a measurement was made with.
#pragma once

#include "common.h"

namespace leoam::cli {

// {"model", "machine", "build"}
Json measured_with(const Instance& instance, const Model& model);

}  // namespace leoam::cli
