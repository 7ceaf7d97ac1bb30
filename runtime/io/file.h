// The file seam: the only door to the file system. Back ends: posix (here). Everything else receives a File.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "runtime/base/status.h"

namespace leoam {

// One open regular file. Thread rule: read_at may be called by several threads at once.
class File {
 public:
  virtual ~File() = default;
  // Size when opened.
  virtual uint64_t size_bytes() const = 0;
  // Fills all of `out` from `offset_bytes`, or fails: io (with the system's reason), or corrupt when the file
  // ends before (it shrank since it was opened).
  virtual Status read_at(uint64_t offset_bytes, std::span<uint8_t> out) const = 0;
  // Fails with corrupt when the file's size or time of modification is not what it was when opened.
  virtual Status check_unchanged() const { return {}; }
};

// Opens for reading. Fails with not_found, io, or unsupported when it is not a regular file (a FIFO, a
// device, a directory); never blocks on such a file. Links are followed: the caller names the file.
Result<std::unique_ptr<File>> open_for_reading(const std::string& path);

}  // namespace leoam
