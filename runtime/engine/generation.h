// Generation: what a request does between two forward passes: cut the prompt into pieces, draw tokens, turn
// them into text, decide when to end. It never computes: a driver (the scheduler, or a caller's step) runs
// the passes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/engine/forward.h"
#include "runtime/engine/request.h"
#include "runtime/engine/session.h"
#include "runtime/engine/stop_text.h"
#include "runtime/model/tokenizer/tokenizer.h"

namespace leoam {

// Thread rule: one driver at a time. While it lives its session is in use.
class Generation {
 public:
  using Deliver = std::function<bool(const Event&)>;  // false: the receiver wants no more

  // Validates everything and appends the prompt to the session, which the caller has marked as in use.
  static Result<std::unique_ptr<Generation>> create(Session& session, RequestOptions& options,
                                                    const kernels::CpuTable& kernels, Deliver deliver);

  // The next pass: reserves KV and fills `step`, at most max_tokens tokens of it. Draws and delivers a token
  // first when logits are there; leaves out of a prompt what another session has computed. False: nothing
  // more to run; reason() says why.
  bool prepare(uint32_t max_tokens, StepSequence* step);
  // True when the next pass is a part of the prompt.
  bool in_prefill() const { return drawn_ == 0; }
  // Where the pass of prepare must leave the logits of its last token, [n_vocab]; null: not wanted.
  float* wanted_logits();
  uint32_t step_tokens() const { return n_step_tokens_; }
  // The pass is done: its tokens are in place.
  void complete(uint64_t duration_us, const Forward& forward);
  // The pass was given up (cancelled, or to be run again).
  void abandon();

  // The pass failed with corrupt: gives it up and computes the damaged KV of this session again, so that it
  // can be run again. Ends the generation when that fails.
  void repair(const CancelFlag* cancel);

  // Ends it from outside, or after a failed pass. No effect when ended.
  void end(FinishReason reason, Status status);
  bool ended() const { return reason_ != FinishReason::none; }
  FinishReason reason() const { return reason_; }
  Status& status() { return status_; }
  // What end held back and the last event must show.
  const std::string& last_text() const { return text_; }
  const RequestStatistics& statistics() const { return statistics_; }
  uint32_t max_tokens() const { return max_tokens_; }

 private:
  explicit Generation(Session& session) : session_(session) {}
  size_t n_pending() const;
  void draw();

  Session& session_;
  Deliver deliver_;
  std::function<void(std::span<float>)> on_logits_;
  std::unique_ptr<Sampler> sampler_;
  StopText stop_text_;
  Utf8Stream utf8_;
  std::vector<float> scratch_;  // logits that the penalty or the hook may change
  std::string text_;
  std::string complete_text_;
  uint32_t max_tokens_ = 0;
  bool ignore_end_ = false;
  bool show_special_ = false;
  size_t n_tokens_before_ = 0;           // of the session, the prompt not yet in it
  uint32_t n_step_tokens_ = 0;           // of the pass that runs
  std::unique_lock<ChangeLock> change_;  // of the session, while a pass runs
  uint32_t drawn_ = 0;
  FinishReason reason_ = FinishReason::none;
  Status status_;
  RequestStatistics statistics_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace leoam
