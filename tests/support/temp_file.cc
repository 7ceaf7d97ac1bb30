#include "tests/support/temp_file.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace leoam::testing {

TempFile::TempFile(std::span<const uint8_t> bytes) {
  std::string pattern = (std::filesystem::temp_directory_path() / "leoam-test-XXXXXX").string();
  if (!mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp failed for " + pattern);
  folder_ = pattern;
  path_ = folder_ + "/model.gguf";
  write(bytes);
}

TempFile::~TempFile() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void TempFile::write(std::span<const uint8_t> bytes) const {
  std::ofstream out(path_, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) throw std::runtime_error("cannot write " + path_);
}

}  // namespace leoam::testing
