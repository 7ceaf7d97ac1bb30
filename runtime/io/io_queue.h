// IoQueue: reads and writes in flight at once. Back ends: io_uring, and threads with pread and pwrite.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/io/writable_file.h"

namespace leoam {

enum class IoOperation : int32_t { read, write };

// Alignment as WritableFile says. Owner: the caller, untouched from submit until reaped.
struct IoRequest {
  IoOperation operation = IoOperation::read;
  WritableFile* file = nullptr;  // of the FileSystem that made the queue
  uint64_t offset_bytes = 0;
  uint8_t* data = nullptr;
  uint32_t bytes = 0;
  void* user_data = nullptr;
  Status status;  // when reaped: as WritableFile::read_at and write_at; short transfers have been continued
};

// Thread rule: one thread at a time.
class IoQueue {
 public:
  // Waits for what is in flight.
  virtual ~IoQueue() = default;
  virtual uint32_t depth() const = 0;
  virtual uint32_t n_in_flight() const = 0;
  // Starts the requests; n_in_flight() + requests.size() is at most depth(). A request that cannot start is
  // reaped with its failure.
  virtual void submit(std::span<IoRequest* const> requests) = 0;
  // Appends finished requests to `done`; with `wait`, at least one when any is in flight.
  virtual void reap(bool wait, std::vector<IoRequest*>* done) = 0;
};

}  // namespace leoam
