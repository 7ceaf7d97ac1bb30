// FileSystem: the file seam of the store. Back ends: the operating system (here), and a twin for tests that
// injects faults.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "runtime/base/status.h"
#include "runtime/io/io_queue.h"
#include "runtime/io/writable_file.h"

namespace leoam {

enum class OpenMode : int32_t {
  read_only,   // must exist
  read_write,  // must exist
  create,      // must not exist; 0600 whatever the umask
};

// Named files are private: opening fails with unsupported (the message says which rule) for anything but a
// regular file of this user with one name, for a symbolic link as the last part of the path, and in a folder
// that other users may write to (unless its sticky bit protects names). Nothing is written before that is
// checked.
//
// Thread rule: all calls are thread-safe.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // Fails with not_found (a missing file, or folder), busy (create: it exists), unsupported, io, no_space.
  virtual Result<std::unique_ptr<WritableFile>> open(const std::string& path, OpenMode mode) = 0;
  // A file without a name, gone when closed, whatever happens to the process.
  virtual Result<std::unique_ptr<WritableFile>> create_unnamed(const std::string& folder) = 0;
  // Exclusive until the file is closed or the process ends; for another handle, of this process too. Fails
  // with busy within 100 ms: requests of a process that was killed end first.
  virtual Status lock(WritableFile& file, const std::string& path) = 0;

  // With missing parents, all 0700. A folder that is there must be this user's and closed to writers.
  virtual Status make_private_folder(const std::string& path) = 0;
  // Atomic; durable after sync_folder of its folder.
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;
  virtual Status sync_folder(const std::string& path) = 0;
  // Free to this user on the disk of an existing folder.
  virtual Result<uint64_t> free_bytes(const std::string& folder) = 0;

  // `staging`: memory that most requests lie in, registered with the system where it can be; outlives the
  // queue.
  virtual Result<std::unique_ptr<IoQueue>> create_queue(uint32_t depth, std::span<uint8_t> staging) = 0;

  // What is used, and why not more: {"io_uring", "yes"}, {"O_DIRECT", "no: tmpfs refuses it"}. For people.
  struct Fact {
    std::string name;
    std::string value;
  };
  virtual std::vector<Fact> facts(const std::string& folder) = 0;
};

struct FileSystemOptions {
  bool io_uring = true;  // false: threads with pread and pwrite
  bool direct = true;    // O_DIRECT where the file system takes it
  bool unnamed = true;   // O_TMPFILE where it is there; else create, unlink at once
};

// The operating system's.
std::unique_ptr<FileSystem> create_file_system(const FileSystemOptions& options = {});

// $XDG_STATE_HOME/leoam, else $HOME/.local/state/leoam; fails with not_found when neither is set and
// absolute.
Result<std::string> default_state_folder();

}  // namespace leoam
