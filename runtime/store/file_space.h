// FileSpace: the room of one file: what is free, how it grows, what a committed state still needs.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>

#include "runtime/base/status.h"
#include "runtime/io/writable_file.h"
#include "runtime/store/disk_account.h"
#include "runtime/store/space.h"

namespace leoam {

// Thread rule: all calls are thread-safe.
class FileSpace {
 public:
  enum class Reuse {
    at_once,       // scratch files
    after_commit,  // what the last commit needs stays until the next
  };
  // `file` and `account` outlive it. `begin_bytes`: what lies before is not given out.
  FileSpace(WritableFile* file, DiskAccount* account, uint64_t begin_bytes, Reuse reuse)
      : file_(file), account_(account), reuse_(reuse), begin_bytes_(begin_bytes), end_bytes_(begin_bytes) {}
  ~FileSpace() { account_->release(reserved_bytes_); }

  // Counts the file's first bytes in the account. Before anything else. Fails with no_space.
  Status reserve_head(uint64_t bytes);
  // Of an existing file: `used` is taken (committed), the rest up to file_bytes is free. Fails with corrupt
  // when extents overlap, or lie outside; no_space.
  Status adopt(std::span<const Extent> used, uint64_t file_bytes);

  // `bytes` is a multiple of kIoBlock_bytes. Fails with no_space, io.
  Result<uint64_t> allocate(uint64_t bytes);
  void free(Extent extent);
  // From now on the file grows by what is needed and no more.
  void grow_exactly();
  // What is in use now is the committed state.
  void commit();

  uint64_t used_bytes() const;
  uint64_t file_bytes() const;

 private:
  Status grow(uint64_t bytes);
  Status resize(uint64_t end_bytes);
  void shrink();

  WritableFile* const file_;
  DiskAccount* const account_;
  const Reuse reuse_;
  mutable std::mutex mutex_;
  Space free_;
  Space fresh_;  // taken since the last commit
  Space held_;   // freed since the last commit, which needs it
  const uint64_t begin_bytes_;
  uint64_t end_bytes_;
  uint64_t reserved_bytes_ = 0;
  bool grows_exactly_ = false;
};

}  // namespace leoam
