// WritableFile: one open regular file of the store, read and written in blocks.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/base/status.h"

namespace leoam {

// Offsets, lengths and addresses of all transfers are multiples of it: what O_DIRECT asks for on every disk
// in use, and the most that a single sector write can tear.
inline constexpr uint64_t kIoBlock_bytes = 4096;

// Thread rule: all calls are thread-safe; overlapping writes are the caller's to order.
class WritableFile {
 public:
  virtual ~WritableFile() = default;

  // Now, on disk.
  virtual Result<uint64_t> size_bytes() const = 0;
  // All of `out`, or a failure: io (with the system's reason), corrupt when the file ends before.
  virtual Status read_at(uint64_t offset_bytes, std::span<uint8_t> out) const = 0;
  // All of `data`, or a failure: no_space (disk, quota or file size limit; needed bytes are set), io. After a
  // failure the range holds anything. Writing behind the end extends the file.
  virtual Status write_at(uint64_t offset_bytes, std::span<const uint8_t> data) = 0;
  // Fails with no_space, io.
  virtual Status resize(uint64_t bytes) = 0;
  // What was written is on the disk when it returns. After a failure nothing written since the last success
  // can be relied on, whatever a later call says.
  virtual Status sync() = 0;
};

}  // namespace leoam
