#include "tests/support/real_models.h"

#include <cstdlib>

namespace leoam::testing {

std::optional<std::string> real_model(const std::string& name) {
  const char* folder = std::getenv("LEOAM_MODELS");
  const char* source = std::getenv("LEOAM_SOURCE_DIR");
  const std::filesystem::path base =
      folder ? folder : std::filesystem::path(source ? source : ".") / "models";
  const std::filesystem::path path = base / name;
  if (!std::filesystem::exists(path)) return std::nullopt;
  return path.string();
}

}  // namespace leoam::testing
