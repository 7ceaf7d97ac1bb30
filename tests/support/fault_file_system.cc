#include "tests/support/fault_file_system.h"

#include <atomic>

#include "runtime/io/transfer.h"

namespace leoam::testing {
namespace {

bool takes_room(FaultOperation operation) {
  switch (operation) {
    case FaultOperation::open:
    case FaultOperation::create_unnamed:
    case FaultOperation::write:
    case FaultOperation::sync:
    case FaultOperation::resize:
    case FaultOperation::make_folder:
    case FaultOperation::rename:
    case FaultOperation::sync_folder:
    case FaultOperation::queue_write:
      return true;
    default:
      return false;
  }
}

Status failure_of(FaultKind kind, FaultOperation operation, uint64_t step, uint64_t bytes) {
  const std::string message = fmt::format("injected at step {} ({}): {}", step,
                                          fault_operation_name(operation), fault_kind_name(kind));
  if (kind == FaultKind::no_space && takes_room(operation)) return Status::no_space(message, bytes, 0);
  return Status(ErrorKind::io, message);
}

// The first half of a transfer in whole blocks.
size_t half(size_t bytes) {
  return bytes / 2 / kIoBlock_bytes * kIoBlock_bytes;
}

class FaultFile final : public WritableFile {
 public:
  FaultFile(FaultFileSystem& files, std::unique_ptr<WritableFile> below)
      : files_(files), below_(std::move(below)) {}

  Result<uint64_t> size_bytes() const override {
    LEOAM_RETURN_IF_ERROR(files_.step(FaultOperation::size));
    return below_->size_bytes();
  }
  Status read_at(uint64_t offset_bytes, std::span<uint8_t> out) const override {
    return read(FaultOperation::read, offset_bytes, out);
  }
  Status write_at(uint64_t offset_bytes, std::span<const uint8_t> data) override {
    return write(FaultOperation::write, offset_bytes, data);
  }
  Status resize(uint64_t bytes) override {
    LEOAM_RETURN_IF_ERROR(files_.step(FaultOperation::resize, bytes));
    return below_->resize(bytes);
  }
  Status sync() override {
    Status failed = files_.step(FaultOperation::sync);
    if (failed.ok() && sync_failed_.load())
      failed = error(ErrorKind::io, "an earlier sync of the file failed");
    if (!failed.ok()) sync_failed_.store(true);
    return failed.ok() ? below_->sync() : std::move(failed);
  }

  Status read(FaultOperation operation, uint64_t offset_bytes, std::span<uint8_t> out) const {
    bool cut_short = false;
    Status failed = files_.step(operation, out.size(), &cut_short);
    if (failed.ok()) return below_->read_at(offset_bytes, out);
    if (cut_short) (void)below_->read_at(offset_bytes, out.first(half(out.size())));
    return failed;
  }
  Status write(FaultOperation operation, uint64_t offset_bytes, std::span<const uint8_t> data) {
    bool cut_short = false;
    Status failed = files_.step(operation, data.size(), &cut_short);
    if (failed.ok()) return below_->write_at(offset_bytes, data);
    if (cut_short) (void)below_->write_at(offset_bytes, data.first(half(data.size())));
    return failed;
  }
  WritableFile& below() { return *below_; }

 private:
  FaultFileSystem& files_;
  const std::unique_ptr<WritableFile> below_;
  std::atomic<bool> sync_failed_{false};
};

// What is to fail is done at once; the rest goes to the queue below.
class FaultQueue final : public IoQueue {
 public:
  FaultQueue(FaultFileSystem& files, std::unique_ptr<IoQueue> below)
      : files_(files), below_(std::move(below)), requests_(below_->depth()) {}

  uint32_t depth() const override { return below_->depth(); }
  uint32_t n_in_flight() const override {
    return below_->n_in_flight() + static_cast<uint32_t>(finished_.size());
  }
  void submit(std::span<IoRequest* const> requests) override {
    std::vector<IoRequest*> passed;
    for (IoRequest* const request : requests) {
      auto* const file = static_cast<FaultFile*>(request->file);
      const bool reads = request->operation == IoOperation::read;
      bool cut_short = false;
      request->status = files_.step(reads ? FaultOperation::queue_read : FaultOperation::queue_write,
                                    request->bytes, &cut_short);
      IoRequest below = {request->operation,
                         &file->below(),
                         request->offset_bytes,
                         request->data,
                         request->bytes,
                         request,
                         {}};
      if (request->status.ok()) {
        passed.push_back(keep(std::move(below)));
        continue;
      }
      below.bytes = static_cast<uint32_t>(half(request->bytes));
      if (cut_short) (void)transfer(below);
      finished_.push_back(request);
    }
    below_->submit(passed);
  }
  void reap(bool wait, std::vector<IoRequest*>* done) override {
    std::vector<IoRequest*> passed;
    below_->reap(wait && finished_.empty(), &passed);
    done->insert(done->end(), finished_.begin(), finished_.end());
    finished_.clear();
    for (IoRequest* const below : passed) {
      auto* const request = static_cast<IoRequest*>(below->user_data);
      request->status = std::move(below->status);
      below->user_data = nullptr;
      done->push_back(request);
    }
  }

 private:
  // In a place that is free while its user_data is null.
  IoRequest* keep(IoRequest request) {
    for (IoRequest& place : requests_) {
      if (place.user_data != nullptr) continue;
      place = std::move(request);
      return &place;
    }
    return nullptr;
  }

  FaultFileSystem& files_;
  const std::unique_ptr<IoQueue> below_;
  std::vector<IoRequest> requests_;  // [depth]
  std::vector<IoRequest*> finished_;
};

}  // namespace

const char* fault_operation_name(FaultOperation operation) {
  static constexpr const char* kNames[] = {
      "open",       "create_unnamed", "lock",        "read",        "write",  "sync",
      "resize",     "size",           "make_folder", "rename",      "remove", "sync_folder",
      "free_bytes", "create_queue",   "queue_read",  "queue_write", "point"};
  return kNames[static_cast<size_t>(operation)];
}

const char* fault_kind_name(FaultKind kind) {
  static constexpr const char* kNames[] = {"io",          "no_space", "short_then_error",
                                           "interrupted", "again",    "access"};
  return kNames[static_cast<size_t>(kind)];
}

Status FaultFileSystem::step(FaultOperation operation, uint64_t bytes, bool* cut_short) {
  uint64_t number = 0;
  bool may_fail = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    trace_.push_back(operation);
    number = trace_.size();
    may_fail = plan_.fail_at != 0 && !healed_;
  }
  if (plan_.before_step) plan_.before_step(number, operation);
  if (!may_fail || number < plan_.fail_at || (number > plan_.fail_at && !plan_.from_then_on)) return {};
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    has_failed_ = true;
  }
  if (plan_.kind == FaultKind::interrupted) return {};
  if (cut_short != nullptr) *cut_short = plan_.kind == FaultKind::short_then_error;
  return failure_of(plan_.kind, operation, number, bytes);
}

Result<std::unique_ptr<WritableFile>> FaultFileSystem::open(const std::string& path, OpenMode mode) {
  LEOAM_RETURN_IF_ERROR(step(FaultOperation::open));
  LEOAM_ASSIGN_OR_RETURN(auto file, below_.open(path, mode));
  return std::unique_ptr<WritableFile>(new FaultFile(*this, std::move(file)));
}

Result<std::unique_ptr<WritableFile>> FaultFileSystem::create_unnamed(const std::string& folder) {
  LEOAM_RETURN_IF_ERROR(step(FaultOperation::create_unnamed));
  LEOAM_ASSIGN_OR_RETURN(auto file, below_.create_unnamed(folder));
  return std::unique_ptr<WritableFile>(new FaultFile(*this, std::move(file)));
}

Status FaultFileSystem::lock(WritableFile& file, const std::string& path) {
  LEOAM_RETURN_IF_ERROR(step(FaultOperation::lock));
  return below_.lock(static_cast<FaultFile&>(file).below(), path);
}

Status FaultFileSystem::make_private_folder(const std::string& path) {
  LEOAM_RETURN_IF_ERROR(step(FaultOperation::make_folder));
  return below_.make_private_folder(path);
}

Status FaultFileSystem::rename(const std::string& from, const std::string& to) {
  LEOAM_RETURN_IF_ERROR(step(FaultOperation::rename));
  return below_.rename(from, to);
}

Status FaultFileSystem::remove(const std::string& path) {
  LEOAM_RETURN_IF_ERROR(step(FaultOperation::remove));
  return below_.remove(path);
}

Status FaultFileSystem::sync_folder(const std::string& path) {
  LEOAM_RETURN_IF_ERROR(step(FaultOperation::sync_folder));
  return below_.sync_folder(path);
}

Result<uint64_t> FaultFileSystem::free_bytes(const std::string& folder) {
  LEOAM_RETURN_IF_ERROR(step(FaultOperation::free_bytes));
  return below_.free_bytes(folder);
}

Result<std::unique_ptr<IoQueue>> FaultFileSystem::create_queue(uint32_t depth, std::span<uint8_t> staging) {
  LEOAM_RETURN_IF_ERROR(step(FaultOperation::create_queue));
  LEOAM_ASSIGN_OR_RETURN(auto queue, below_.create_queue(depth, staging));
  return std::unique_ptr<IoQueue>(new FaultQueue(*this, std::move(queue)));
}

std::vector<FaultOperation> FaultFileSystem::trace() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return trace_;
}

uint64_t FaultFileSystem::n_steps() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return trace_.size();
}

void FaultFileSystem::heal() {
  const std::lock_guard<std::mutex> lock(mutex_);
  healed_ = true;
}

bool FaultFileSystem::has_failed() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return has_failed_;
}

}  // namespace leoam::testing
