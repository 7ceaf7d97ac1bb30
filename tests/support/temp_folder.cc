#include "tests/support/temp_folder.h"

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>

namespace leoam::testing {

TempFolder::TempFolder(const std::string& parent) {
  path_ = (parent.empty() ? std::filesystem::temp_directory_path() : std::filesystem::path(parent)).string() +
          "/leoam-test-XXXXXX";
  if (!mkdtemp(path_.data())) throw std::runtime_error("mkdtemp failed for " + path_);
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string memory_folder() {
  constexpr char kFolder[] = "/dev/shm";
  return access(kFolder, W_OK | X_OK) == 0 ? kFolder : "";
}

}  // namespace leoam::testing
