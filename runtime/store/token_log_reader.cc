#include <algorithm>
#include <cstring>
#include <optional>

#include "runtime/store/token_log.h"
#include "runtime/store/token_log_format.h"

namespace leoam {

namespace {

constexpr uint64_t kMostText_bytes = kLogTokensHead_bytes + 4 * kMostTokensOfRecord;

bool is_zero(std::span<const uint8_t> bytes) {
  return std::ranges::all_of(bytes, [](uint8_t byte) { return byte == 0; });
}

}  // namespace

class TokenLogReader {
 public:
  TokenLogReader(const WritableFile& file, const Sealer& sealer, uint64_t file_bytes, uint32_t n_vocab,
                 TokenLog::Contents* contents)
      : file_(file), sealer_(sealer), file_bytes_(file_bytes), n_vocab_(n_vocab), contents_(contents) {}

  Result<TokenLog> read(const LogSegment& first) {
    if (!enter(first)) return std::move(contents_->broken_tail);
    committed_ = log_;
    for (std::optional<LogSegment> segment = first; segment;) {
      for (size_t which = 0; which < 2; ++which)
        LEOAM_RETURN_IF_ERROR(load_copy(&copies_[which], segment->offset_bytes[which]));
      std::optional<LogSegment> next;
      for (bool found = true; found && !next;) {
        LEOAM_ASSIGN_OR_RETURN(found, read_record(&next));
      }
      segment = next && enter(*next) ? next : std::nullopt;
    }
    return std::move(committed_);
  }

 private:
  struct Copy {
    BlockBuffer blocks;
    uint64_t offset_bytes = 0;
    Status status;                 // of the read
    std::vector<bool> unreadable;  // a block each
  };
  struct Found {
    LogRecordHeader header;
    std::vector<uint8_t> text;
  };

  // The segment must lie in the file and apart from those before; a chain that bites its tail ends here.
  bool enter(const LogSegment& segment) {
    Space places = places_;
    for (const uint64_t offset_bytes : segment.offset_bytes) {
      const bool inside = offset_bytes >= kHead_bytes && offset_bytes <= file_bytes_ && segment.bytes > 0 &&
                          segment.bytes <= file_bytes_ - offset_bytes && offset_bytes % kIoBlock_bytes == 0 &&
                          segment.bytes % kIoBlock_bytes == 0;
      if (!inside || !places.add({offset_bytes, segment.bytes})) {
        contents_->broken_tail =
            error(ErrorKind::corrupt, "token log: a segment at byte {} with {} bytes has no place",
                  offset_bytes, segment.bytes);
        return false;
      }
    }
    places_ = std::move(places);
    log_.segments_.push_back(segment);
    log_.at_bytes_ = 0;
    return true;
  }

  Status load_copy(Copy* copy, uint64_t offset_bytes) {
    copy->offset_bytes = offset_bytes;
    LEOAM_ASSIGN_OR_RETURN(copy->blocks, BlockBuffer::create(log_.segments_.back().bytes));
    copy->status = file_.read_at(offset_bytes, copy->blocks.span());
    copy->unreadable.assign(copy->blocks.bytes() / kIoBlock_bytes, false);
    if (copy->status.ok()) return {};
    // A sector that cannot be read takes no more with it than it must.
    for (uint64_t at = 0; at < copy->blocks.bytes(); at += kIoBlock_bytes) {
      const std::span<uint8_t> block = copy->blocks.span().subspan(at, kIoBlock_bytes);
      if (file_.read_at(offset_bytes + at, block).ok()) continue;
      std::ranges::fill(block, uint8_t{0});
      copy->unreadable[at / kIoBlock_bytes] = true;
    }
    return {};
  }

  // False: neither copy has a whole record here.
  Result<bool> read_record(std::optional<LogSegment>* next) {
    const uint64_t left_bytes = log_.segments_.back().bytes - log_.at_bytes_;
    if (left_bytes < kIoBlock_bytes) return false;
    Found found;
    for (size_t which = 0; which < 2; ++which) {
      LEOAM_ASSIGN_OR_RETURN(const bool whole, open_record(copies_[which], left_bytes, &found));
      if (!whole) continue;
      compare(which, whole_blocks(kLogHeader_bytes + found.text.size()));
      return apply(found, next);
    }
    const auto unreadable = [this](const Copy& copy) {
      return copy.unreadable[log_.at_bytes_ / kIoBlock_bytes];
    };
    // Nobody can say whether the log ends here.
    if (unreadable(copies_[0]) && unreadable(copies_[1]))
      return std::move(copies_[0].status).with_context("token log: neither copy can be read");
    for (const Copy& copy : copies_)
      if (!is_zero(copy.blocks.span().subspan(log_.at_bytes_, kIoBlock_bytes)) || unreadable(copy))
        contents_->broken_tail =
            error(ErrorKind::corrupt, "token log: record {} at bytes {} and {} is whole in neither",
                  log_.n_records_, copies_[0].offset_bytes + log_.at_bytes_,
                  copies_[1].offset_bytes + log_.at_bytes_);
    return false;
  }

  Result<bool> open_record(const Copy& copy, uint64_t left_bytes, Found* found) const {
    const uint8_t* const at = copy.blocks.data() + log_.at_bytes_;
    LogRecordHeader& header = found->header;
    if (!header.get(at) || header.number != log_.n_records_ || header.text_bytes > kMostText_bytes ||
        header.text_bytes > left_bytes - kLogHeader_bytes)
      return false;
    found->text.resize(header.text_bytes);
    const auto identity = log_identity(header.number, header.kind, header.flags, log_.last_tag_);
    const Status status = sealer_.open(RecordKind::log, identity, {header.counter, 0, header.tag},
                                       header.salt, at + kLogHeader_bytes, found->text);
    if (status.ok()) return true;
    if (status.kind() == ErrorKind::corrupt) return false;
    return status.clone();
  }

  void compare(size_t good, uint64_t bytes) {
    const Copy& bad = copies_[1 - good];
    if (std::memcmp(copies_[0].blocks.data() + log_.at_bytes_, copies_[1].blocks.data() + log_.at_bytes_,
                    bytes) == 0 &&
        bad.status.ok())
      return;
    pending_damages_.push_back(
        {bad.offset_bytes + log_.at_bytes_, copies_[good].offset_bytes + log_.at_bytes_, bytes});
  }

  // The meaning of a record whose bytes are right.
  Result<bool> apply(const Found& found, std::optional<LogSegment>* next) {
    const LogRecordHeader& header = found.header;
    const uint8_t* const text = found.text.data();
    const auto meaningless = [&](const char* what) {
      contents_->broken_tail = error(ErrorKind::corrupt, "token log: record {}: {}", header.number, what);
      return false;
    };
    if (header.kind == kLogNext) {
      if (header.text_bytes != kLogNext_bytes) return meaningless("not a place of a segment");
      *next = LogSegment{{load<uint64_t>(text), load<uint64_t>(text + 8)}, load<uint64_t>(text + 16)};
    } else if (header.kind == kLogTokens) {
      if (header.text_bytes < kLogTokensHead_bytes || header.text_bytes % 4 != 0)
        return meaningless("not tokens");
      const auto n_kept_tokens = load<uint64_t>(text + 8);
      if (commit_begun_ ? n_kept_tokens != pending_.n_kept_tokens + pending_tokens_.size()
                        : n_kept_tokens > contents_->tokens.size())
        return meaningless("keeps more tokens than there are");
      for (uint64_t at = kLogTokensHead_bytes; at < header.text_bytes; at += 4)
        if ((load<uint32_t>(text + at) & ~kStartsPass) >= n_vocab_)
          return meaningless("a token outside the vocabulary");
      append(found, n_kept_tokens);
    } else {
      return meaningless("of an unknown kind");
    }
    ++log_.n_records_;
    log_.last_tag_ = header.tag;
    log_.at_bytes_ += whole_blocks(kLogHeader_bytes + header.text_bytes);
    if (header.kind == kLogTokens && (header.flags & kLogEndsCommit)) end_commit();
    return true;
  }

  // A commit can be several records; it counts when its last one is whole.
  void append(const Found& found, uint64_t n_kept_tokens) {
    const uint8_t* const text = found.text.data();
    if (!commit_begun_) {
      commit_begun_ = true;
      pending_.generation = load<uint64_t>(text);
      pending_.n_kept_tokens = n_kept_tokens;
    }
    for (uint64_t at = kLogTokensHead_bytes; at < found.text.size(); at += 4) {
      const auto token = load<uint32_t>(text + at);
      pending_tokens_.push_back({static_cast<int32_t>(token & ~kStartsPass), (token & kStartsPass) != 0});
    }
  }

  void end_commit() {
    pending_.n_records_after = log_.n_records_;
    pending_.tag_after = log_.last_tag_;
    pending_.n_tokens_after = pending_.n_kept_tokens + pending_tokens_.size();
    contents_->entries.push_back(pending_);
    contents_->damages.insert(contents_->damages.end(), pending_damages_.begin(), pending_damages_.end());
    contents_->tokens.resize(pending_.n_kept_tokens);
    contents_->tokens.insert(contents_->tokens.end(), pending_tokens_.begin(), pending_tokens_.end());
    committed_ = log_;
    commit_begun_ = false;
    pending_damages_.clear();
    pending_tokens_.clear();
  }

  const WritableFile& file_;
  const Sealer& sealer_;
  const uint64_t file_bytes_;
  const uint32_t n_vocab_;
  TokenLog::Contents* const contents_;
  std::array<Copy, 2> copies_;
  Space places_;
  TokenLog log_;        // as read so far
  TokenLog committed_;  // up to the last whole commit
  bool commit_begun_ = false;
  TokenLog::Entry pending_;  // the commit that is being read
  std::vector<LoggedToken> pending_tokens_;
  std::vector<TokenLog::Damage> pending_damages_;
};

Result<TokenLog> TokenLog::read(const WritableFile& file, const Sealer& sealer, const LogSegment& first,
                                uint64_t file_bytes, uint32_t n_vocab, Contents* contents) {
  return TokenLogReader(file, sealer, file_bytes, n_vocab, contents).read(first);
}

}  // namespace leoam
