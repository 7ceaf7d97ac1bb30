// FaultFileSystem: another FileSystem whose Nth operation fails.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/io/file_system.h"

namespace leoam::testing {

// What is counted, each as one step.
enum class FaultOperation {
  open,
  create_unnamed,
  lock,
  read,
  write,
  sync,
  resize,
  size,
  make_folder,
  rename,
  remove,
  sync_folder,
  free_bytes,
  create_queue,
  queue_read,
  queue_write,
  point,  // FaultFileSystem::point
};
const char* fault_operation_name(FaultOperation operation);

// How the step fails, as it shows at the file seam.
enum class FaultKind {
  io,                // EIO
  no_space,          // ENOSPC where something is written or created, else EIO
  short_then_error,  // half of a transfer is done, then EIO
  interrupted,       // EINTR: retried below the seam, so nothing shows
  again,             // EAGAIN, beyond what is retried
  access,            // EACCES
};
inline constexpr FaultKind kAllFaultKinds[] = {
    FaultKind::io,          FaultKind::no_space, FaultKind::short_then_error,
    FaultKind::interrupted, FaultKind::again,    FaultKind::access};
const char* fault_kind_name(FaultKind kind);

struct FaultPlan {
  uint64_t fail_at = 0;  // the step, from 1; 0: none
  FaultKind kind = FaultKind::io;
  bool from_then_on = false;  // every later step too
  // Called before every step with its number, on the thread that takes it.
  std::function<void(uint64_t step, FaultOperation operation)> before_step;
};

// A failed sync spoils its file as a real one does. Files and queues must not outlive it. Thread rule: as
// FileSystem.
class FaultFileSystem final : public FileSystem {
 public:
  explicit FaultFileSystem(FileSystem& below, FaultPlan plan = {}) : below_(below), plan_(std::move(plan)) {}

  Result<std::unique_ptr<WritableFile>> open(const std::string& path, OpenMode mode) override;
  Result<std::unique_ptr<WritableFile>> create_unnamed(const std::string& folder) override;
  Status lock(WritableFile& file, const std::string& path) override;
  Status make_private_folder(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status sync_folder(const std::string& path) override;
  Result<uint64_t> free_bytes(const std::string& folder) override;
  Result<std::unique_ptr<IoQueue>> create_queue(uint32_t depth, std::span<uint8_t> staging) override;
  std::vector<Fact> facts(const std::string& folder) override { return below_.facts(folder); }

  // A step of something else that the system can refuse, such as random bytes.
  Status point() { return step(FaultOperation::point); }

  // Every operation so far, in order: trace()[n - 1] was step n.
  std::vector<FaultOperation> trace() const;
  uint64_t n_steps() const;
  bool has_failed() const;
  // Nothing fails any more.
  void heal();

  // For its files and queues. `*cut_short`, where given: half of the transfer is to be done before it fails.
  Status step(FaultOperation operation, uint64_t bytes = 0, bool* cut_short = nullptr);

 private:
  FileSystem& below_;
  const FaultPlan plan_;
  mutable std::mutex mutex_;
  std::vector<FaultOperation> trace_;
  bool has_failed_ = false;
  bool healed_ = false;
};

}  // namespace leoam::testing
