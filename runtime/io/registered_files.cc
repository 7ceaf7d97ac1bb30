#include "runtime/io/registered_files.h"

#include <liburing.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace leoam {

int ring_register(int ring_fd, unsigned what, const void* argument, unsigned count) {
  int result = 0;
  do {
    result = static_cast<int>(syscall(__NR_io_uring_register, ring_fd, what, argument, count));
  } while (result < 0 && errno == EINTR);
  return result < 0 ? -errno : result;
}

std::shared_ptr<RegisteredFiles> RegisteredFiles::create(int ring_fd, int* reason) {
  // All empty; known to every kernel that has a table of files.
  std::array<int, kSlots> none;
  none.fill(-1);
  const int result = ring_register(ring_fd, IORING_REGISTER_FILES, none.data(), kSlots);
  *reason = result < 0 ? -result : 0;
  if (result < 0) return nullptr;
  return std::shared_ptr<RegisteredFiles>(new RegisteredFiles(ring_fd));
}

int RegisteredFiles::slot_of(OsFile& file) {
  const std::lock_guard<std::mutex> lock(mutex_);
  uint32_t free_slot = kSlots;
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    if (files_[slot] == &file) return static_cast<int>(slot);
    if (files_[slot] == nullptr && free_slot == kSlots) free_slot = slot;
  }
  if (free_slot == kSlots || !file.join(weak_from_this())) return -1;
  if (!update(free_slot, file.fd())) return -1;
  files_[free_slot] = &file;
  return static_cast<int>(free_slot);
}

void RegisteredFiles::forget(const OsFile& file) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    if (files_[slot] != &file) continue;
    if (ring_fd_ >= 0) (void)update(slot, -1);
    files_[slot] = nullptr;
  }
}

void RegisteredFiles::close() {
  const std::lock_guard<std::mutex> lock(mutex_);
  ring_fd_ = -1;
}

bool RegisteredFiles::update(uint32_t slot, int fd) const {
  io_uring_files_update change = {};
  change.offset = slot;
  change.fds = reinterpret_cast<uint64_t>(&fd);
  return ring_register(ring_fd_, IORING_REGISTER_FILES_UPDATE, &change, 1) == 1;
}

}  // namespace leoam
