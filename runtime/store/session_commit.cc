#include <algorithm>
#include <cstring>
#include <set>

#include "runtime/store/session_create.h"
#include "runtime/store/session_state.h"

namespace leoam {

// Writes what is new to free room, makes it durable, and then makes it the state by one block: the slot.
class SessionFile::Commit {
 public:
  explicit Commit(SessionFile* file) : file_(*file), state_(*file->state_), log_(state_.log) {}

  Status run(const SessionCommit& commit) {
    if (!state_.poison.ok()) return state_.poison.clone();
    if (!state_.writable) return Status(ErrorKind::invalid_argument, "the session is open for reading only");
    LEOAM_RETURN_IF_ERROR(check(commit));
    if (Status status = prepare(commit); !status.ok()) {
      take_back();
      return status;
    }
    LEOAM_RETURN_IF_ERROR(make_durable());
    adopt(commit);
    return {};
  }

  // A record on free blocks. Whoever writes it frees it if it is not used.
  static Status write_blob(SessionFile& file, RecordKind kind, std::span<const uint8_t> identity,
                           std::span<const uint8_t> text, BlobRecord* blob) {
    LEOAM_ASSIGN_OR_RETURN(const BlockBuffer blocks, BlockBuffer::create(text.size()));
    BlobRecord record;
    record.bytes = static_cast<uint32_t>(text.size());
    LEOAM_RETURN_IF_ERROR(file.sealer_->seal(kind, identity, text, blocks.data(), &record.seal));
    LEOAM_RETURN_IF_ERROR(file.count_written(blocks.bytes()));
    LEOAM_ASSIGN_OR_RETURN(record.offset_bytes, file.space_->allocate(blocks.bytes()));
    if (Status status = file.file_->write_at(record.offset_bytes, blocks.span()); !status.ok()) {
      file.space_->free(record.extent());
      return status;
    }
    *blob = record;
    return {};
  }

 private:
  Status check(const SessionCommit& commit) const {
    const auto wrong = [](const char* field, uint64_t most, uint64_t found) {
      return error(ErrorKind::invalid_argument, "commit: {} of at most {} expected, found {}", field, most,
                   found);
    };
    const SessionIdentity& identity = state_.identity;
    const uint64_t n_tokens = commit.n_kept_tokens + commit.tokens.size();
    if (commit.n_kept_tokens > state_.tokens.size())
      return wrong("n_kept_tokens", state_.tokens.size(), commit.n_kept_tokens);
    if (commit.n_kv_tokens > n_tokens) return wrong("n_kv_tokens", n_tokens, commit.n_kv_tokens);
    const bool all_kinds = std::any_of(commit.page_bytes.begin() + 1, commit.page_bytes.end(),
                                       [](uint32_t n) { return n != 0; });
    if (commit.streams.size() != (all_kinds ? kPageKinds : 1) * identity.n_layers)
      return error(ErrorKind::invalid_argument, "commit: streams of {} layers expected, found {}",
                   identity.n_layers, commit.streams.size());
    const uint64_t n_pages = (n_tokens + identity.page_tokens - 1) / identity.page_tokens;
    for (const StreamIndex& stream : commit.streams)
      if (stream.first_page + stream.pages.size() > n_pages)
        return wrong("pages of a stream", n_pages, stream.first_page + stream.pages.size());
    for (const LoggedToken& token : commit.tokens)
      if (token.id < 0 || static_cast<uint32_t>(token.id) >= identity.n_vocab)
        return error(ErrorKind::invalid_argument, "commit: token {} is outside the vocabulary of {}",
                     token.id, identity.n_vocab);
    if (!commit.logits.empty() && commit.logits.size() != identity.n_vocab)
      return error(ErrorKind::invalid_argument, "commit: logits of {} tokens expected, found {}",
                   identity.n_vocab, commit.logits.size());
    return {};
  }

  Status prepare(const SessionCommit& commit) {
    repair();
    manifest_.generation = state_.newest_generation + 1;
    manifest_.n_tokens = commit.n_kept_tokens + commit.tokens.size();
    manifest_.n_kv_tokens = commit.n_kv_tokens;
    manifest_.selects_from = commit.selects_from;
    LEOAM_RETURN_IF_ERROR(write_log(commit));
    std::copy_n(commit.page_bytes.begin() + 1, manifest_.kind_page_bytes.size(),
                manifest_.kind_page_bytes.begin());
    LEOAM_RETURN_IF_ERROR(write_index(commit.streams));
    if (!commit.logits.empty()) {
      const auto* bytes = reinterpret_cast<const uint8_t*>(commit.logits.data());
      LEOAM_RETURN_IF_ERROR(
          write(RecordKind::logits, {}, {bytes, commit.logits.size_bytes()}, &manifest_.logits));
    }
    drop(state_.manifest.logits);
    take_abstracts();
    return write_manifest(commit.streams);
  }

  // Places of which a second copy is whole. A place that cannot be written stays as it is, and is found
  // again.
  void repair() {
    if (const auto blocks = BlockBuffer::create(kHeader_bytes); blocks.ok()) {
      std::copy(state_.header.begin(), state_.header.end(), blocks->data());
      for (size_t copy = 0; copy < 2; ++copy)
        if (state_.header_damaged[copy] && write_at(kHeaderPlaces_bytes[copy], blocks->span()).ok())
          state_.header_damaged[copy] = false;
    }
    std::erase_if(state_.log_damages, [this](const TokenLog::Damage& damage) {
      const auto blocks = BlockBuffer::create(damage.bytes);
      return blocks.ok() && file_.file_->read_at(damage.good_bytes, blocks->span()).ok() &&
             write_at(damage.bad_bytes, blocks->span()).ok();
    });
  }

  TokenLog::Room room() {
    return {[this](uint64_t bytes) { return allocate(bytes); },
            [this](uint64_t offset_bytes, std::span<const uint8_t> blocks) {
              return write_at(offset_bytes, blocks);
            }};
  }

  Status write_log(const SessionCommit& commit) {
    const bool changes = commit.n_kept_tokens != state_.tokens.size() || !commit.tokens.empty();
    if (changes) {
      log_touched_ = true;
      LEOAM_RETURN_IF_ERROR(
          log_.append(*file_.sealer_, room(), manifest_.generation, commit.n_kept_tokens, commit.tokens));
    }
    manifest_.n_log_records = log_.n_records();
    manifest_.log_tag = log_.last_tag();
    return {};
  }

  // Parts of the index whose pages are those of the last commit stay where they are.
  Status write_index(std::span<const StreamIndex> streams) {
    manifest_.streams.resize(streams.size());
    for (size_t gone = streams.size(); gone < state_.manifest.streams.size(); ++gone)
      for (const BlobRecord& part : state_.manifest.streams[gone].index) drop(part);
    const StreamRecord no_record;
    const StreamIndex no_pages;
    for (uint32_t stream = 0; stream < streams.size(); ++stream) {
      const StreamIndex& now = streams[stream];
      StreamRecord& record = manifest_.streams[stream];
      record.first_page = now.first_page;
      record.n_pages = static_cast<uint32_t>(now.pages.size());
      const bool is_new = stream >= state_.streams.size();
      const StreamRecord& before = is_new ? no_record : state_.manifest.streams[stream];
      const uint64_t end = uint64_t{now.first_page} + now.pages.size();
      const uint32_t old_first_part = first_part(before.first_page);
      std::vector<bool> kept(before.index.size());
      for (uint32_t part = first_part(now.first_page);
           uint64_t{part} * kIndexPages < end && !now.pages.empty(); ++part) {
        const uint64_t begin_page = std::max<uint64_t>(uint64_t{part} * kIndexPages, now.first_page);
        const uint64_t end_page = std::min<uint64_t>((uint64_t{part} + 1) * kIndexPages, end);
        const auto pages = std::span(now.pages).subspan(begin_page - now.first_page, end_page - begin_page);
        const size_t old = part - old_first_part;
        BlobRecord blob;
        if (part >= old_first_part && old < before.index.size() && before.index[old].present() &&
            same_pages(is_new ? no_pages : state_.streams[stream], begin_page, pages)) {
          blob = before.index[old];
          kept[old] = true;
        } else {
          LEOAM_RETURN_IF_ERROR(write(RecordKind::index, index_identity(stream, part),
                                      encode_index(static_cast<uint32_t>(begin_page), pages), &blob));
        }
        record.index.push_back(blob);
      }
      for (size_t i = 0; i < before.index.size(); ++i)
        if (!kept[i]) drop(before.index[i]);
    }
    return {};
  }

  // Pages that a part has beyond these were dropped, and are not looked at; new ones are not in it.
  static bool same_pages(const StreamIndex& before, uint64_t begin_page, std::span<const PageRecord> pages) {
    if (begin_page < before.first_page) return false;
    const uint64_t at = begin_page - before.first_page;
    return at + pages.size() <= before.pages.size() &&
           std::equal(pages.begin(), pages.end(), before.pages.begin() + static_cast<std::ptrdiff_t>(at));
  }

  void take_abstracts() {
    std::ranges::copy_if(state_.new_abstracts, std::back_inserter(manifest_.abstracts),
                         [](const AbstractRecord& one) { return one.blob.present(); });
    for (const AbstractRecord& old : state_.manifest.abstracts) {
      const bool replaced = std::ranges::any_of(state_.new_abstracts, [&old](const AbstractRecord& one) {
        return one.is_of(old.layer, old.level);
      });
      if (replaced || (old.needs_pages() && !manifest_.has_abstracts())) {
        drop(old.blob);
      } else {
        manifest_.abstracts.push_back(old);
      }
    }
    std::ranges::sort(manifest_.abstracts, [](const AbstractRecord& a, const AbstractRecord& b) {
      return a.level != b.level ? a.level < b.level : a.layer < b.layer;
    });
  }

  Status write_manifest(std::span<const StreamIndex> streams) {
    take_epochs(streams);
    const std::vector<uint8_t> text = manifest_.encode();
    if (text.size() > kMostManifest_bytes)
      return error(ErrorKind::unsupported, "the session has a manifest of {} bytes, at most {} are possible",
                   text.size(), kMostManifest_bytes);
    LEOAM_ASSIGN_OR_RETURN(const BlockBuffer blocks, BlockBuffer::create(text.size()));
    slot_.generation = manifest_.generation;
    slot_.bytes = static_cast<uint32_t>(text.size());
    slot_.n_log_records = manifest_.n_log_records;
    LEOAM_ASSIGN_OR_RETURN(slot_.offset_bytes, allocate(blocks.bytes()));
    manifest_extent_ = {slot_.offset_bytes, blocks.bytes()};
    Seal seal;
    LEOAM_RETURN_IF_ERROR(
        file_.sealer_->seal(RecordKind::manifest, slot_.identity(), text, blocks.data(), &seal, &slot_.salt));
    slot_.counter = seal.counter;
    slot_.tag = seal.tag;
    LEOAM_ASSIGN_OR_RETURN(slot_block_, BlockBuffer::create(kIoBlock_bytes));
    slot_.put(slot_block_.span());
    return write_at(slot_.offset_bytes, blocks.span());
  }

  // Those that a record of this state was sealed in.
  void take_epochs(std::span<const StreamIndex> streams) {
    std::set<uint32_t> numbers;
    uint32_t last = 0;
    const auto note = [&](bool present, uint32_t number) {
      if (present && number != last) numbers.insert(last = number);
    };
    for (const StreamIndex& stream : streams)
      for (const PageRecord& page : stream.pages) note(page.present(), page.epoch);
    for (const StreamRecord& stream : manifest_.streams)
      for (const BlobRecord& part : stream.index) note(part.present(), part.seal.epoch);
    note(manifest_.logits.present(), manifest_.logits.seal.epoch);
    for (const AbstractRecord& abstract : manifest_.abstracts) note(true, abstract.blob.seal.epoch);
    for (const Epoch& epoch : file_.sealer_->epochs())
      if (numbers.contains(epoch.number)) manifest_.epochs.push_back(epoch);
  }

  Status make_durable() {
    LEOAM_RETURN_IF_ERROR(sync());
    state_.newest_generation = manifest_.generation;
    const size_t place = 1 - state_.slot;
    if (Status status = write_at(kSlotPlaces_bytes[place], slot_block_.span()); !status.ok()) {
      take_back();
      return status;
    }
    LEOAM_RETURN_IF_ERROR(sync());
    if (!state_.new_path.empty()) {
      if (Status status = Creation(&file_).publish(); !status.ok()) {
        if (state_.poison.ok()) take_back();
        return status;
      }
    }
    state_.slot = place;
    return {};
  }

  static Status sync_failed(const Status& status) {
    return error(ErrorKind::io, "an earlier sync failed, the session is to be opened again: {}",
                 status.message());
  }

  Status sync() {
    Status status = file_.file_->sync();
    if (!status.ok()) state_.poison = sync_failed(status);
    return status;
  }

  void adopt(const SessionCommit& commit) {
    dropped_.push_back(state_.manifest_extent);
    for (const Extent& extent : dropped_)
      if (extent.bytes > 0) file_.space_->free(extent);
    file_.space_->commit();
    state_.manifest = std::move(manifest_);
    state_.manifest_extent = manifest_extent_;
    state_.log = std::move(log_);
    state_.tokens.resize(commit.n_kept_tokens);
    state_.tokens.insert(state_.tokens.end(), commit.tokens.begin(), commit.tokens.end());
    state_.streams.assign(commit.streams.begin(), commit.streams.end());
    state_.new_abstracts.clear();
    state_.index_lost = false;
  }

  // The last commit stands: nothing of this one may be found by whoever opens the file next.
  void take_back() {
    for (const Extent& extent : taken_) file_.space_->free(extent);
    if (log_touched_) (void)state_.log.erase_tail(room()).ok();
  }

  Result<uint64_t> allocate(uint64_t bytes) {
    LEOAM_ASSIGN_OR_RETURN(const uint64_t offset_bytes, file_.space_->allocate(bytes));
    taken_.push_back({offset_bytes, bytes});
    return offset_bytes;
  }

  Status write_at(uint64_t offset_bytes, std::span<const uint8_t> blocks) {
    LEOAM_RETURN_IF_ERROR(file_.count_written(blocks.size()));
    return file_.file_->write_at(offset_bytes, blocks);
  }

  Status write(RecordKind kind, std::span<const uint8_t> identity, std::span<const uint8_t> text,
               BlobRecord* blob) {
    LEOAM_RETURN_IF_ERROR(write_blob(file_, kind, identity, text, blob));
    taken_.push_back(blob->extent());
    return {};
  }

  void drop(const BlobRecord& blob) {
    if (blob.present()) dropped_.push_back(blob.extent());
  }

  SessionFile& file_;
  State& state_;
  TokenLog log_;
  Manifest manifest_;
  Extent manifest_extent_;
  Slot slot_;
  BlockBuffer slot_block_;
  bool log_touched_ = false;
  std::vector<Extent> taken_;    // by this commit
  std::vector<Extent> dropped_;  // needed until it is durable
};

Status SessionFile::commit(const SessionCommit& commit) {
  return Commit(this).run(commit).with_context(state_->path);
}

Status SessionFile::write_abstract(uint32_t layer, uint32_t level, std::span<const uint8_t> bytes) {
  if (!state_->writable) return Status(ErrorKind::invalid_argument, "the session is open for reading only");
  if (layer >= state_->identity.n_layers || bytes.size() > kMostManifest_bytes)
    return error(ErrorKind::invalid_argument, "abstract of layer {} with {} bytes", layer, bytes.size());
  AbstractRecord abstract{layer, level, {}};
  if (!bytes.empty())
    LEOAM_RETURN_IF_ERROR(Commit::write_blob(*this, RecordKind::abstract, abstract_identity(layer, level),
                                             bytes, &abstract.blob));
  std::erase_if(state_->new_abstracts, [&](const AbstractRecord& old) {
    if (!old.is_of(layer, level)) return false;
    if (old.blob.present()) space_->free(old.blob.extent());
    return true;
  });
  state_->new_abstracts.push_back(abstract);
  return {};
}

}  // namespace leoam
