#include "runtime/io/private_place.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "runtime/io/system_reason.h"

namespace leoam {
namespace {

// `strict`: a folder of ours alone, which a sticky bit does not make.
Status check_folder(int fd, const std::string& path, bool strict) {
  struct stat info = {};
  if (fstat(fd, &info) != 0)
    return error(ErrorKind::io, "cannot stat folder {}: {}", path, system_reason(errno));
  const bool mine = info.st_uid == geteuid();
  // Who owns a folder can change every name in it; the system's own folders are the exception.
  if (!mine && (strict || info.st_uid != 0))
    return error(ErrorKind::unsupported, "folder {} belongs to user {}: expected {}", path, info.st_uid,
                 geteuid());
  const bool others_write = (info.st_mode & (S_IWGRP | S_IWOTH)) != 0;
  if (others_write && (strict || (info.st_mode & S_ISVTX) == 0))
    return error(ErrorKind::unsupported,
                 "folder {} can be written to by other users (mode {:o}): expected 0700", path,
                 info.st_mode & 07777);
  return {};
}

Status check_path(const std::string& path) {
  if (path.empty()) return error(ErrorKind::not_found, "path: empty");
  if (path.find('\0') != std::string::npos)
    return error(ErrorKind::invalid_argument, "path: contains a NUL byte");
  return {};
}

Result<UniqueFd> open_folder(const std::string& path) {
  UniqueFd folder(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.ok()) return path_failure("cannot open folder", path, errno);
  return folder;
}

// Of "/a/b/c": "/a/b"; of "c": ".".
std::string parent_of(const std::string& path) {
  const size_t last = path.find_last_not_of('/');
  const size_t slash = last == std::string::npos ? std::string::npos : path.find_last_of('/', last);
  if (slash == std::string::npos) return path.front() == '/' ? "/" : ".";
  const size_t end = path.find_last_not_of('/', slash);
  return end == std::string::npos ? "/" : path.substr(0, end + 1);
}

Status sync_entry_of(const std::string& path) {
  const std::string parent = parent_of(path);
  const UniqueFd folder(open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // A parent that may be searched and not read cannot be synced.
  if (!folder.ok()) return errno == EACCES ? Status() : path_failure("cannot open folder", parent, errno);
  if (fsync(folder.get()) == 0 || errno == EINVAL || errno == EROFS) return {};
  return path_failure("cannot sync folder", parent, errno);
}

}  // namespace

Status path_failure(const char* what, const std::string& path, int code) {
  std::string message = fmt::format("{} {}: {}", what, path, system_reason(code));
  switch (code) {
    case ENOENT:
    case ENOTDIR:
      return Status(ErrorKind::not_found, std::move(message));
    case EEXIST:
      return Status(ErrorKind::busy, std::move(message));
    case ENOSPC:
    case EDQUOT:
      return Status::no_space(std::move(message), 0, 0);
    case ELOOP:
      return error(ErrorKind::unsupported, "{} {}: it is a symbolic link", what, path);
    case EISDIR:
    case ENXIO:
      return error(ErrorKind::unsupported, "{} {}: it is not a regular file", what, path);
    case ENOMEM:
      return Status(ErrorKind::out_of_memory, std::move(message));
    default:
      return Status(ErrorKind::io, std::move(message));
  }
}

Result<UniqueFd> open_private_folder(const std::string& path) {
  LEOAM_RETURN_IF_ERROR(check_path(path));
  LEOAM_ASSIGN_OR_RETURN(UniqueFd folder, open_folder(path));
  LEOAM_RETURN_IF_ERROR(check_folder(folder.get(), path, false));
  return folder;
}

Result<PrivatePlace> PrivatePlace::of(const std::string& path) {
  LEOAM_RETURN_IF_ERROR(check_path(path));
  const size_t slash = path.find_last_of('/');
  PrivatePlace place;
  place.name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (place.name.empty() || place.name == "." || place.name == "..")
    return error(ErrorKind::unsupported, "path {}: it is not a regular file", path);
  LEOAM_ASSIGN_OR_RETURN(place.folder, open_private_folder(parent_of(path)));
  return place;
}

Status create_private_folder(const std::string& path) {
  LEOAM_RETURN_IF_ERROR(check_path(path));
  std::vector<std::string> missing;
  struct stat info = {};
  for (std::string part = path; stat(part.c_str(), &info) != 0; part = parent_of(part)) {
    if (errno != ENOENT) return path_failure("cannot reach folder", part, errno);
    missing.push_back(part);
    if (part == "." || part == "/") break;
  }
  for (; !missing.empty(); missing.pop_back()) {
    // Another process may be making the same folders.
    if (mkdir(missing.back().c_str(), 0700) != 0 && errno != EEXIST)
      return path_failure("cannot create folder", missing.back(), errno);
    LEOAM_RETURN_IF_ERROR(sync_entry_of(missing.back()));
  }
  LEOAM_ASSIGN_OR_RETURN(const UniqueFd folder, open_folder(path));
  return check_folder(folder.get(), path, true);
}

}  // namespace leoam
