// TempFolder: a private folder, removed with the object and everything in it.
#pragma once

#include <string>

namespace leoam::testing {

class TempFolder {
 public:
  // In `parent`, or where temporary files go. Throws std::runtime_error when the system refuses.
  explicit TempFolder(const std::string& parent = {});
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder();

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// Where files are in memory, for tests that do much and need no disk; "" (where temporary files go) without
// one.
std::string memory_folder();

}  // namespace leoam::testing
