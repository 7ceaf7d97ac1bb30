#include <algorithm>

#include "runtime/store/session_create.h"
#include "runtime/store/session_state.h"

namespace leoam {

namespace {

// Pages that are written as one.
constexpr uint64_t kBatch_bytes = uint64_t{1} << 20;

// Copies the pages of one stream, in their order and without gaps between them. A page that is bad stays
// behind: it is then one to be computed again.
Status copy_stream(SessionFile& from, SessionFile& to, uint32_t page_bytes, uint32_t stream,
                   StreamIndex* index) {
  if (index->pages.empty()) return {};
  const uint64_t stored_bytes = PageFile::stored_bytes(page_bytes);
  const auto n_batch = static_cast<uint32_t>(std::max<uint64_t>(1, kBatch_bytes / stored_bytes));
  LEOAM_ASSIGN_OR_RETURN(const BlockBuffer source, BlockBuffer::create(stored_bytes));
  LEOAM_ASSIGN_OR_RETURN(const BlockBuffer sealed, BlockBuffer::create(n_batch * stored_bytes));
  std::vector<uint8_t> page(page_bytes);
  uint32_t n_sealed = 0;
  uint64_t place = 0;
  const auto flush = [&]() -> Status {
    if (n_sealed == 0) return {};
    const uint32_t n = n_sealed;
    n_sealed = 0;
    return to.file().write_at(place, sealed.first(n * stored_bytes));
  };
  const auto n_present = std::ranges::count_if(index->pages, &PageRecord::present);
  auto n_left = static_cast<uint32_t>(n_present);
  uint32_t n_room = 0;
  for (uint32_t i = 0; i < index->pages.size(); ++i) {
    PageRecord& record = index->pages[i];
    if (!record.present()) continue;
    const PageIdentity identity{0, stream, index->first_page + i};
    Status status = from.file().read_at(record.offset_bytes, source.span());
    if (status.ok()) status = from.open(identity, record, source.data(), page);
    record = {};
    --n_left;
    if (!status.ok()) continue;
    if (n_sealed == n_room) {
      LEOAM_RETURN_IF_ERROR(flush());
      n_room = std::min(n_batch, n_left + 1);
      LEOAM_ASSIGN_OR_RETURN(place, to.allocate(page_bytes, n_room));
    }
    record.offset_bytes = place + n_sealed * stored_bytes;
    LEOAM_RETURN_IF_ERROR(to.seal(identity, page, sealed.data() + n_sealed * stored_bytes, &record));
    ++n_sealed;
  }
  if (n_sealed < n_room) to.free(place + n_sealed * stored_bytes, page_bytes, n_room - n_sealed);
  return flush();
}

// It may be whole: what is damaged stays behind, but a file that cannot be read now is to be compacted later.
bool is_unread(const Status& status) {
  return !status.ok() && status.kind() != ErrorKind::corrupt;
}

}  // namespace

Status SessionFile::compact(FileSystem& files, const std::string& path, const SecretKey* key,
                            DiskAccount& account) {
  // The old file's lock is held until the new one has its name, so nobody sees one without an owner.
  LEOAM_ASSIGN_OR_RETURN(const auto from, open(files, path, key, nullptr, account, OpenMode::read_write));
  const SessionIdentity& identity = from->state_->identity;
  LEOAM_ASSIGN_OR_RETURN(const auto to,
                         Creation::create(files, path, true, key, identity, account, system_random));
  for (const AbstractRecord& abstract : from->state_->manifest.abstracts) {
    const auto bytes = from->read_abstract(abstract.layer, abstract.level);
    if (bytes.ok()) LEOAM_RETURN_IF_ERROR(to->write_abstract(abstract.layer, abstract.level, *bytes));
    if (is_unread(bytes.status())) return bytes.status().clone();
  }
  std::vector<StreamIndex> streams = from->streams();
  const Manifest& manifest = from->state_->manifest;
  for (uint32_t stream = 0; stream < streams.size(); ++stream)
    LEOAM_RETURN_IF_ERROR(
        copy_stream(*from, *to, manifest.page_bytes_of(stream, identity), stream, &streams[stream]));
  // Generations go on, so that a copy of the old file cannot be taken for a later state of the new one.
  to->state_->newest_generation = from->state_->newest_generation;
  const auto logits = from->read_logits();
  if (is_unread(logits.status())) return logits.status().clone();
  SessionCommit commit;
  commit.tokens = from->tokens();
  commit.n_kv_tokens = from->state_->manifest.n_kv_tokens;
  commit.selects_from = from->state_->manifest.selects_from;
  commit.streams = streams;
  for (uint32_t kind = 1; kind < kPageKinds; ++kind)
    commit.page_bytes[kind] = from->page_bytes(static_cast<PageKind>(kind));
  if (logits.ok()) commit.logits = *logits;
  return to->commit(commit);
}

}  // namespace leoam
