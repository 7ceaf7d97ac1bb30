// The parts of `leoam eval` that judge policies: each runs the end of a context with them, the rest exactly.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "attention_totals.h"
#include "common.h"
#include "interrupt.h"
#include "saved_session.h"

namespace leoam::cli {

struct EvalOptions : CommonOptions {
  SavedOptions saved;
  std::string text_file;
  std::string tokens_file;
  std::string recall_file;
  uint64_t n_tokens = 0;
  std::vector<uint64_t> logits_at;
  size_t top = 20;
  std::vector<double> importance;
  uint64_t budget_tokens = 0;
  uint64_t n_positions = 256;
  uint32_t n_needles = 0;
  bool second_question = false;
  bool no_audit = false;
  std::string report;  // a file, or empty
};

// The text or the tokens of the options, no longer than they allow. Throws Failure when there is nothing.
std::vector<int32_t> eval_tokens(const Model& model, const EvalOptions& options);

// One policy with one budget; 0: the policy's own.
struct Selection {
  std::string policy;
  double importance = 0;
  uint64_t budget_tokens = 0;
};
// Each policy with each budget, `exact` once. Throws Failure where the options contradict each other.
std::vector<Selection> selections(const EvalOptions& options);
// {"policy", "importance", "budget_tokens"}, null where the policy chooses.
Json selection_json(const Selection& selection);
std::string selection_name(const Selection& selection);

// A context, and what follows it with any policy. The KV of the context itself is exact without
// --sparse-prefill, so that a row shows what the policy does to the judged positions and nothing else.
class PolicyRuns {
 public:
  // Refuses what the library does not know before anything is computed. `room_tokens` may follow the context.
  // With a session file the context is read once, for all policies and later calls: it is saved there.
  PolicyRuns(const Instance& instance, const Model& model, const EvalOptions& options,
             std::vector<int32_t> context, uint64_t room_tokens);

  const std::vector<Selection>& rows() const { return selections_; }
  uint64_t context_tokens() const { return context_.size(); }
  // The context, to be gone on from with the selection. At most one at a time and its forks: a file is open
  // in one session only.
  Session with(const Selection& selection) const;
  // The logits behind one more token. One at a time, because a piece of a prompt is attended to exactly.
  std::vector<float> step(Session& session, int32_t token) const;
  // The logits behind the last of them. At least one token.
  std::vector<float> step(Session& session, std::span<const int32_t> tokens) const;

  // What a row has cost: where its KV lies, what moved, the time. Call begin_row() before and this after it.
  void begin_row();
  Json cost(const leoam_session_info& info) const;

 private:
  CommonOptions options_of(const Selection& selection) const;

  const Instance instance_;
  const Model model_;
  const EvalOptions options_;
  const std::vector<int32_t> context_;
  const uint64_t room_tokens_;
  const std::vector<Selection> selections_;
  CancelFlag cancel_;
  const Interrupt interrupt_;
  mutable std::optional<Session> exact_;  // where no file keeps it
  mutable AttentionTotals attention_;     // of the row
  leoam_instance_statistics before_{};
  std::chrono::steady_clock::time_point begun_;
  mutable double read_seconds_ = 0;  // of the newest context that was read
};

// The last positions of a text, teacher-forced: divergence from `exact`.
void eval_divergence(const Instance& instance, const Model& model, const EvalOptions& options);
// Facts planted in a text, asked for at its end.
void eval_needles(const Instance& instance, const Model& model, const EvalOptions& options);
// Questions with known answers, by token.
void eval_recall(const Instance& instance, const Model& model, const EvalOptions& options);

}  // namespace leoam::cli
