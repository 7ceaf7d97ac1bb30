// Signals that our own file operations would send to the host, kept from its threads and handlers.
#pragma once

#include <csignal>

namespace leoam {

// A write beyond the file size limit (RLIMIT_FSIZE) raises SIGXFSZ, which ends a process that has no handler
// for it. While one of these lives, the calling thread does not get it; one that was raised meanwhile is
// taken back, so that EFBIG is all that remains. Destroyed on the thread that made it.
class FileSizeSignalGuard {
 public:
  FileSizeSignalGuard();
  FileSizeSignalGuard(const FileSizeSignalGuard&) = delete;
  FileSizeSignalGuard& operator=(const FileSizeSignalGuard&) = delete;
  ~FileSizeSignalGuard();

 private:
  sigset_t before_;
  bool was_pending_ = false;
};

}  // namespace leoam
