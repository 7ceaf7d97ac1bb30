// TokenLog: the tokens of a session, the durable truth: records that are only ever appended, in two copies.
// FORMAT.md, "Token log".
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/io/writable_file.h"
#include "runtime/store/block_buffer.h"
#include "runtime/store/sealer.h"
#include "runtime/store/session_header.h"
#include "runtime/store/space.h"

namespace leoam {

// A token of the log: the id, and whether a forward pass began with it. Passes are what a recompute repeats,
// so that its bytes are the same.
struct LoggedToken {
  int32_t id = 0;
  bool starts_pass = false;
  bool operator==(const LoggedToken&) const = default;
};

inline constexpr uint64_t kFirstLogSegment_bytes = 65536;

// A value: what was read, or appended, without ties to the file. Thread rule: one thread at a time.
class TokenLog {
 public:
  TokenLog() = default;
  // Of a new file.
  explicit TokenLog(const LogSegment& first) : segments_{first} {}

  // How a manifest knows the log.
  uint64_t n_records() const { return n_records_; }
  const LogSegment& first_segment() const { return segments_.front(); }
  const Tag& last_tag() const { return last_tag_; }
  // All that it takes in the file.
  std::vector<Extent> extents() const;

  // A commit as the log has it.
  struct Entry {
    uint64_t generation = 0;
    uint64_t n_kept_tokens = 0;
    uint64_t n_tokens_after = 0;
    uint64_t n_records_after = 0;
    Tag tag_after = {};
  };
  // Blocks of one copy that are not what the other has.
  struct Damage {
    uint64_t bad_bytes = 0;   // offset
    uint64_t good_bytes = 0;  // offset
    uint64_t bytes = 0;
  };
  static std::string describe(const Damage& damage);
  struct Contents {
    std::vector<LoggedToken> tokens;
    std::vector<Entry> entries;
    std::vector<Damage> damages;
    // Of the first record that neither copy has whole, though something is there. No failure by itself: a
    // commit that was cut short looks like this.
    Status broken_tail;
  };
  // Reads whole commits from the first on, up to where the log ends or neither copy has a whole record; what
  // follows is not part of it. Fails with io, out_of_memory.
  static Result<TokenLog> read(const WritableFile& file, const Sealer& sealer, const LogSegment& first,
                               uint64_t file_bytes, uint32_t n_vocab, Contents* contents);

  // What appending needs of the file. Each fails as it likes; then the log is to be dropped.
  struct Room {
    std::function<Result<uint64_t>(uint64_t bytes)> allocate;
    std::function<Status(uint64_t offset_bytes, std::span<const uint8_t> blocks)> write;
  };
  // Writes a commit behind the last one, into both copies.
  Status append(Sealer& sealer, const Room& room, uint64_t generation, uint64_t n_kept_tokens,
                std::span<const LoggedToken> tokens);
  // Makes unreadable what was written behind the end by an append that then did not come to be.
  Status erase_tail(const Room& room) const;

 private:
  friend class TokenLogReader;
  Status append_record(Sealer& sealer, const Room& room, uint32_t kind, uint32_t flags,
                       std::span<const uint8_t> text);
  Status make_room(Sealer& sealer, const Room& room, uint64_t bytes);

  std::vector<LogSegment> segments_;
  uint64_t at_bytes_ = 0;  // in the last segment
  uint64_t n_records_ = 0;
  Tag last_tag_ = {};
};

}  // namespace leoam
