#include "runtime/store/token_log.h"

#include <algorithm>

#include "runtime/store/little_endian.h"
#include "runtime/store/token_log_format.h"

namespace leoam {

namespace {

// Segments grow with the log, so that a long one has few and a short one is small.
constexpr uint64_t kMostLogSegment_bytes = uint64_t{16} << 20;

uint64_t record_bytes(uint64_t text_bytes) {
  return whole_blocks(kLogHeader_bytes + text_bytes);
}

std::vector<uint8_t> tokens_text(uint64_t generation, uint64_t n_kept_tokens,
                                 std::span<const LoggedToken> tokens) {
  std::vector<uint8_t> text(kLogTokensHead_bytes + 4 * tokens.size());
  store(text.data(), generation);
  store(text.data() + 8, n_kept_tokens);
  uint8_t* at = text.data() + kLogTokensHead_bytes;
  for (const LoggedToken& token : tokens) {
    store(at, static_cast<uint32_t>(token.id) | (token.starts_pass ? kStartsPass : 0));
    at += 4;
  }
  return text;
}

}  // namespace

std::vector<Extent> TokenLog::extents() const {
  std::vector<Extent> extents;
  for (const LogSegment& segment : segments_)
    for (const uint64_t offset_bytes : segment.offset_bytes) extents.push_back({offset_bytes, segment.bytes});
  return extents;
}

std::string TokenLog::describe(const Damage& damage) {
  return fmt::format("token log: {} bytes at byte {} are not those of the other copy", damage.bytes,
                     damage.bad_bytes);
}

Status TokenLog::append_record(Sealer& sealer, const Room& room, uint32_t kind, uint32_t flags,
                               std::span<const uint8_t> text) {
  LEOAM_ASSIGN_OR_RETURN(const BlockBuffer blocks, BlockBuffer::create(record_bytes(text.size())));
  LogRecordHeader header;
  header.kind = kind;
  header.flags = flags;
  header.text_bytes = static_cast<uint32_t>(text.size());
  header.number = n_records_;
  Seal seal;
  LEOAM_RETURN_IF_ERROR(sealer.seal(RecordKind::log, log_identity(n_records_, kind, flags, last_tag_), text,
                                    blocks.data() + kLogHeader_bytes, &seal, &header.salt));
  header.counter = seal.counter;
  header.tag = seal.tag;
  header.put(blocks.data());
  for (const uint64_t offset_bytes : segments_.back().offset_bytes)
    LEOAM_RETURN_IF_ERROR(room.write(offset_bytes + at_bytes_, blocks.span()));
  at_bytes_ += blocks.bytes();
  ++n_records_;
  last_tag_ = seal.tag;
  return {};
}

// The last block of a segment is for the record that says where the next segment is.
Status TokenLog::make_room(Sealer& sealer, const Room& room, uint64_t bytes) {
  if (at_bytes_ + bytes + kIoBlock_bytes <= segments_.back().bytes) return {};
  uint64_t log_bytes = 0;
  for (const LogSegment& segment : segments_) log_bytes += segment.bytes;
  LogSegment next;
  next.bytes = std::max(std::clamp(log_bytes / 2, kFirstLogSegment_bytes, kMostLogSegment_bytes) /
                            kIoBlock_bytes * kIoBlock_bytes,
                        bytes + kIoBlock_bytes);
  for (uint64_t& offset_bytes : next.offset_bytes) {
    LEOAM_ASSIGN_OR_RETURN(offset_bytes, room.allocate(next.bytes));
  }
  std::array<uint8_t, kLogNext_bytes> text;
  store(text.data(), next.offset_bytes[0]);
  store(text.data() + 8, next.offset_bytes[1]);
  store(text.data() + 16, next.bytes);
  LEOAM_RETURN_IF_ERROR(append_record(sealer, room, kLogNext, 0, text));
  segments_.push_back(next);
  at_bytes_ = 0;
  return {};
}

Status TokenLog::append(Sealer& sealer, const Room& room, uint64_t generation, uint64_t n_kept_tokens,
                        std::span<const LoggedToken> tokens) {
  do {
    const auto part = tokens.first(std::min<uint64_t>(tokens.size(), kMostTokensOfRecord));
    tokens = tokens.subspan(part.size());
    const std::vector<uint8_t> text = tokens_text(generation, n_kept_tokens, part);
    LEOAM_RETURN_IF_ERROR(make_room(sealer, room, record_bytes(text.size())));
    LEOAM_RETURN_IF_ERROR(append_record(sealer, room, kLogTokens, tokens.empty() ? kLogEndsCommit : 0, text));
    n_kept_tokens += part.size();
  } while (!tokens.empty());
  return {};
}

Status TokenLog::erase_tail(const Room& room) const {
  LEOAM_ASSIGN_OR_RETURN(const BlockBuffer zeros, BlockBuffer::create(kIoBlock_bytes));
  for (const uint64_t offset_bytes : segments_.back().offset_bytes)
    LEOAM_RETURN_IF_ERROR(room.write(offset_bytes + at_bytes_, zeros.span()));
  return {};
}

}  // namespace leoam
