#include "runtime/io/os_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <limits>

#include "runtime/io/registered_files.h"
#include "runtime/io/signal_guard.h"
#include "runtime/io/system_reason.h"
#include "runtime/io/transfer.h"

namespace leoam {
namespace {

// One call moves at most 2 GiB on Linux; stay below it.
constexpr uint64_t kMostAtOnce_bytes = uint64_t{1} << 30;
constexpr uint64_t kLastOffset_bytes = std::numeric_limits<int64_t>::max();

// Requests of a killed process were seen to end within 25 ms.
constexpr int64_t kLongestLockWait_us = 80000;
constexpr int64_t kLockWaitStep_us = 1000;

int64_t sleep_us(int64_t us) {
  const timespec time = {0, us * 1000};
  nanosleep(&time, nullptr);
  return us;
}

bool is_no_space(int code) {
  return code == ENOSPC || code == EDQUOT || code == EFBIG;
}

uint64_t available_bytes(int fd, uint64_t offset_bytes, int code) {
  if (code == EFBIG) {
    struct rlimit limit = {};
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return 0;
    return limit.rlim_cur > offset_bytes ? limit.rlim_cur - offset_bytes : 0;
  }
  struct statvfs disk = {};
  return code == ENOSPC && fstatvfs(fd, &disk) == 0 ? disk.f_bavail * disk.f_frsize : 0;
}

// What of a transfer counts as done: a short one goes on at a block's beginning, as O_DIRECT needs it.
uint64_t advance_of(ssize_t moved, uint64_t wanted_bytes) {
  const auto moved_bytes = static_cast<uint64_t>(moved);
  return moved_bytes == wanted_bytes ? moved_bytes : moved_bytes / kIoBlock_bytes * kIoBlock_bytes;
}

}  // namespace

OsFile::OsFile(UniqueFd fd, bool direct, bool unnamed)
    : fd_(std::move(fd)), unnamed_(unnamed), owner_pid_(getpid()), direct_(direct) {}

OsFile::~OsFile() {
  // A forked child has the same open file and rings, and the parent goes on with them.
  if (getpid() != owner_pid_) return;
  for (const std::weak_ptr<RegisteredFiles>& table : tables_)
    if (const std::shared_ptr<RegisteredFiles> open_table = table.lock()) open_table->forget(*this);
  // A ring of an older kernel, or a child, can hold on to the open file for some time: neither its lock nor
  // its room on the disk may depend on that.
  if (locked_.load()) flock(fd(), LOCK_UN);
  if (unnamed_) (void)!ftruncate(fd(), 0);
}

Result<uint64_t> OsFile::size_bytes() const {
  struct stat info = {};
  if (fstat(fd(), &info) != 0)
    return error(ErrorKind::io, "cannot stat an open file: {}", system_reason(errno));
  return static_cast<uint64_t>(info.st_size);
}

Status OsFile::read_at(uint64_t offset_bytes, std::span<uint8_t> out) const {
  LEOAM_RETURN_IF_ERROR(check_transfer(offset_bytes, out.data(), out.size()));
  while (!out.empty()) {
    const uint64_t want_bytes = std::min<uint64_t>(out.size(), kMostAtOnce_bytes);
    if (offset_bytes > kLastOffset_bytes - want_bytes)
      return error(ErrorKind::corrupt, "the file ends before offset {}", offset_bytes);
    const bool was_direct = direct();
    const ssize_t got = pread(fd(), out.data(), want_bytes, static_cast<off_t>(offset_bytes));
    if (got < 0) {
      if (errno == EINTR || fell_back(was_direct, errno)) continue;
      return failure(IoOperation::read, offset_bytes, want_bytes, errno);
    }
    const uint64_t done_bytes = advance_of(got, want_bytes);
    if (done_bytes == 0)
      return error(ErrorKind::corrupt, "the file ends at offset {}: expected {} more bytes",
                   offset_bytes + static_cast<uint64_t>(got), out.size() - static_cast<uint64_t>(got));
    offset_bytes += done_bytes;
    out = out.subspan(done_bytes);
  }
  return {};
}

Status OsFile::write_at(uint64_t offset_bytes, std::span<const uint8_t> data) {
  LEOAM_RETURN_IF_ERROR(check_transfer(offset_bytes, data.data(), data.size()));
  const FileSizeSignalGuard guard;
  while (!data.empty()) {
    const uint64_t want_bytes = std::min<uint64_t>(data.size(), kMostAtOnce_bytes);
    if (offset_bytes > kLastOffset_bytes - want_bytes)
      return failure(IoOperation::write, offset_bytes, want_bytes, EFBIG);
    const bool was_direct = direct();
    const ssize_t put = pwrite(fd(), data.data(), want_bytes, static_cast<off_t>(offset_bytes));
    if (put < 0) {
      if (errno == EINTR || fell_back(was_direct, errno)) continue;
      return failure(IoOperation::write, offset_bytes, want_bytes, errno);
    }
    const uint64_t done_bytes = advance_of(put, want_bytes);
    // Less than a block is taken only where a limit cuts the block.
    if (done_bytes == 0) return failure(IoOperation::write, offset_bytes, want_bytes, EFBIG);
    offset_bytes += done_bytes;
    data = data.subspan(done_bytes);
  }
  return {};
}

Status OsFile::resize(uint64_t bytes) {
  const FileSizeSignalGuard guard;
  int code = bytes > kLastOffset_bytes ? EFBIG : 0;
  while (code == 0 && ftruncate(fd(), static_cast<off_t>(bytes)) != 0)
    if (errno != EINTR) code = errno;
  if (code == 0) return {};
  if (!is_no_space(code))
    return error(ErrorKind::io, "cannot resize a file to {} bytes: {}", bytes, system_reason(code));
  return Status::no_space(fmt::format("cannot resize a file to {} bytes: {}", bytes, system_reason(code)),
                          bytes, available_bytes(fd(), 0, code));
}

Status OsFile::sync() {
  if (sync_failed_.load())
    return error(ErrorKind::io,
                 "an earlier sync of the file failed: what was written since cannot be relied on");
  int result = 0;
  do {
    result = fdatasync(fd());
  } while (result != 0 && errno == EINTR);
  if (result == 0) return {};
  const int code = errno;
  // The kernel marks pages clean after a failed sync and reports the failure once: the next sync would
  // succeed without the data (Rebello et al., "Can applications recover from fsync failures?", ATC 2020).
  sync_failed_.store(true);
  if (is_no_space(code))
    return Status::no_space(fmt::format("sync failed: {}", system_reason(code)), 0,
                            available_bytes(fd(), 0, code));
  return error(ErrorKind::io, "sync failed: {}", system_reason(code));
}

Status OsFile::lock(int folder_fd, const std::string& name) {
  // When a process is killed, its rings are taken down some time after it is gone, and so are the locks of
  // files in their tables. By its descriptor alone, a file is unlocked with the process, or with the last of
  // its requests that the disk still carries out: the next owner must not meet those, and waits for them a
  // little.
  leave_tables();
  int64_t waited_us = 0;
  while (flock(fd(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK && waited_us < kLongestLockWait_us) {
      waited_us += sleep_us(kLockWaitStep_us);
      continue;
    }
    if (errno == EWOULDBLOCK) return error(ErrorKind::busy, "another handle or process holds the file");
    return error(ErrorKind::io, "cannot lock the file: {}", system_reason(errno));
  }
  // Between opening and locking, the last owner may have put another file in its place: this lock would then
  // be of a file that nobody finds.
  struct stat mine = {};
  struct stat named = {};
  if (fstat(fd(), &mine) == 0 && fstatat(folder_fd, name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
      mine.st_dev == named.st_dev && mine.st_ino == named.st_ino) {
    locked_.store(true);
    return {};
  }
  flock(fd(), LOCK_UN);
  return error(ErrorKind::busy, "the file was replaced while it was being opened");
}

Status OsFile::failure(IoOperation operation, uint64_t offset_bytes, uint64_t bytes, int code) const {
  const char* verb = operation == IoOperation::read ? "read" : "write";
  std::string message =
      fmt::format("{} of {} bytes at offset {} failed: {}", verb, bytes, offset_bytes, system_reason(code));
  if (operation == IoOperation::write && is_no_space(code))
    return Status::no_space(std::move(message), bytes, available_bytes(fd(), offset_bytes, code));
  return Status(ErrorKind::io, std::move(message));
}

bool OsFile::join(std::weak_ptr<RegisteredFiles> table) {
  const std::lock_guard<std::mutex> lock(tables_mutex_);
  if (!joins_tables_) return false;
  std::erase_if(tables_, [](const auto& known) { return known.expired(); });
  tables_.push_back(std::move(table));
  return true;
}

void OsFile::leave_tables() {
  std::vector<std::weak_ptr<RegisteredFiles>> tables;
  {
    // One that joins at this moment is either here, and has its place before it can be asked to forget, or is
    // turned away.
    const std::lock_guard<std::mutex> lock(tables_mutex_);
    joins_tables_ = false;
    tables.swap(tables_);
  }
  for (const std::weak_ptr<RegisteredFiles>& table : tables)
    if (const std::shared_ptr<RegisteredFiles> open_table = table.lock()) open_table->forget(*this);
}

bool OsFile::fell_back(bool was_direct, int code) const {
  if (!was_direct || (code != EINVAL && code != EOPNOTSUPP)) return false;
  if (fcntl(fd(), F_SETFL, 0) != 0) return false;
  direct_.store(false, std::memory_order_release);
  return true;
}

}  // namespace leoam
