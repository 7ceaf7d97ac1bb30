#include "runtime/engine/session.h"

#include <algorithm>

#include "runtime/engine/engine.h"
#include "runtime/engine/forward.h"
#include "runtime/engine/request_impl.h"
#include "runtime/engine/scheduler.h"

namespace leoam {
namespace {

// Logits computed at once when every position's are wanted: bounds the memory for large vocabularies.
constexpr uint32_t kLogitRows = 16;

// What old pages become is looked at again after so many tokens: a page or two of each layer.
constexpr uint64_t kCodecChoice_tokens = 64;

}  // namespace

Session::~Session() = default;

void Session::publish() {
  n_tokens_.store(tokens_.size(), std::memory_order_release);
  kv_bytes_.store(kv_->bytes(), std::memory_order_relaxed);
  if (resident_wanted_.exchange(false, std::memory_order_relaxed))
    resident_kv_bytes_.store(kv_->resident_bytes(), std::memory_order_relaxed);
  if (!kv_->selector()) return;
  const std::lock_guard lock(selection_statistics_mutex_);
  selection_statistics_ = kv_->selector()->statistics;
}

SelectionStatistics Session::selection_statistics() const {
  const std::lock_guard lock(selection_statistics_mutex_);
  return selection_statistics_;
}

uint64_t Session::resident_kv_bytes() {
  const std::unique_lock<ChangeLock> change(change_, std::try_to_lock);
  if (change)
    resident_kv_bytes_.store(kv_->resident_bytes(), std::memory_order_relaxed);
  else
    resident_wanted_.store(true, std::memory_order_relaxed);
  return resident_kv_bytes_.load(std::memory_order_relaxed);
}

CodecChoice Session::codec_choice() const {
  const std::lock_guard lock(codec_choice_mutex_);
  return codec_choice_;
}

void Session::set_codec(kernels::PageCodec codec) {
  kv_->set_codec(codec);
  page_codec_.store(codec, std::memory_order_relaxed);
}

void Session::choose_codec() {
  if (!options_.choose_kv_type) return;
  const uint64_t known = codec_choice_.n_tokens;
  const bool grows = tokens_.size() >= known && tokens_.size() - known < kCodecChoice_tokens;
  if (grows && codec_choice_.host_kv_budget_bytes == engine_->tiers_->host_budget_bytes()) return;
  const CodecChoice choice = engine_->choose_codec(*model_, options_, tokens_.size());
  set_codec(choice.codec);
  const std::lock_guard lock(codec_choice_mutex_);
  codec_choice_ = choice;
}

uint32_t Session::next_pass_tokens(uint32_t most) const {
  const uint64_t first = kv_->n_tokens();
  const auto n = static_cast<uint32_t>(std::min<uint64_t>(most, tokens_.size() - first));
  for (uint32_t i = 1; i < n && first + i <= logged_starts_.size(); ++i)
    if (first + i == logged_starts_.size() || logged_starts_[first + i]) return i;
  return n;
}

void Session::commit_pass(std::span<const LayerTimes> times) {
  const uint64_t first = kv_->n_tokens();
  layer_times_.assign(times.begin(), times.end());
  if (selects_from_ == 0 && kv_->selects_blocks()) selects_from_ = first;
  kv_->commit();
  starts_pass_.resize(kv_->n_tokens(), false);
  starts_pass_[first] = true;
}

Status Session::append_pending(std::span<const int32_t> tokens) {
  const uint32_t n_vocab = model_->config().n_vocab;
  if (tokens.size() > options_.context_tokens - tokens_.size())
    return error(ErrorKind::invalid_argument,
                 "tokens: the context holds {} tokens, {} are there and {} more are given",
                 options_.context_tokens, tokens_.size(), tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] < 0 || static_cast<uint32_t>(tokens[i]) >= n_vocab)
      return error(ErrorKind::invalid_argument, "tokens[{}]: expected an id below {}, found {}", i, n_vocab,
                   tokens[i]);
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  publish();
  return {};
}

void Session::share_pieces() {
  // What tokens got of the attention of a pass is known to who ran it.
  if (kv_->selector() && kv_->selector()->counts_masses()) return;
  const uint64_t piece = options_.piece_tokens;
  const uint64_t n = kv_->n_tokens();
  // Pages that the session's own file has are not given away for others.
  if (tokens_.size() - n <= piece || n % piece != 0 || (n > 0 && file_)) return;
  for (uint64_t i = 0; i < n; ++i)
    if (starts_pass_[i] != (i % piece == 0)) return;
  engine_->share_prefix(this);
}

void Session::take_prefix(std::unique_ptr<SequenceKv> kv, uint64_t selects_from) {
  {
    const std::lock_guard<ChangeLock> change(change_);
    kv_.swap(kv);
    kv_->set_selector(kv->take_selector());
    starts_pass_.resize(kv_->n_tokens(), false);
    if (selects_from_ == 0 && selects_from < kv_->n_tokens()) selects_from_ = selects_from;
    for (uint64_t i = kv->n_tokens(); i < kv_->n_tokens(); i += options_.piece_tokens) starts_pass_[i] = true;
  }
  has_logits_ = false;
  publish();
}

uint64_t Session::common_prefix(const Session& other) const {
  const uint64_t piece = options_.piece_tokens;
  // Steps of one token may have attended to a part of what was there.
  if (piece == 1 && (kv_->selector() || other.kv_->selector())) return 0;
  // What lies before the end of a piece is compact in a sequence that goes on behind it.
  for (const Session* one : {this, &other})
    if (one->kv_->codec() != kernels::PageCodec::plain || one->kv_->has_compact_pages()) return 0;
  if (&other.model() != model_.get() || other.options_.kv_type != options_.kv_type ||
      other.options_.page_tokens != options_.page_tokens || other.options_.piece_tokens != piece)
    return 0;
  // The last token is computed here, for its logits.
  const uint64_t most = std::min<uint64_t>(tokens_.size() - 1, other.kv_->n_tokens());
  if (most < kv_->n_tokens() + piece) return 0;
  const uint64_t same = static_cast<uint64_t>(
      std::mismatch(tokens_.begin(), tokens_.begin() + static_cast<std::ptrdiff_t>(most),
                    other.tokens_.begin())
          .first -
      tokens_.begin());
  // Pieces that attended to a selection are for sessions that would have chosen it too.
  const auto chooses = [](const Session& session) {
    return session.kv_->selector() && !session.kv_->selector()->has_given_up() && !session.file_;
  };
  const bool alike = chooses(*this) && chooses(other) && options_.policy == other.options_.policy;
  const Selector* const selector = kv_->selector();
  uint64_t n = 0;
  while (n + piece <= same) {
    if (!alike && (other.has_selecting_pieces(n + piece) || (selector && selector->selects_blocks(n, piece))))
      break;
    uint64_t end = n + 1;
    while (end < other.kv_->n_tokens() && !other.starts_pass_[end]) ++end;
    if (end != n + piece) break;
    n = end;
  }
  return n;
}

Status Session::copy_tokens(uint64_t begin, std::span<int32_t> out) {
  if (!enter()) return busy();
  Status status;
  if (begin > tokens_.size() || out.size() > tokens_.size() - begin)
    status = error(ErrorKind::invalid_argument, "tokens: the session has {}, found a wish for [{}, {})",
                   tokens_.size(), begin, begin + out.size());
  else
    std::copy_n(tokens_.begin() + static_cast<std::ptrdiff_t>(begin), out.size(), out.begin());
  leave();
  return status;
}

Status Session::evaluate(std::span<const int32_t> tokens, const EvaluateOptions& options) {
  if (!enter()) return busy();
  const size_t before = tokens_.size();
  Status status = append_pending(tokens);
  if (status.ok()) {
    status = evaluate_pieces(before, options);
    if (!status.ok()) tokens_.resize(std::max<size_t>(kv_->n_tokens(), before));
  }
  publish();
  leave();
  return status;
}

Status Session::evaluate_pieces(size_t first_wanted, const EvaluateOptions& options) {
  LEOAM_ASSIGN_OR_RETURN(ForwardCache::Lease forward,
                         engine_->forwards_->acquire(*model_, kv_->shape().layout, options_.piece_tokens));
  const uint64_t total = tokens_.size() - kv_->n_tokens();
  while (kv_->n_tokens() < tokens_.size()) {
    if (!options.all_logits) share_pieces();
    const uint64_t first = kv_->n_tokens();
    const uint32_t n = next_pass_tokens(options_.piece_tokens);
    if (kv_->selector()) kv_->selector()->audits = options.audit;
    const Status status = compute_piece(*forward, n, options.cancel);
    if (kv_->selector()) kv_->selector()->audits = false;
    if (status.kind() == ErrorKind::corrupt) {
      LEOAM_RETURN_IF_ERROR(repair(options.cancel));
      continue;
    }
    if (!status.ok()) return status.clone();
    has_logits_ = false;
    publish();
    const bool last = kv_->n_tokens() == tokens_.size();
    if (options.all_logits) {
      const uint64_t begin = std::max<uint64_t>(first, first_wanted);
      if (begin < first + n)
        LEOAM_RETURN_IF_ERROR(deliver_logits(*forward, options, begin, static_cast<uint32_t>(begin - first),
                                             static_cast<uint32_t>(first + n - begin)));
    }
    if (last) {
      const uint32_t row = n - 1;
      LEOAM_RETURN_IF_ERROR(forward->logits(std::span(&row, 1), logits_.data()));
      has_logits_ = true;
      if (!options.all_logits && options.on_logits && !options.on_logits(first + row, logits_))
        return Status(ErrorKind::cancelled, "stopped by the receiver of logits");
    }
    const uint64_t done = total - (tokens_.size() - kv_->n_tokens());
    if (options.on_progress && !options.on_progress(done, total))
      return Status(ErrorKind::cancelled, "stopped by the receiver of progress");
  }
  return {};
}

Status Session::compute_piece(Forward& forward, uint32_t n, const CancelFlag* cancel) {
  const std::lock_guard<ChangeLock> change(change_);
  choose_codec();
  LEOAM_RETURN_IF_ERROR(kv_->reserve(n));
  const StepSequence sequence = {kv_.get(), std::span<const int32_t>(tokens_).subspan(kv_->n_tokens(), n)};
  Status status = forward.begin(std::span(&sequence, 1), cancel);
  if (status.ok()) status = forward.advance(kNoDeadline).status().clone();
  if (status.ok())
    commit_pass(forward.layer_times());
  else
    kv_->rollback();
  return status;
}

Status Session::deliver_logits(Forward& forward, const EvaluateOptions& options, uint64_t first_position,
                               uint32_t first_row, uint32_t n_rows) {
  const uint32_t n_vocab = model_->config().n_vocab;
  std::vector<float> logits(size_t{std::min(kLogitRows, n_rows)} * n_vocab);
  for (uint32_t done = 0; done < n_rows; done += kLogitRows) {
    const uint32_t n = std::min(kLogitRows, n_rows - done);
    uint32_t rows[kLogitRows];
    for (uint32_t i = 0; i < n; ++i) rows[i] = first_row + done + i;
    LEOAM_RETURN_IF_ERROR(forward.logits(std::span(rows, n), logits.data()));
    for (uint32_t i = 0; i < n; ++i)
      if (options.on_logits &&
          !options.on_logits(first_position + done + i, std::span(&logits[size_t{i} * n_vocab], n_vocab)))
        return Status(ErrorKind::cancelled, "stopped by the receiver of logits");
    if (options.cancel && options.cancel->cancelled())
      return Status(ErrorKind::cancelled, "cancelled by the caller");
  }
  return {};
}

// What is left of a wide pass is made again by a narrower one, which gives the same bytes only if it is wide
// too, and attends to everything.
uint64_t Session::repeatable_tokens(uint64_t n_tokens) const {
  if (n_tokens == 0 || starts_pass_[n_tokens]) return n_tokens;
  uint64_t begin = n_tokens;
  while (!starts_pass_[begin]) --begin;
  uint64_t end = n_tokens;
  while (end < starts_pass_.size() && !starts_pass_[end]) ++end;
  if (kv_->selector() && kv_->selector()->selects_blocks(begin, end - begin)) return begin;
  return n_tokens - begin <= kNarrowSpan_tokens && end - begin > kNarrowSpan_tokens ? begin : n_tokens;
}

Status Session::truncate(uint64_t n_tokens) {
  if (!enter()) return busy();
  Status status;
  std::unique_lock<ChangeLock> change(change_);
  if (n_tokens > tokens_.size())
    status = error(ErrorKind::invalid_argument, "n_tokens: the session has {}, found {}", tokens_.size(),
                   n_tokens);
  else if (n_tokens < kv_->n_tokens() && !kv_->truncate(repeatable_tokens(n_tokens)).ok())
    status = kv_->truncate(n_tokens);
  if (status.ok() && n_tokens < tokens_.size()) {
    tokens_.resize(n_tokens);
    starts_pass_.resize(kv_->n_tokens());
    if (selects_from_ >= kv_->n_tokens()) selects_from_ = 0;
    logged_starts_.resize(std::min<size_t>(logged_starts_.size(), n_tokens));
    // What is left of a pass is one of its own, as it is when a file is opened that was saved here.
    if (kv_->selector() && kv_->n_tokens() + kMostPending_selecting < n_tokens)
      for (size_t i = logged_starts_.size(); i < n_tokens; ++i)
        logged_starts_.push_back(i < starts_pass_.size() ? starts_pass_[i] : i == starts_pass_.size());
    has_logits_ = false;
  }
  change.unlock();
  publish();
  leave();
  return status;
}

Status Session::copy_logits(std::span<float> out) {
  if (!enter()) return busy();
  Status status;
  if (out.size() != logits_.size())
    status = error(ErrorKind::invalid_argument, "logits: expected room for {} floats, found {}",
                   logits_.size(), out.size());
  else if (!has_logits_)
    status = Status(ErrorKind::invalid_argument, "the newest token of the session has no logits");
  else
    std::copy(logits_.begin(), logits_.end(), out.begin());
  leave();
  return status;
}

float Session::newest_coverage() const {
  const Selector* selector = kv_->selector();
  return selector ? static_cast<float>(selector->statistics.least_coverage) : 1.0f;
}

Status Session::copy_coverage(std::span<float> out) {
  std::vector<HeadAttention> heads(out.size());
  LEOAM_RETURN_IF_ERROR(copy_attention(heads));
  std::ranges::transform(heads, out.begin(), &HeadAttention::coverage);
  return {};
}

Status Session::copy_attention(std::span<HeadAttention> out) {
  if (!enter()) return busy();
  Status status;
  const ModelConfig& config = model_->config();
  const size_t n = size_t{config.n_layers} * config.n_heads;
  const Selector* selector = kv_->selector();
  if (out.size() != n)
    status = error(ErrorKind::invalid_argument, "heads: expected room for {}, found {}", n, out.size());
  else if (selector && selector->heads.size() == n)
    std::ranges::copy(selector->heads, out.begin());
  else
    std::ranges::fill(out, HeadAttention());
  leave();
  return status;
}

Status Session::copy_layer_times(std::span<LayerTimes> out) {
  if (!enter()) return busy();
  Status status;
  const size_t n = model_->config().n_layers;
  if (out.size() != n)
    status = error(ErrorKind::invalid_argument, "layers: expected room for {}, found {}", n, out.size());
  else if (layer_times_.size() == n)
    std::ranges::copy(layer_times_, out.begin());
  else
    std::ranges::fill(out, LayerTimes());
  leave();
  return status;
}

Result<std::shared_ptr<Request>> Session::submit(RequestOptions options) {
  if (!enter()) return busy();
  const size_t before = tokens_.size();
  Result<std::shared_ptr<RequestImpl>> request =
      RequestImpl::create(*engine_, shared_from_this(), std::move(options));
  if (!request.ok()) {
    // Nothing of a refused prompt stays.
    tokens_.resize(before);
    publish();
    leave();
    return std::move(request).status();
  }
  if ((*request)->delivery() != Delivery::step) LEOAM_RETURN_IF_ERROR(engine_->scheduler_->add(*request));
  return std::shared_ptr<Request>(std::move(*request));
}

}  // namespace leoam
