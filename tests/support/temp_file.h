// TempFile: a file of its own folder, removed with the object.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace leoam::testing {

class TempFile {
 public:
  // Throws std::runtime_error when the system refuses.
  explicit TempFile(std::span<const uint8_t> bytes = {});
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  ~TempFile();

  const std::string& path() const { return path_; }
  const std::string& folder() const { return folder_; }
  void write(std::span<const uint8_t> bytes) const;

 private:
  std::string folder_;
  std::string path_;
};

}  // namespace leoam::testing
