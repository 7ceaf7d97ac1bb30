// OsFile: a file of the operating system's file system, with O_DIRECT where it takes it.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/io/io_queue.h"
#include "runtime/io/unique_fd.h"
#include "runtime/io/writable_file.h"

namespace leoam {

class RegisteredFiles;

class OsFile final : public WritableFile {
 public:
  // Owns an open regular file; `unnamed`: nothing else leads to it.
  OsFile(UniqueFd fd, bool direct, bool unnamed);
  OsFile(const OsFile&) = delete;
  OsFile& operator=(const OsFile&) = delete;
  ~OsFile() override;

  Result<uint64_t> size_bytes() const override;
  Status read_at(uint64_t offset_bytes, std::span<uint8_t> out) const override;
  Status write_at(uint64_t offset_bytes, std::span<const uint8_t> data) override;
  Status resize(uint64_t bytes) override;
  Status sync() override;

  // FileSystem::lock; `folder_fd` and `name` are the path.
  Status lock(int folder_fd, const std::string& name);

  int fd() const { return fd_.get(); }
  bool direct() const { return direct_.load(std::memory_order_acquire); }
  // The failure of a transfer that the system refused with `code`.
  Status failure(IoOperation operation, uint64_t offset_bytes, uint64_t bytes, int code) const;
  // A ring's table that this file has a place in, and leaves when it closes. False: it takes no places.
  bool join(std::weak_ptr<RegisteredFiles> table);

 private:
  // Whether a transfer that failed with `code` may succeed without O_DIRECT, which is off then.
  bool fell_back(bool was_direct, int code) const;
  void leave_tables();

  UniqueFd fd_;
  const bool unnamed_;
  const int owner_pid_;
  mutable std::atomic<bool> direct_;
  std::atomic<bool> locked_{false};
  std::atomic<bool> sync_failed_{false};
  std::mutex tables_mutex_;
  std::vector<std::weak_ptr<RegisteredFiles>> tables_;
  bool joins_tables_ = true;
};

}  // namespace leoam
