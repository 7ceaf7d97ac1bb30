// ThrottledFileSystem: another FileSystem as on a slower disk.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>

#include "runtime/io/file_system.h"

namespace leoam::testing {

struct ThrottledDisk {
  double bytes_per_second = 0;  // of all queues together
  uint32_t latency_us = 100;    // of a request, before its bytes
};

// Requests of queues end when such a disk would have done them, one behind the other; whatever else is done
// with files takes no longer. Queues must not outlive it. Thread rule: as FileSystem.
class ThrottledFileSystem final : public FileSystem {
 public:
  ThrottledFileSystem(std::unique_ptr<FileSystem> below, ThrottledDisk disk)
      : below_(std::move(below)), disk_(disk) {}

  Result<std::unique_ptr<WritableFile>> open(const std::string& path, OpenMode mode) override {
    return below_->open(path, mode);
  }
  Result<std::unique_ptr<WritableFile>> create_unnamed(const std::string& folder) override {
    return below_->create_unnamed(folder);
  }
  Status lock(WritableFile& file, const std::string& path) override { return below_->lock(file, path); }
  Status make_private_folder(const std::string& path) override { return below_->make_private_folder(path); }
  Status rename(const std::string& from, const std::string& to) override { return below_->rename(from, to); }
  Status remove(const std::string& path) override { return below_->remove(path); }
  Status sync_folder(const std::string& path) override { return below_->sync_folder(path); }
  Result<uint64_t> free_bytes(const std::string& folder) override { return below_->free_bytes(folder); }
  Result<std::unique_ptr<IoQueue>> create_queue(uint32_t depth, std::span<uint8_t> staging) override;
  std::vector<Fact> facts(const std::string& folder) override { return below_->facts(folder); }

  using Clock = std::chrono::steady_clock;
  // For its queues: when a request that is submitted now ends.
  Clock::time_point take_turn(uint64_t bytes);

 private:
  const std::unique_ptr<FileSystem> below_;
  const ThrottledDisk disk_;
  std::mutex mutex_;
  Clock::time_point idle_from_;  // behind the last request
};

}  // namespace leoam::testing
