// describe: the facts of a diagnosis, for people with a problem to report.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "c_api/include/leoam/leoam.h"
#include "runtime/engine/engine.h"

namespace leoam::c_api {

// Version, build, file, CPU, chosen kernels and why, device, memory, budgets, files: dotted keys and values
// in words.
std::vector<std::pair<std::string, std::string>> describe(Engine& engine, const EngineOptions& options);

leoam_build_info build_info();

}  // namespace leoam::c_api
