// SimulatedInode: one file's bytes on a SimulatedDisk, as the process sees them and as the disk has them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <span>
#include <vector>

#include "runtime/io/writable_file.h"
#include "tests/support/simulated_disk.h"

namespace leoam::testing {

// What all files of a disk share.
struct SimulatedSpace {
  std::mutex mutex;  // of everything on the disk
  uint64_t capacity_bytes = UINT64_MAX;
  std::atomic<uint64_t> used_bytes{0};
};

class SimulatedInode {
 public:
  // All calls but destruction under the space's mutex.
  explicit SimulatedInode(std::shared_ptr<SimulatedSpace> space) : space_(std::move(space)) {}
  SimulatedInode(const SimulatedInode&) = delete;
  SimulatedInode& operator=(const SimulatedInode&) = delete;
  ~SimulatedInode() { space_->used_bytes -= live_.size(); }

  const std::vector<uint8_t>& bytes() const { return live_; }
  Status write(uint64_t offset_bytes, std::span<const uint8_t> data);
  Status resize(uint64_t bytes);
  void sync();
  void set_durable(std::vector<uint8_t> bytes);
  std::vector<uint8_t> after_power_loss(std::mt19937_64* random, PowerLoss mode) const;

  const void* locked_by = nullptr;

 private:
  struct Change {
    bool resizes = false;
    uint64_t at_bytes = 0;      // or the new size
    std::vector<uint8_t> data;  // of a write
  };
  Status grow(uint64_t bytes);

  const std::shared_ptr<SimulatedSpace> space_;
  std::vector<uint8_t> live_;
  std::vector<uint8_t> durable_;
  std::vector<Change> unsynced_;  // in their order
};

// An open handle.
class SimulatedFile final : public WritableFile {
 public:
  SimulatedFile(std::shared_ptr<SimulatedSpace> space, std::shared_ptr<SimulatedInode> inode, bool writable)
      : space_(std::move(space)), inode_(std::move(inode)), writable_(writable) {}
  ~SimulatedFile() override;

  Result<uint64_t> size_bytes() const override;
  Status read_at(uint64_t offset_bytes, std::span<uint8_t> out) const override;
  Status write_at(uint64_t offset_bytes, std::span<const uint8_t> data) override;
  Status resize(uint64_t bytes) override;
  Status sync() override;

  SimulatedInode& inode() { return *inode_; }

 private:
  Status check_writable() const;

  const std::shared_ptr<SimulatedSpace> space_;
  const std::shared_ptr<SimulatedInode> inode_;
  const bool writable_;
};

}  // namespace leoam::testing
