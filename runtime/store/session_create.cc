#include "runtime/store/session_create.h"

#include <utility>

#include "runtime/store/session_state.h"

namespace leoam {

namespace {

// The new file, or one that a crash has left under its passing name, locked and empty.
Result<std::unique_ptr<WritableFile>> open_new(FileSystem& files, const std::string& path) {
  auto file = files.open(path, OpenMode::create);
  if (file.status().kind() == ErrorKind::busy) file = files.open(path, OpenMode::read_write);
  if (!file.ok()) return std::move(file).status();
  LEOAM_RETURN_IF_ERROR(files.lock(**file, path));
  LEOAM_RETURN_IF_ERROR((*file)->resize(0));
  return file;
}

Status check_absent(FileSystem& files, const std::string& path) {
  const auto there = files.open(path, OpenMode::read_only);
  if (there.status().kind() == ErrorKind::not_found) return {};
  if (there.ok()) return error(ErrorKind::busy, "{} exists", path);
  return there.status().clone();
}

}  // namespace

Status SessionFile::Creation::run(const SecretKey* key, const SessionIdentity& identity, RandomBytes random) {
  State& state = *file_->state_;
  LEOAM_RETURN_IF_ERROR(identity.check(ErrorKind::invalid_argument));
  if (!state.replaces) LEOAM_RETURN_IF_ERROR(check_absent(*state.files, state.path));
  const std::string new_path = state.path + ".new";
  LEOAM_ASSIGN_OR_RETURN(file_->file_, open_new(*state.files, new_path));
  state.new_path = new_path;
  // Between the look and the lock another creator may have finished.
  if (!state.replaces) LEOAM_RETURN_IF_ERROR(check_absent(*state.files, state.path));

  file_->space_ = std::make_unique<FileSpace>(file_->file_.get(), file_->account_, kHead_bytes,
                                              FileSpace::Reuse::after_commit);
  LEOAM_RETURN_IF_ERROR(file_->space_->reserve_head(kHead_bytes));
  if (state.replaces) file_->space_->grow_exactly();
  SessionHeader header;
  header.identity = identity;
  LEOAM_RETURN_IF_ERROR(random(header.file));
  header.log.bytes = kFirstLogSegment_bytes;
  for (uint64_t& offset_bytes : header.log.offset_bytes) {
    LEOAM_ASSIGN_OR_RETURN(offset_bytes, file_->space_->allocate(header.log.bytes));
  }
  LEOAM_ASSIGN_OR_RETURN(state.header, header.seal(key, random, &file_->sealer_));
  state.encrypted = key != nullptr;
  state.identity = identity;
  state.log = TokenLog(header.log);
  state.streams.resize(identity.n_layers);
  state.manifest.streams.resize(identity.n_layers);
  state.writable = true;
  return write_head();
}

// Headers, and slots without a manifest: a slot of zeros is a damaged one from now on.
Status SessionFile::Creation::write_head() {
  LEOAM_RETURN_IF_ERROR(file_->count_written(2 * (kHeader_bytes + kIoBlock_bytes)));
  LEOAM_ASSIGN_OR_RETURN(const BlockBuffer blocks, BlockBuffer::create(kHeader_bytes));
  std::copy(file_->state_->header.begin(), file_->state_->header.end(), blocks.data());
  for (const uint64_t place : kHeaderPlaces_bytes)
    LEOAM_RETURN_IF_ERROR(file_->file_->write_at(place, blocks.span()));
  Slot().put(blocks.first(kIoBlock_bytes));
  for (const uint64_t place : kSlotPlaces_bytes)
    LEOAM_RETURN_IF_ERROR(file_->file_->write_at(place, blocks.first(kIoBlock_bytes)));
  return {};
}

Status SessionFile::Creation::publish() {
  State& state = *file_->state_;
  if (!state.replaces) LEOAM_RETURN_IF_ERROR(check_absent(*state.files, state.path));
  LEOAM_RETURN_IF_ERROR(state.files->rename(state.new_path, state.path));
  state.new_path.clear();
  // The name is there now, and only a sync says whether for good.
  Status status = state.files->sync_folder(folder_of(state.path));
  if (!status.ok()) {
    state.poison = error(ErrorKind::io, "an earlier sync of the folder failed: {}", status.message());
    if (!state.replaces) state.new_path = state.path;
  }
  return status;
}

Result<std::unique_ptr<SessionFile>> SessionFile::Creation::create(FileSystem& files, const std::string& path,
                                                                   bool replaces, const SecretKey* key,
                                                                   const SessionIdentity& identity,
                                                                   DiskAccount& account, RandomBytes random) {
  auto file = std::unique_ptr<SessionFile>(new SessionFile());
  file->account_ = &account;
  file->state_->files = &files;
  file->state_->path = path;
  file->state_->replaces = replaces;
  LEOAM_RETURN_IF_ERROR(Creation(file.get()).run(key, identity, random));
  return file;
}

Result<std::unique_ptr<SessionFile>> SessionFile::create(FileSystem& files, const std::string& path,
                                                         const SecretKey* key,
                                                         const SessionIdentity& identity,
                                                         DiskAccount& account, RandomBytes random) {
  return Creation::create(files, path, false, key, identity, account, random);
}

}  // namespace leoam
