// Where the real models are: the folder that LEOAM_MODELS names, else `models` of the source tree.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace leoam::testing {

inline constexpr const char* kSmolLm2 = "SmolLM2-135M-Instruct.Q4_1.gguf";
inline constexpr const char* kGemma3 = "gemma-3-270m-q4_k_m.gguf";

// Nothing when the file is not there; then a test skips.
std::optional<std::string> real_model(const std::string& name);

// GTEST_SKIP with the way to get the models, unless `name` is there; else declares `path`.
#define LEOAM_REAL_MODEL_OR_SKIP(path, name)                                                                \
  const std::optional<std::string> path##_found = ::leoam::testing::real_model(name);                       \
  if (!path##_found) GTEST_SKIP() << (name) << " is not in LEOAM_MODELS or models/; run scripts/models.sh"; \
  const std::string& path = *path##_found

}  // namespace leoam::testing
