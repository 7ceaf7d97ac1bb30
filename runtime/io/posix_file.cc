#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "runtime/io/file.h"
#include "runtime/io/system_reason.h"

namespace leoam {
namespace {

class PosixFile final : public File {
 public:
  PosixFile(int fd, const struct stat& opened)
      : fd_(fd), size_bytes_(static_cast<uint64_t>(opened.st_size)), modified_(opened.st_mtim) {}
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;
  ~PosixFile() override { close(fd_); }

  uint64_t size_bytes() const override { return size_bytes_; }

  Status read_at(uint64_t offset_bytes, std::span<uint8_t> out) const override {
    while (!out.empty()) {
      // One call moves at most 2 GiB on Linux; stay below it.
      const size_t want = std::min(out.size(), size_t{1} << 30);
      const ssize_t got = pread(fd_, out.data(), want, static_cast<off_t>(offset_bytes));
      if (got < 0) {
        if (errno == EINTR) continue;
        return error(ErrorKind::io, "read of {} bytes at offset {} failed: {}", want, offset_bytes,
                     system_reason(errno));
      }
      if (got == 0)
        return error(ErrorKind::corrupt, "the file ends at offset {}: expected {} more bytes", offset_bytes,
                     out.size());
      offset_bytes += static_cast<uint64_t>(got);
      out = out.subspan(static_cast<size_t>(got));
    }
    return {};
  }

  Status check_unchanged() const override {
    struct stat now = {};
    if (fstat(fd_, &now) != 0)
      return error(ErrorKind::io, "cannot stat an open file: {}", system_reason(errno));
    if (static_cast<uint64_t>(now.st_size) != size_bytes_)
      return error(ErrorKind::corrupt, "the file changed since it was opened: expected {} bytes, found {}",
                   size_bytes_, now.st_size);
    if (now.st_mtim.tv_sec != modified_.tv_sec || now.st_mtim.tv_nsec != modified_.tv_nsec)
      return error(ErrorKind::corrupt, "the file was modified since it was opened");
    return {};
  }

 private:
  int fd_;
  uint64_t size_bytes_;
  timespec modified_;
};

}  // namespace

Result<std::unique_ptr<File>> open_for_reading(const std::string& path) {
  if (path.find('\0') != std::string::npos)
    return error(ErrorKind::invalid_argument, "path: contains a NUL byte");
  // O_NONBLOCK: opening a FIFO without a writer must not hang; it has no effect on regular files.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    const ErrorKind kind = errno == ENOENT || errno == ENOTDIR ? ErrorKind::not_found : ErrorKind::io;
    return error(kind, "cannot open {}: {}", path, system_reason(errno));
  }
  struct stat info = {};
  if (fstat(fd, &info) != 0) {
    const int code = errno;
    close(fd);
    return error(ErrorKind::io, "cannot stat {}: {}", path, system_reason(code));
  }
  if (!S_ISREG(info.st_mode)) {
    close(fd);
    return error(ErrorKind::unsupported, "{} is not a regular file", path);
  }
  return std::unique_ptr<File>(new PosixFile(fd, info));
}

}  // namespace leoam
