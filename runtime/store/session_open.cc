#include <algorithm>
#include <map>
#include <optional>

#include "runtime/store/session_state.h"

namespace leoam {

// Reads what is there and settles what holds: the header, the token log, the newest manifest that fits it,
// the index. Damage is a finding as long as the tokens are whole.
class SessionFile::Opening {
 public:
  explicit Opening(SessionFile* file) : file_(*file), state_(*file->state_) {}

  Status run(const SecretKey* key, const SessionIdentity* expected, OpenMode mode, RandomBytes random) {
    LEOAM_ASSIGN_OR_RETURN(file_.file_, state_.files->open(state_.path, mode));
    LEOAM_RETURN_IF_ERROR(state_.files->lock(*file_.file_, state_.path));
    LEOAM_ASSIGN_OR_RETURN(const uint64_t size_bytes, file_.file_->size_bytes());
    file_bytes_ = size_bytes / kIoBlock_bytes * kIoBlock_bytes;
    LEOAM_RETURN_IF_ERROR(read_header(key, random, size_bytes));
    if (expected) LEOAM_RETURN_IF_ERROR(state_.identity.check_same(*expected));
    LEOAM_RETURN_IF_ERROR(read_log());
    LEOAM_RETURN_IF_ERROR(read_manifest());
    settle_with_log();
    LEOAM_RETURN_IF_ERROR(read_index());
    return adopt_room();
  }

 private:
  struct Candidate {
    Slot slot;
    size_t place = 0;
  };

  void find(std::string finding) { state_.findings.push_back(std::move(finding)); }

  Status read_header(const SecretKey* key, RandomBytes random, uint64_t size_bytes) {
    if (file_bytes_ < kHead_bytes)
      return error(ErrorKind::corrupt, "not a session file: {} bytes, a session has at least {}", size_bytes,
                   kHead_bytes);
    LEOAM_ASSIGN_OR_RETURN(const BlockBuffer blocks, BlockBuffer::create(kHeader_bytes));
    std::array<Status, 2> status;
    std::optional<size_t> good;
    HeaderBytes bytes;
    for (size_t copy = 0; copy < 2; ++copy) {
      status[copy] = file_.file_->read_at(kHeaderPlaces_bytes[copy], blocks.span());
      if (status[copy].ok()) {
        std::copy_n(blocks.data(), bytes.size(), bytes.begin());
        status[copy] = SessionHeader::check(bytes);
      }
      state_.header_damaged[copy] = !status[copy].ok();
      if (!status[copy].ok() || good) continue;
      good = copy;
      state_.header = bytes;
    }
    for (Status& one : status)
      if (one.kind() == ErrorKind::version) return std::move(one);
    if (!good) return std::move(status[0]);
    for (size_t copy = 0; copy < 2; ++copy)
      if (!status[copy].ok())
        find(fmt::format("copy {} of the header: {}", copy + 1, status[copy].message()));
    LEOAM_ASSIGN_OR_RETURN(const SessionHeader header,
                           SessionHeader::open(state_.header, key, random, &file_.sealer_));
    state_.identity = header.identity;
    state_.encrypted = header.encrypted;
    first_segment_ = header.log;
    return {};
  }

  Status read_log() {
    LEOAM_ASSIGN_OR_RETURN(state_.log, TokenLog::read(*file_.file_, *file_.sealer_, first_segment_,
                                                      file_bytes_, state_.identity.n_vocab, &log_));
    state_.tokens = std::move(log_.tokens);
    state_.log_damages = std::move(log_.damages);
    for (const TokenLog::Damage& damage : state_.log_damages) find(TokenLog::describe(damage));
    for (const TokenLog::Entry& entry : log_.entries)
      state_.newest_generation = std::max(state_.newest_generation, entry.generation);
    return {};
  }

  // The newest manifest that is whole. The log says by itself which tokens there are; a manifest that knows
  // of more records than the log has whole means that tokens are lost.
  Status read_manifest() {
    state_.manifest.streams.resize(state_.identity.n_layers);
    std::vector<Candidate> candidates;
    LEOAM_ASSIGN_OR_RETURN(const BlockBuffer block, BlockBuffer::create(kIoBlock_bytes));
    for (size_t place = 0; place < 2; ++place) {
      const Status read = file_.file_->read_at(kSlotPlaces_bytes[place], block.span());
      const Result<Slot> slot = read.ok() ? Slot::get(block.span()) : Result<Slot>(read.clone());
      if (!slot.ok()) {
        find(fmt::format("slot {}: {}", place + 1, slot.status().message()));
        state_.index_lost = true;
      } else {
        candidates.push_back({*slot, place});
      }
    }
    std::ranges::sort(candidates, std::greater(), [](const Candidate& one) { return one.slot.generation; });
    for (const Candidate& candidate : candidates) {
      state_.newest_generation = std::max(state_.newest_generation, candidate.slot.generation);
      if (candidate.slot.offset_bytes == 0) {
        state_.slot = candidate.place;
        break;
      }
      if (candidate.slot.n_log_records > state_.log.n_records())
        return lost_tokens(candidate.slot.n_log_records);
      Result<Manifest> manifest = load(candidate.slot);
      if (manifest.ok() && fits_log(*manifest)) {
        state_.manifest = std::move(*manifest);
        state_.manifest_extent = {candidate.slot.offset_bytes, whole_blocks(candidate.slot.bytes)};
        state_.slot = candidate.place;
        state_.index_lost = false;
        return {};
      }
      find(fmt::format("manifest of generation {}: {}", candidate.slot.generation,
                       manifest.ok() ? "it does not fit the token log" : manifest.status().message()));
      state_.index_lost = true;
    }
    if (log_.entries.empty() && state_.index_lost)
      return Status(ErrorKind::corrupt, "neither a manifest nor a record of the token log is whole");
    // Tokens without a manifest: all their KV is to be computed again.
    state_.index_lost = true;
    return {};
  }

  Status lost_tokens(uint64_t n_records) const {
    return error(ErrorKind::corrupt, "token log: {} of {} records are whole{}{}", state_.log.n_records(),
                 n_records, log_.broken_tail.ok() ? "" : "; ", log_.broken_tail.message());
  }

  Result<Manifest> load(const Slot& slot) {
    const Extent extent{slot.offset_bytes, whole_blocks(slot.bytes)};
    if (slot.bytes == 0 || slot.bytes > kMostManifest_bytes || extent.offset_bytes % kIoBlock_bytes != 0 ||
        extent.offset_bytes < kHead_bytes || extent.offset_bytes > file_bytes_ ||
        extent.bytes > file_bytes_ - extent.offset_bytes)
      return error(ErrorKind::corrupt, "at byte {} with {} bytes it is outside the file", slot.offset_bytes,
                   slot.bytes);
    LEOAM_ASSIGN_OR_RETURN(const BlockBuffer blocks, BlockBuffer::create(slot.bytes));
    LEOAM_RETURN_IF_ERROR(file_.file_->read_at(slot.offset_bytes, blocks.span()));
    std::vector<uint8_t> text(slot.bytes);
    LEOAM_RETURN_IF_ERROR(file_.sealer_->open(RecordKind::manifest, slot.identity(),
                                              {slot.counter, 0, slot.tag}, slot.salt, blocks.data(), text));
    LEOAM_ASSIGN_OR_RETURN(Manifest manifest, Manifest::decode(text, state_.identity, file_bytes_));
    if (manifest.generation != slot.generation || manifest.n_log_records != slot.n_log_records)
      return error(ErrorKind::corrupt, "it says generation {} and {} records", manifest.generation,
                   manifest.n_log_records);
    return manifest;
  }

  const TokenLog::Entry* entry_of(const Manifest& manifest) const {
    const auto at =
        std::ranges::find(log_.entries, manifest.n_log_records, &TokenLog::Entry::n_records_after);
    return at == log_.entries.end() ? nullptr : &*at;
  }

  bool fits_log(const Manifest& manifest) const {
    if (manifest.n_log_records == 0) return manifest.n_tokens == 0;
    const TokenLog::Entry* entry = entry_of(manifest);
    return entry && entry->tag_after == manifest.log_tag && entry->n_tokens_after == manifest.n_tokens;
  }

  // Commits that the log has and the manifest does not: the manifest's successor is damaged, or the process
  // ended before it was written. Their tokens hold. KV of tokens that they took back does not.
  void settle_with_log() {
    Manifest& manifest = state_.manifest;
    const uint64_t n_known_tokens = manifest.n_tokens;
    manifest.n_tokens = state_.tokens.size();
    if (manifest.n_log_records == state_.log.n_records()) return;
    uint64_t n_kept_tokens = n_known_tokens;
    for (const TokenLog::Entry& entry : log_.entries)
      if (entry.n_records_after > manifest.n_log_records)
        n_kept_tokens = std::min(n_kept_tokens, entry.n_kept_tokens);
    manifest.logits = {};
    manifest.drop_abstracts(state_.identity.n_layers);
    if (n_kept_tokens < n_known_tokens) cut_pages(n_kept_tokens / state_.identity.page_tokens);
    if (manifest.generation > 0)
      find(fmt::format("the manifest is older than the token log: KV of {} tokens of {} can be used",
                       manifest.n_kv_tokens, state_.tokens.size()));
  }

  // A page of which a part is of tokens that are no more is no page of this session.
  void cut_pages(uint64_t n_pages) {
    Manifest& manifest = state_.manifest;
    manifest.n_kv_tokens = std::min(manifest.n_kv_tokens, n_pages * state_.identity.page_tokens);
    for (StreamRecord& layer : manifest.streams) {
      const uint64_t end = std::min<uint64_t>(uint64_t{layer.first_page} + layer.n_pages, n_pages);
      layer.n_pages = end > layer.first_page ? static_cast<uint32_t>(end - layer.first_page) : 0;
      const size_t n_parts =
          layer.n_pages ? first_part(static_cast<uint32_t>(end) - 1) - first_part(layer.first_page) + 1 : 0;
      layer.index.resize(std::min(layer.index.size(), n_parts));
    }
  }

  Status read_index() {
    LEOAM_RETURN_IF_ERROR(file_.sealer_->adopt(state_.manifest.epochs));
    state_.streams.assign(state_.manifest.streams.size(), {});
    // Records claim memory, so their places are looked at first: a file cannot name the same block twice.
    if (Status room = check_room(); !room.ok()) return lose_index(room);
    for (uint32_t stream = 0; stream < state_.streams.size(); ++stream) {
      const StreamRecord& record = state_.manifest.streams[stream];
      StreamIndex& index = state_.streams[stream];
      index.first_page = record.first_page;
      index.pages.resize(record.n_pages);
      for (size_t i = 0; i < record.index.size(); ++i) {
        const auto part = static_cast<uint32_t>(first_part(record.first_page) + i);
        const Status status = read_part(stream, part, record.index[i], &index);
        if (status.kind() == ErrorKind::out_of_memory) return status.clone();
        if (status.ok()) continue;
        find(fmt::format("index of stream {}, part {}: {}", stream, part, status.message()));
        state_.manifest.streams[stream].index[i] = {};
      }
    }
    return {};
  }

  Status read_part(uint32_t stream, uint32_t part, const BlobRecord& blob, StreamIndex* index) {
    if (!blob.present()) return Status(ErrorKind::corrupt, "it is not in the file");
    LEOAM_ASSIGN_OR_RETURN(const std::vector<uint8_t> text,
                           State::read_blob(file_, RecordKind::index, index_identity(stream, part), blob));
    LEOAM_ASSIGN_OR_RETURN(
        const IndexPart found,
        decode_index(text, state_.manifest.page_bytes_of(stream, state_.identity), file_bytes_));
    if (first_part(found.first_page) != part ||
        uint64_t{found.first_page} + found.pages.size() > (uint64_t{part} + 1) * kIndexPages)
      return error(ErrorKind::corrupt, "it has pages from {}", found.first_page);
    for (uint32_t i = 0; i < found.pages.size(); ++i) {
      const uint64_t page = uint64_t{found.first_page} + i;
      if (page >= index->first_page && page - index->first_page < index->pages.size())
        index->pages[page - index->first_page] = found.pages[i];
    }
    return {};
  }

  // What the manifest itself claims.
  std::vector<Extent> manifest_extents() const {
    std::vector<Extent> used = state_.log.extents();
    const auto add = [&used](const BlobRecord& blob) {
      if (blob.present()) used.push_back(blob.extent());
    };
    if (state_.manifest_extent.bytes > 0) used.push_back(state_.manifest_extent);
    for (const StreamRecord& layer : state_.manifest.streams)
      for (const BlobRecord& part : layer.index) add(part);
    add(state_.manifest.logits);
    for (const AbstractRecord& abstract : state_.manifest.abstracts) add(abstract.blob);
    return used;
  }

  Status check_room() const {
    Space space;
    for (const Extent& extent : manifest_extents())
      if (!space.add(extent))
        return error(ErrorKind::corrupt, "two records claim byte {} of the file", extent.offset_bytes);
    return {};
  }

  Status adopt(std::span<const Extent> used) {
    file_.space_ = std::make_unique<FileSpace>(file_.file_.get(), file_.account_, kHead_bytes,
                                               FileSpace::Reuse::after_commit);
    LEOAM_RETURN_IF_ERROR(file_.space_->reserve_head(kHead_bytes));
    return file_.space_->adopt(used, file_bytes_);
  }

  Status adopt_room() {
    std::vector<Extent> used = manifest_extents();
    for (uint32_t stream = 0; stream < state_.streams.size(); ++stream) {
      const uint64_t bytes = whole_blocks(state_.manifest.page_bytes_of(stream, state_.identity));
      for (const PageRecord& page : state_.streams[stream].pages)
        if (page.present()) used.push_back({page.offset_bytes, bytes});
    }
    const Status status = adopt(used);
    if (status.kind() != ErrorKind::corrupt) return status.clone();
    LEOAM_RETURN_IF_ERROR(lose_index(status));
    return adopt(state_.log.extents());
  }

  // Only the tokens are left.
  Status lose_index(const Status& status) {
    find("index: " + status.message());
    state_.index_lost = true;
    const uint64_t n_tokens = state_.manifest.n_tokens;
    state_.manifest = {};
    state_.manifest.n_tokens = n_tokens;
    state_.manifest.streams.resize(state_.identity.n_layers);
    state_.manifest_extent = {};
    state_.streams.assign(state_.identity.n_layers, {});
    return {};
  }

  SessionFile& file_;
  State& state_;
  uint64_t file_bytes_ = 0;
  LogSegment first_segment_;
  TokenLog::Contents log_;
};

Result<std::unique_ptr<SessionFile>> SessionFile::open(FileSystem& files, const std::string& path,
                                                       const SecretKey* key, const SessionIdentity* expected,
                                                       DiskAccount& account, OpenMode mode,
                                                       RandomBytes random) {
  if (mode == OpenMode::create)
    return Status(ErrorKind::invalid_argument, "mode: read_only or read_write expected");
  auto file = std::unique_ptr<SessionFile>(new SessionFile());
  file->account_ = &account;
  file->state_->files = &files;
  file->state_->path = path;
  file->state_->writable = mode == OpenMode::read_write;
  LEOAM_RETURN_IF_ERROR(Opening(file.get()).run(key, expected, mode, random).with_context(path));
  return file;
}

}  // namespace leoam
