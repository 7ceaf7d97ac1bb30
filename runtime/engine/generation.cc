#include "runtime/engine/generation.h"

#include <algorithm>

namespace leoam {

Result<std::unique_ptr<Generation>> Generation::create(Session& session, RequestOptions& options,
                                                       const kernels::CpuTable& kernels, Deliver deliver) {
  const ModelConfig& config = session.model().config();
  std::unique_ptr<Generation> generation(new Generation(session));
  Generation& g = *generation;
  LEOAM_ASSIGN_OR_RETURN(g.stop_text_, StopText::create(std::move(options.stop)));
  LEOAM_ASSIGN_OR_RETURN(Sampler sampler, Sampler::create(options.sampler, config.n_vocab, kernels));
  g.sampler_ = std::make_unique<Sampler>(std::move(sampler));
  g.deliver_ = std::move(deliver);
  g.on_logits_ = std::move(options.on_logits);
  if (g.on_logits_ || g.sampler_->changes_logits()) g.scratch_.resize(config.n_vocab);
  g.max_tokens_ = options.max_tokens;
  g.ignore_end_ = options.ignore_end;
  g.show_special_ = options.show_special;
  g.n_tokens_before_ = session.tokens_.size();
  g.text_.reserve(1024);
  g.complete_text_.reserve(1024);
  LEOAM_RETURN_IF_ERROR(session.append_pending(options.prompt));
  if (g.n_pending() == 0 && !session.has_logits_)
    return error(ErrorKind::invalid_argument,
                 "prompt: expected at least 1 token, as the session has no logits");
  g.statistics_.prompt_tokens = g.n_pending();
  g.start_ = std::chrono::steady_clock::now();
  return generation;
}

size_t Generation::n_pending() const {
  return session_.tokens_.size() - session_.kv_->n_tokens();
}

bool Generation::prepare(uint32_t max_tokens, StepSequence* step) {
  if (ended()) return false;
  if (n_pending() == 0) draw();
  if (ended() || n_pending() == 0) return false;
  if (in_prefill()) session_.share_pieces();
  change_ = std::unique_lock<ChangeLock>(session_.change_);
  session_.choose_codec();
  n_step_tokens_ = session_.next_pass_tokens(max_tokens);
  Status reserved = session_.kv_->reserve(n_step_tokens_);
  if (!reserved.ok()) {
    n_step_tokens_ = 0;
    change_.unlock();
    end(FinishReason::failed, std::move(reserved));
    return false;
  }
  step->kv = session_.kv_.get();
  step->tokens = std::span<const int32_t>(session_.tokens_).subspan(session_.kv_->n_tokens(), n_step_tokens_);
  return true;
}

float* Generation::wanted_logits() {
  return n_step_tokens_ == n_pending() ? session_.logits_.data() : nullptr;
}

void Generation::complete(uint64_t duration_us, const Forward& forward) {
  const bool last_piece = n_step_tokens_ == n_pending();
  session_.commit_pass(forward.layer_times());
  change_.unlock();
  session_.has_logits_ = last_piece;
  session_.publish();
  statistics_.weight_bytes_read += forward.model().device_bytes();
  statistics_.kv_bytes_read += session_.kv_->visible_bytes();
  const uint32_t n_done = n_step_tokens_;
  n_step_tokens_ = 0;
  if (!in_prefill()) {
    statistics_.decode_us += duration_us;
    return;
  }
  statistics_.prefill_us += duration_us;
  statistics_.prefilled_tokens += n_done;
  Event event;
  event.kind = EventKind::prefill;
  event.done_tokens = statistics_.prompt_tokens - n_pending();
  event.total_tokens = statistics_.prompt_tokens;
  if (!deliver_(event)) end(FinishReason::cancelled, {});
}

void Generation::abandon() {
  session_.kv_->rollback();
  n_step_tokens_ = 0;
  change_.unlock();
}

void Generation::repair(const CancelFlag* cancel) {
  abandon();
  Status status = session_.repair(cancel);
  if (status.kind() == ErrorKind::cancelled) {
    end(FinishReason::cancelled, {});
  } else if (!status.ok()) {
    end(FinishReason::failed, std::move(status));
  }
}

void Generation::draw() {
  if (drawn_ >= max_tokens_ || session_.tokens_.size() >= session_.options_.context_tokens) {
    end(FinishReason::length, {});
    return;
  }
  std::span<float> logits = session_.logits_;
  if (!scratch_.empty()) {
    std::copy(session_.logits_.begin(), session_.logits_.end(), scratch_.begin());
    logits = scratch_;
    if (on_logits_) on_logits_(logits);
  }
  const int32_t token = sampler_->sample(logits, session_.tokens_);
  session_.tokens_.push_back(token);
  session_.has_logits_ = false;
  session_.publish();
  if (++drawn_ == 1)
    statistics_.time_to_first_token_us = static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start_)
            .count());
  statistics_.generated_tokens = drawn_;
  text_.clear();
  bool stop_found = false;
  const Tokenizer* tokenizer = session_.model().tokenizer();
  const bool end_token = tokenizer && !ignore_end_ && tokenizer->ends_generation(token);
  if (tokenizer && (!end_token || show_special_)) {
    complete_text_.clear();
    utf8_.push(tokenizer->token_bytes(token, show_special_), &complete_text_);
    stop_found = stop_text_.push(complete_text_, &text_);
  }
  Event event;
  event.kind = EventKind::token;
  event.token = token;
  event.text = text_;
  event.done_tokens = drawn_;
  event.total_tokens = max_tokens_;
  event.coverage = session_.newest_coverage();
  const bool go_on = deliver_(event);
  text_.clear();
  if (end_token || stop_found) {
    if (!stop_found) {
      complete_text_.clear();
      utf8_.finish(&complete_text_);
      stop_found = stop_text_.push(complete_text_, &text_);
      if (!stop_found) stop_text_.finish(&text_);
    }
    reason_ = FinishReason::stop;
  } else if (!go_on) {
    end(FinishReason::cancelled, {});
  } else if (drawn_ >= max_tokens_) {
    end(FinishReason::length, {});
  }
}

void Generation::end(FinishReason reason, Status status) {
  if (ended()) return;
  reason_ = reason;
  status_ = std::move(status);
  if (n_step_tokens_ != 0) abandon();
  // A prompt that was not computed to its end is not half of a conversation: keep whole pieces only.
  if (in_prefill() && n_pending() > 0) {
    session_.tokens_.resize(std::max<size_t>(session_.kv_->n_tokens(), n_tokens_before_));
    session_.publish();
  }
  text_.clear();
  complete_text_.clear();
  utf8_.finish(&complete_text_);
  if (!stop_text_.push(complete_text_, &text_)) stop_text_.finish(&text_);
}

}  // namespace leoam
