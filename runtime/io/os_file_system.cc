#include "runtime/io/os_file_system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "runtime/io/thread_queue.h"
#include "runtime/io/uring_queue.h"

namespace leoam {
namespace {

// What the kernel's rings take; more than any disk has use for.
constexpr uint32_t kMaxDepth = 4096;

Status check_regular(const struct stat& info, const std::string& path, bool unnamed) {
  if (!S_ISREG(info.st_mode)) return error(ErrorKind::unsupported, "{} is not a regular file", path);
  if (info.st_uid != geteuid())
    return error(ErrorKind::unsupported, "{} belongs to user {}: expected {}", path, info.st_uid, geteuid());
  const nlink_t expected = unnamed ? 0 : 1;
  if (info.st_nlink != expected)
    return error(ErrorKind::unsupported, "{} has {} names: expected {}", path, info.st_nlink, expected);
  return {};
}

// Names in use are refused by O_EXCL; a guessed one only costs another attempt.
std::string passing_name() {
  static std::atomic<uint32_t> count{0};
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return fmt::format(".leoam-{}-{}-{:x}", getpid(), count.fetch_add(1), static_cast<uint64_t>(now.tv_nsec));
}

bool lacks_tmpfile(int code) {
  // EISDIR: kernels that do not know the flag; EINVAL: file systems that do not; EPERM: filters of system
  // calls.
  return code == EOPNOTSUPP || code == EISDIR || code == EINVAL || code == ENOENT || code == EPERM ||
         code == ENOSYS;
}

}  // namespace

Result<std::unique_ptr<OsFile>> OsFileSystem::accept(UniqueFd fd, const std::string& path, bool unnamed) {
  struct stat info = {};
  if (fstat(fd.get(), &info) != 0) return path_failure("cannot stat", path, errno);
  LEOAM_RETURN_IF_ERROR(check_regular(info, path, unnamed));
  // Asked for after opening: a refusal then leaves no half-created file. It also clears O_NONBLOCK, which
  // opening needs: a ring would answer EAGAIN instead of waiting for the disk.
  const bool direct = options_.direct && fcntl(fd.get(), F_SETFL, O_DIRECT) == 0;
  if (!direct && fcntl(fd.get(), F_SETFL, 0) != 0) return path_failure("cannot set flags of", path, errno);
  return std::make_unique<OsFile>(std::move(fd), direct, unnamed);
}

Result<std::unique_ptr<WritableFile>> OsFileSystem::open(const std::string& path, OpenMode mode) {
  LEOAM_ASSIGN_OR_RETURN(const PrivatePlace place, PrivatePlace::of(path));
  const bool create = mode == OpenMode::create;
  if (!create) {
    // Opening a device can already do something to it. What is opened is checked again.
    struct stat info = {};
    if (fstatat(place.folder.get(), place.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
      return path_failure("cannot open", path, errno);
    if (S_ISLNK(info.st_mode)) return path_failure("cannot open", path, ELOOP);
    LEOAM_RETURN_IF_ERROR(check_regular(info, path, false));
  }
  const int flags = (mode == OpenMode::read_only ? O_RDONLY : O_RDWR) | (create ? O_CREAT | O_EXCL : 0) |
                    O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  UniqueFd fd(openat(place.folder.get(), place.name.c_str(), flags, 0600));
  if (!fd.ok()) return path_failure(create ? "cannot create" : "cannot open", path, errno);
  const bool private_mode = !create || fchmod(fd.get(), 0600) == 0;
  const int mode_refusal = private_mode ? 0 : errno;
  Result<std::unique_ptr<OsFile>> file = private_mode
                                             ? accept(std::move(fd), path, false)
                                             : path_failure("cannot make private", path, mode_refusal);
  if (file.ok()) return std::unique_ptr<WritableFile>(std::move(*file));
  if (create) unlinkat(place.folder.get(), place.name.c_str(), 0);
  return std::move(file).status();
}

Result<OsFileSystem::Unnamed> OsFileSystem::open_unnamed(const std::string& folder) {
  LEOAM_ASSIGN_OR_RETURN(const UniqueFd place, open_private_folder(folder));
  Unnamed unnamed;
  UniqueFd fd;
  if (options_.unnamed) {
    // With O_EXCL nothing can give it a name later.
    fd = UniqueFd(openat(place.get(), ".", O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
    if (!fd.ok()) unnamed.refusal = errno;
    if (!fd.ok() && !lacks_tmpfile(errno)) return path_failure("cannot create a file in", folder, errno);
  }
  for (int attempt = 0; !fd.ok(); ++attempt) {
    const std::string name = passing_name();
    fd =
        UniqueFd(openat(place.get(), name.c_str(), O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR | O_CLOEXEC, 0600));
    if (fd.ok() && unlinkat(place.get(), name.c_str(), 0) != 0)
      return path_failure("cannot remove the name of a file in", folder, errno);
    if (!fd.ok() && (errno != EEXIST || attempt == 100))
      return path_failure("cannot create a file in", folder, errno);
  }
  if (fchmod(fd.get(), 0600) != 0) return path_failure("cannot make private a file in", folder, errno);
  LEOAM_ASSIGN_OR_RETURN(unnamed.file, accept(std::move(fd), "an unnamed file in " + folder, true));
  return unnamed;
}

Result<std::unique_ptr<WritableFile>> OsFileSystem::create_unnamed(const std::string& folder) {
  LEOAM_ASSIGN_OR_RETURN(Unnamed unnamed, open_unnamed(folder));
  return std::unique_ptr<WritableFile>(std::move(unnamed.file));
}

Status OsFileSystem::lock(WritableFile& file, const std::string& path) {
  LEOAM_ASSIGN_OR_RETURN(const PrivatePlace place, PrivatePlace::of(path));
  return static_cast<OsFile&>(file).lock(place.folder.get(), place.name).with_context(path);
}

Status OsFileSystem::rename(const std::string& from, const std::string& to) {
  LEOAM_ASSIGN_OR_RETURN(const PrivatePlace old_place, PrivatePlace::of(from));
  LEOAM_ASSIGN_OR_RETURN(const PrivatePlace new_place, PrivatePlace::of(to));
  if (renameat(old_place.folder.get(), old_place.name.c_str(), new_place.folder.get(),
               new_place.name.c_str()) == 0)
    return {};
  return path_failure("cannot rename", from, errno);
}

Status OsFileSystem::remove(const std::string& path) {
  LEOAM_ASSIGN_OR_RETURN(const PrivatePlace place, PrivatePlace::of(path));
  if (unlinkat(place.folder.get(), place.name.c_str(), 0) == 0) return {};
  return path_failure("cannot remove", path, errno);
}

Status OsFileSystem::sync_folder(const std::string& path) {
  LEOAM_ASSIGN_OR_RETURN(const UniqueFd place, open_private_folder(path));
  const UniqueFd folder(openat(place.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.ok()) return path_failure("cannot open folder", path, errno);
  int result = 0;
  do {
    result = fsync(folder.get());
  } while (result != 0 && errno == EINTR);
  // EINVAL: a file system without such a call, which orders names by itself or not at all.
  if (result == 0 || errno == EINVAL) return {};
  return path_failure("cannot sync folder", path, errno);
}

Result<uint64_t> OsFileSystem::free_bytes(const std::string& folder) {
  struct statvfs disk = {};
  if (folder.find('\0') != std::string::npos)
    return error(ErrorKind::invalid_argument, "path: contains a NUL byte");
  if (statvfs(folder.c_str(), &disk) != 0)
    return path_failure("cannot ask for the free space of", folder, errno);
  return uint64_t{disk.f_bavail} * disk.f_frsize;
}

Result<std::unique_ptr<IoQueue>> OsFileSystem::create_queue(uint32_t depth, std::span<uint8_t> staging) {
  if (depth < 1 || depth > kMaxDepth)
    return error(ErrorKind::invalid_argument, "depth: expected 1 to {}, found {}", kMaxDepth, depth);
  if (options_.io_uring) {
    UringQueue::Outcome outcome = UringQueue::create(depth, staging);
    if (outcome.queue) return std::unique_ptr<IoQueue>(std::move(outcome.queue));
  }
  return ThreadQueue::create(depth);
}

std::unique_ptr<FileSystem> create_file_system(const FileSystemOptions& options) {
  return std::make_unique<OsFileSystem>(options);
}

}  // namespace leoam
