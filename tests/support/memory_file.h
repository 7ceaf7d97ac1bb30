// MemoryFile: a File over bytes in memory.
#pragma once

#include <cstring>
#include <vector>

#include "runtime/io/file.h"

namespace leoam::testing {

class MemoryFile final : public File {
 public:
  explicit MemoryFile(std::vector<uint8_t> bytes) : bytes_(std::move(bytes)) {}

  uint64_t size_bytes() const override { return bytes_.size(); }
  Status read_at(uint64_t offset_bytes, std::span<uint8_t> out) const override {
    if (offset_bytes > bytes_.size() || out.size() > bytes_.size() - offset_bytes)
      return error(ErrorKind::corrupt, "the file ends at offset {}: expected {} bytes at {}", bytes_.size(),
                   out.size(), offset_bytes);
    if (!out.empty()) std::memcpy(out.data(), bytes_.data() + offset_bytes, out.size());
    return {};
  }

 private:
  std::vector<uint8_t> bytes_;
};

}  // namespace leoam::testing
