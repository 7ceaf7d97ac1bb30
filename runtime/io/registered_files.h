// RegisteredFiles: the files that a ring knows by number, which saves looking them up for every request.
#pragma once

#include <array>
#include <memory>
#include <mutex>

#include "runtime/io/os_file.h"

namespace leoam {

// Thread rule: all calls are thread-safe; files close on any thread.
class RegisteredFiles : public std::enable_shared_from_this<RegisteredFiles> {
 public:
  // Null when the kernel refuses; *reason says why.
  static std::shared_ptr<RegisteredFiles> create(int ring_fd, int* reason);

  // The number of a file, or -1 when it is not registered and cannot be; locked files never are.
  int slot_of(OsFile& file);
  void forget(const OsFile& file);
  // The ring is about to close.
  void close();

 private:
  // A session, its scratch file, and one to take their place; more go by their descriptors.
  static constexpr uint32_t kSlots = 64;
  explicit RegisteredFiles(int ring_fd) : ring_fd_(ring_fd) {}
  bool update(uint32_t slot, int fd) const;

  std::mutex mutex_;
  int ring_fd_;
  std::array<const OsFile*, kSlots> files_ = {};
};

// The system call itself: liburing's wrappers raise the process's limit of descriptors when a table does not
// fit, and that limit is the host's. Returns -errno.
int ring_register(int ring_fd, unsigned what, const void* argument, unsigned count);

}  // namespace leoam
