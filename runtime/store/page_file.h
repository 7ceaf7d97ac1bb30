// PageFile: a file of sealed KV pages, encrypted or checksummed, each bound to its identity. The base of
// scratch files and session files.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "runtime/base/status.h"
#include "runtime/io/file_system.h"
#include "runtime/store/block_buffer.h"
#include "runtime/store/disk_account.h"
#include "runtime/store/file_space.h"
#include "runtime/store/sealer.h"

namespace leoam {

// What a page holds. A stream has the pages of one kind of one layer; a page of KV stands in one of four.
enum class PageKind : uint32_t { kv, records, codes, kv_k8v8, kv_k8v4, kv_k4v4 };
inline constexpr uint32_t kPageKinds = 6;
constexpr bool is_abstract(PageKind kind) {
  return kind == PageKind::records || kind == PageKind::codes;
}
constexpr uint32_t stream_number(PageKind kind, uint32_t layer, uint32_t n_layers) {
  return static_cast<uint32_t>(kind) * n_layers + layer;
}

// Which page it is. Under the tag together with the file's own identity (FORMAT.md).
struct PageIdentity {
  uint64_t sequence = 0;  // 0 in session files; in scratch files, which sequence wrote it
  uint32_t stream = 0;    // stream_number
  uint32_t page = 0;      // number within the stream
};

// Where a page lies and what its tag is. `offset_bytes` 0: nowhere.
struct PageRecord {
  uint64_t offset_bytes = 0;
  uint64_t counter = 0;  // of the epoch's nonces
  uint32_t epoch = 0;    // number in the file's list of epochs
  Tag tag = {};
  bool present() const { return offset_bytes != 0; }
  bool operator==(const PageRecord&) const = default;
};

// Thread rule: all calls are thread-safe.
class PageFile {
 public:
  virtual ~PageFile();

  WritableFile& file() { return *file_; }
  // Bytes on disk of a page of that many.
  static uint64_t stored_bytes(uint64_t page_bytes) { return whole_blocks(page_bytes); }
  bool encrypts() const { return sealer_->encrypts(); }

  // Contiguous free room of n * stored_bytes(page_bytes), counted in the account. Fails with no_space.
  Result<uint64_t> allocate(uint32_t page_bytes, uint32_t n);
  // What a committed state of the file still needs is kept until the next commit.
  void free(uint64_t offset_bytes, uint32_t page_bytes, uint32_t n);

  // Encrypts a page into out [stored_bytes], padded with zeros, with a fresh nonce; the caller writes it to
  // record->offset_bytes, which it has set. Counts the bytes as written; fails with no_space at the cap.
  Status seal(const PageIdentity& identity, std::span<const uint8_t> page, uint8_t* out, PageRecord* record);
  // Decrypts and checks what was read from the record's place: page.size() <= stored. Fails with corrupt when
  // it is not, byte for byte, the page that was sealed under this identity; then `page` holds anything.
  Status open(const PageIdentity& identity, const PageRecord& record, const uint8_t* stored,
              std::span<uint8_t> page) const;

  // Of the file: in use, and in all.
  uint64_t used_bytes() const { return space_->used_bytes(); }
  uint64_t file_bytes() const { return space_->file_bytes(); }
  uint64_t written_bytes() const { return written_bytes_.load(std::memory_order_relaxed); }

 protected:
  PageFile() = default;
  Status count_written(uint64_t bytes);

  std::unique_ptr<WritableFile> file_;
  DiskAccount* account_ = nullptr;
  std::unique_ptr<Sealer> sealer_;
  std::unique_ptr<FileSpace> space_;  // gives its room in the account back before the file is closed
  std::atomic<uint64_t> written_bytes_{0};
};

}  // namespace leoam
