#include "runtime/store/session_file.h"

#include <cstring>

#include "runtime/store/session_state.h"

namespace leoam {

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<std::vector<uint8_t>> SessionFile::State::read_blob(const SessionFile& file, RecordKind kind,
                                                           std::span<const uint8_t> identity,
                                                           const BlobRecord& blob) {
  LEOAM_ASSIGN_OR_RETURN(const BlockBuffer blocks, BlockBuffer::create(blob.bytes));
  LEOAM_RETURN_IF_ERROR(file.file_->read_at(blob.offset_bytes, blocks.span()));
  std::vector<uint8_t> text(blob.bytes);
  LEOAM_RETURN_IF_ERROR(file.sealer_->open(kind, identity, blob.seal, blocks.data(), text));
  return text;
}

SessionFile::SessionFile() : state_(std::make_unique<State>()) {}

SessionFile::~SessionFile() {
  (void)abandon().ok();
}

Status SessionFile::abandon() {
  // Never committed: nobody has seen it.
  if (state_->new_path.empty()) return {};
  Status status = state_->files->remove(state_->new_path);
  if (status.ok() || status.kind() == ErrorKind::not_found) state_->new_path.clear();
  return status;
}

const std::string& SessionFile::path() const {
  return state_->path;
}

const std::vector<LoggedToken>& SessionFile::tokens() const {
  return state_->tokens;
}

const std::vector<StreamIndex>& SessionFile::streams() const {
  return state_->streams;
}

uint32_t SessionFile::page_bytes(PageKind kind) const {
  return state_->manifest.page_bytes(kind, state_->identity);
}

SessionFileInfo SessionFile::info() const {
  SessionFileInfo info;
  info.identity = state_->identity;
  info.format_version = kFormatVersion;
  info.encrypted = state_->encrypted;
  info.generation = state_->manifest.generation;
  info.n_tokens = state_->tokens.size();
  info.n_kv_tokens = state_->manifest.n_kv_tokens;
  info.selects_from = state_->manifest.selects_from;
  info.file_bytes = file_bytes();
  info.used_bytes = kHead_bytes + used_bytes();
  info.index_lost = state_->index_lost;
  return info;
}

Result<std::vector<float>> SessionFile::read_logits() const {
  const BlobRecord& blob = state_->manifest.logits;
  if (!blob.present()) return std::vector<float>();
  LEOAM_ASSIGN_OR_RETURN(const std::vector<uint8_t> text,
                         State::read_blob(*this, RecordKind::logits, {}, blob));
  std::vector<float> logits(text.size() / sizeof(float));
  std::memcpy(logits.data(), text.data(), logits.size() * sizeof(float));
  return logits;
}

Result<std::vector<uint8_t>> SessionFile::read_abstract(uint32_t layer, uint32_t level) const {
  const auto find = [&](const std::vector<AbstractRecord>& list) {
    const auto at =
        std::ranges::find_if(list, [&](const AbstractRecord& one) { return one.is_of(layer, level); });
    return at == list.end() ? nullptr : &*at;
  };
  const AbstractRecord* record = find(state_->new_abstracts);
  if (!record) record = find(state_->manifest.abstracts);
  if (!record || !record->blob.present())
    return error(ErrorKind::not_found, "no abstract of layer {}, level {}", layer, level);
  return State::read_blob(*this, RecordKind::abstract, abstract_identity(layer, level), record->blob);
}

Status SessionFile::remove(FileSystem& files, const std::string& path) {
  {
    LEOAM_ASSIGN_OR_RETURN(const auto file, files.open(path, OpenMode::read_only));
    LEOAM_RETURN_IF_ERROR(files.lock(*file, path));
    LEOAM_RETURN_IF_ERROR(files.remove(path));
  }
  return files.sync_folder(folder_of(path));
}

}  // namespace leoam
