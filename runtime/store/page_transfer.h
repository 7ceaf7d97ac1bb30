// PageTransfer: the thread that moves pages between files and RAM: merges neighbours into one transfer, keeps
// the disk's queue full, encrypts and decrypts on the way.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "runtime/base/status.h"
#include "runtime/store/page_file.h"

namespace leoam {

// One page to be read or written. Owner: the caller, untouched from submit until `done` was called.
struct PageJob {
  IoOperation operation = IoOperation::read;
  PageFile* file = nullptr;
  PageIdentity identity;
  PageRecord record;  // read: of the page; write: offset_bytes is set by the caller, the rest by the job
  uint8_t* page = nullptr;  // 64-byte aligned; a failed read leaves anything there
  uint32_t page_bytes = 0;
  bool urgent = false;  // somebody waits: before all that is not
  // Called once, on the transfer's thread or on one that helps it, with the outcome in `status`: io, corrupt,
  // no_space. Must not block and must not call the transfer.
  void (*done)(PageJob* job) = nullptr;
  void* user_data = nullptr;
  Status status;
  PageJob* next = nullptr;  // the transfer's, from submit to `done`
};

struct TransferStatistics {
  uint64_t read_bytes = 0;  // from files
  uint64_t written_bytes = 0;
  uint64_t read_requests = 0;  // after merging
  uint64_t written_requests = 0;

  TransferStatistics& operator+=(const TransferStatistics& other) {
    read_bytes += other.read_bytes;
    written_bytes += other.written_bytes;
    read_requests += other.read_requests;
    written_requests += other.written_requests;
    return *this;
  }
};

// Thread rule: all calls are thread-safe. Destroying waits for every job.
class PageTransfer {
 public:
  struct Options {
    uint64_t staging_bytes = uint64_t{4}
                             << 20;  // memory of transfers in flight; a multiple of kIoBlock_bytes
    uint32_t queue_depth = 64;
    uint32_t max_run_bytes = 512u << 10;
    // Called on the transfer's thread, with nothing locked, when more has come in than it is working on:
    // whoever waits may help. May be empty.
    std::function<void()> on_backlog;
  };
  // Fails with out_of_memory (a thread, too), io.
  static Result<std::unique_ptr<PageTransfer>> create(FileSystem& files, const Options& options);
  virtual ~PageTransfer() = default;

  // Jobs start in their order, urgent ones first; those whose places in the file are neighbours, and which
  // stand together here, are one transfer of at most max_run_bytes, and of so little of the staging memory
  // that 32 such transfers fit (one page at least; a page that is larger than all of it fails with no_space).
  // A page that fails fails alone. The order in which jobs are done is any: who reads what is being written
  // waits first.
  virtual void submit(std::span<PageJob* const> jobs) = 0;
  // Does what is left to do for one transfer that the disk has ended, on the caller's thread; false: there is
  // none. The caller holds nothing that `done` takes.
  virtual bool help() = 0;
  virtual uint64_t staging_bytes() const = 0;
  virtual TransferStatistics statistics() const = 0;
};

}  // namespace leoam
