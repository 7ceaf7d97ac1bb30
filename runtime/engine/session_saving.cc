// Session: what outlives the process, and what repairs it.
#include <algorithm>

#include "runtime/engine/engine.h"
#include "runtime/engine/forward.h"
#include "runtime/engine/session.h"

namespace leoam {

Result<std::shared_ptr<Session>> Session::fork() {
  if (!enter()) return busy();
  std::shared_ptr<Session> copy(new Session);
  copy->engine_ = engine_;
  copy->model_ = model_;
  copy->options_ = options_;
  copy->kv_ = std::make_unique<SequenceKv>(*kv_);
  copy->page_codec_ = page_codec();
  copy->codec_choice_ = codec_choice();
  copy->tokens_.reserve(tokens_.capacity());
  copy->tokens_ = tokens_;
  copy->starts_pass_.reserve(starts_pass_.capacity());
  copy->starts_pass_ = starts_pass_;
  copy->selects_from_ = selects_from_;
  copy->logged_starts_ = logged_starts_;
  copy->logits_ = logits_;
  copy->has_logits_ = has_logits_;
  copy->publish();
  engine_->enlist(copy);
  leave();
  return copy;
}

SessionIdentity Session::identity() const {
  const ModelConfig& config = model_->config();
  const KvShape& shape = kv_->shape();
  SessionIdentity identity;
  identity.model = model_->identity();
  identity.model_name = config.name.empty() ? config.architecture->name
                                            : fmt::format("{} {}", config.architecture->name, config.name);
  identity.n_layers = config.n_layers;
  identity.n_kv_heads = config.n_kv_heads;
  identity.head_dim = config.head_dim;
  identity.n_vocab = config.n_vocab;
  identity.kv_type = static_cast<int32_t>(shape.layout.type);
  identity.page_tokens = shape.layout.page_tokens;
  identity.piece_tokens = options_.piece_tokens;
  identity.windows = shape.windows;
  identity.page_bytes = static_cast<uint32_t>(shape.layout.page_bytes());
  return identity;
}

Status Session::save(const std::string& path, const SecretKey* key, const MoveOptions& options) {
  if (!enter()) return busy();
  Status status;
  if (!file_ && path.empty()) {
    status = Status(ErrorKind::invalid_argument, "path: expected one, as the session has no file yet");
  } else if (file_ && !path.empty() && path != file_->path()) {
    status =
        error(ErrorKind::invalid_argument, "path: the session's file is {}, found {}", file_->path(), path);
  } else {
    const bool is_new = !file_;
    // The name of an earlier attempt must be free.
    if (const auto given_up = given_up_.lock(); is_new && given_up) status = given_up->abandon();
    if (is_new && status.ok()) {
      auto file = SessionFile::create(*engine_->files_, path, key, identity(), engine_->disk_);
      if (file.ok())
        file_ = std::move(file).value();
      else
        status = std::move(file).status();
    }
    if (status.ok()) status = save_to_file(options);
    // A name that was never committed is not the session's.
    if (!status.ok() && is_new && file_) {
      (void)file_->abandon().ok();
      given_up_ = file_;
      file_.reset();
    }
    if (status.ok()) publish_file_info();
  }
  leave();
  return status;
}

Status Session::save_to_file(const MoveOptions& options) {
  SequenceKv::Saved saved;
  LEOAM_RETURN_IF_ERROR(kv_->save(file_, {options.cancel, nullptr}, options.on_progress, &saved));
  const std::vector<LoggedToken>& logged = file_->tokens();
  const auto now = [this](size_t i) {
    if (i < starts_pass_.size()) return LoggedToken{tokens_[i], starts_pass_[i]};
    // With the first token that has no KV yet the next pass begins; where KV was lost the rest stays as it
    // was made.
    const bool was_start = i < logged_starts_.size() && logged_starts_[i];
    return LoggedToken{tokens_[i], was_start || i == starts_pass_.size()};
  };
  SessionCommit commit;
  while (commit.n_kept_tokens < std::min(logged.size(), tokens_.size())) {
    const LoggedToken token = now(commit.n_kept_tokens);
    if (token.id != logged[commit.n_kept_tokens].id ||
        token.starts_pass != logged[commit.n_kept_tokens].starts_pass)
      break;
    ++commit.n_kept_tokens;
  }
  std::vector<LoggedToken> tokens;
  tokens.reserve(tokens_.size() - commit.n_kept_tokens);
  for (size_t i = commit.n_kept_tokens; i < tokens_.size(); ++i) tokens.push_back(now(i));
  commit.tokens = tokens;
  commit.n_kv_tokens = kv_->n_tokens();
  commit.selects_from = selects_from_;
  commit.streams = saved.streams;
  commit.page_bytes = saved.page_bytes;
  if (has_logits_) commit.logits = logits_;
  return file_->commit(commit);
}

Status Session::adopt(std::shared_ptr<SessionFile> file) {
  const SessionFileInfo info = file->info();
  if (info.n_tokens > options_.context_tokens)
    return error(ErrorKind::invalid_argument, "context_tokens: the saved session has {} tokens, found {}",
                 info.n_tokens, options_.context_tokens);
  // The newest tokens may always be without KV: one that was drawn, those that a cut has left of a pass.
  const uint32_t most_pending = kv_->selector() ? kMostPending_selecting : kNarrowSpan_tokens;
  const bool lost = info.index_lost || info.n_kv_tokens + most_pending < info.n_tokens;
  for (const LoggedToken& token : file->tokens()) {
    if (token.id < 0 || static_cast<uint32_t>(token.id) >= model_->config().n_vocab)
      return error(ErrorKind::corrupt, "token log: expected ids below {}, found {}", model_->config().n_vocab,
                   token.id);
    tokens_.push_back(token.id);
    if (starts_pass_.size() < info.n_kv_tokens) starts_pass_.push_back(token.starts_pass);
    if (lost) logged_starts_.push_back(token.starts_pass);
  }
  if (!starts_pass_.empty()) starts_pass_[0] = true;
  if (info.selects_from < info.n_kv_tokens) selects_from_ = info.selects_from;
  LEOAM_RETURN_IF_ERROR(kv_->adopt(file, info.n_kv_tokens));
  // Logits that are damaged come again with the next pass.
  const Result<std::vector<float>> logits = file->read_logits();
  if (!logits.ok() && logits.status().kind() != ErrorKind::corrupt) return logits.status().clone();
  has_logits_ = logits.ok() && logits->size() == logits_.size();
  if (has_logits_) logits_ = *logits;
  if (info.index_lost && engine_->log_.wants(LogLevel::warning))
    engine_->log_.write(LogLevel::warning,
                        fmt::format("{}: the index is damaged: KV is computed again for all of {} tokens",
                                    file->path(), info.n_tokens));
  file_ = std::move(file);
  publish();
  publish_file_info();
  return {};
}

Status Session::suspend(const MoveOptions& options) {
  if (!enter()) return busy();
  Status status = kv_->evict({options.cancel, nullptr}, options.on_progress);
  leave();
  return status;
}

Result<SessionFileInfo> Session::file_info() const {
  const std::lock_guard lock(file_info_mutex_);
  if (!file_info_) return Status(ErrorKind::not_found, "the session has no file");
  return SessionFileInfo(*file_info_);
}

void Session::publish_file_info() {
  const std::lock_guard lock(file_info_mutex_);
  file_info_ = file_->info();
}

Status Session::repair(const CancelFlag* cancel) {
  for (;;) {
    const uint64_t damaged = kv_->first_damaged_token();
    if (damaged >= kv_->n_tokens() && !kv_->lacks_weights()) return {};
    Status status = damaged < kv_->n_tokens() ? repair_once(damaged, cancel) : weigh_again(cancel);
    // Another page, further to the front, may turn out to be damaged on the way.
    if (!status.ok() && (status.kind() != ErrorKind::corrupt || kv_->first_damaged_token() >= damaged))
      return status;
  }
}

Status Session::repair_once(uint64_t damaged_token, const CancelFlag* cancel) {
  SequenceKv copy(*kv_);
  // Its KV alone is taken.
  if (copy.lacks_weights()) copy.take_weights(nullptr);
  uint64_t begin = damaged_token;
  while (!starts_pass_[begin] || copy.cut_point(begin) != begin) --begin;
  uint64_t end = std::min<uint64_t>(damaged_token + kv_->shape().layout.page_tokens, kv_->n_tokens());
  // Sliding layers have dropped what a pass in the middle would need.
  if (!copy.truncate(begin).ok()) {
    begin = 0;
    end = kv_->n_tokens();
    LEOAM_RETURN_IF_ERROR(copy.truncate(0));
  }
  if (engine_->log_.wants(LogLevel::warning))
    engine_->log_.write(LogLevel::warning,
                        fmt::format("KV of tokens from {} on is damaged: computing it again from token {}",
                                    damaged_token, begin));
  LEOAM_RETURN_IF_ERROR(compute_again(&copy, end, cancel));
  const std::lock_guard<ChangeLock> change(change_);
  kv_->take_pages(copy, begin, end);
  return {};
}

Status Session::weigh_again(const CancelFlag* cancel) {
  const uint32_t page_tokens = kv_->shape().layout.page_tokens;
  uint64_t begin = 0;
  uint64_t end = 0;
  do {
    begin = end++;
    while (end < kv_->n_tokens() && !starts_pass_[end]) ++end;
  } while (end < kv_->n_tokens() && !LayerWeighing::is_long(begin, end - begin, page_tokens));
  SequenceKv copy(*kv_);
  const bool is_there = LayerWeighing::is_long(begin, end - begin, page_tokens);
  if (is_there) {
    copy.take_weights(nullptr);
    if (copy.cut_point(begin) != begin || !copy.truncate(begin).ok()) LEOAM_RETURN_IF_ERROR(copy.truncate(0));
    LEOAM_RETURN_IF_ERROR(compute_again(&copy, end, cancel));
  }
  const std::lock_guard<ChangeLock> change(change_);
  kv_->take_weights(is_there ? &copy : nullptr);
  return {};
}

Status Session::compute_again(SequenceKv* kv, uint64_t end, const CancelFlag* cancel) {
  SequenceKv& copy = *kv;
  const uint32_t room = std::max(options_.piece_tokens, uint32_t{32});
  LEOAM_ASSIGN_OR_RETURN(ForwardCache::Lease forward,
                         engine_->forwards_->acquire(*model_, copy.shape().layout, room));
  while (copy.n_tokens() < end) {
    const uint64_t first = copy.n_tokens();
    uint64_t next = first + 1;
    while (next < kv_->n_tokens() && !starts_pass_[next] && next - first < room) ++next;
    const uint32_t n = static_cast<uint32_t>(next - first);
    LEOAM_RETURN_IF_ERROR(copy.reserve(n));
    const StepSequence sequence = {&copy, std::span<const int32_t>(tokens_).subspan(first, n)};
    LEOAM_RETURN_IF_ERROR(forward->begin(std::span(&sequence, 1), cancel));
    LEOAM_RETURN_IF_ERROR(forward->advance(kNoDeadline).status().clone());
    copy.commit();
    engine_->recomputed_tokens_.fetch_add(n, std::memory_order_relaxed);
  }
  return {};
}

}  // namespace leoam
