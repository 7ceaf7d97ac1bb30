// BenchCase: one policy under one host budget, with sequences of its own in an instance of its own, so that
// cases can take turns without a trace of one in another.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "attention_totals.h"
#include "bench.h"
#include "summary.h"

namespace leoam::cli {

// A moment in the life of a case.
struct TierSample {
  double seconds = 0;  // that the case has worked; not while others had their turn
  uint64_t drawn_tokens = 0;
  uint64_t host_kv_bytes = 0;
  uint64_t disk_kv_bytes = 0;
  uint64_t disk_read_bytes = 0;  // so far
};

class BenchCase {
 public:
  BenchCase(const BenchOptions& options, std::string policy, const HostBudget& budget,
            uint64_t context_tokens);

  std::string name() const;
  // Reads the contexts, after which decode() can be called. `on_progress`: tokens.
  void fill(const Progress& on_progress);
  // All sequences draw at once. The first time is not counted.
  void decode();
  // After the last turn: how its last step went, and some more steps of the first sequence, which are
  // audited.
  void look();
  Json json() const;

  const Instance& instance() const { return instance_; }
  const Model& model() const { return model_; }
  const std::vector<TierSample>& samples() const { return samples_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Turn;
  struct Sequence {
    Session session;
    std::vector<int32_t> context;
    int32_t next = 0;  // the token that the next turn begins with
  };

  std::vector<int32_t> context_of(uint32_t sequence, const std::vector<int32_t>& text) const;
  void sample(double seconds);
  // A token was drawn; on the thread that decodes.
  void take(Turn& turn, const Event& event, Clock::time_point turn_start);
  void count(const Turn& turn);
  // [[seconds, drawn tokens, bytes of KV in RAM, in files, bytes read so far]]
  Json samples_json() const;

  const BenchOptions& options_;
  const std::string policy_;
  const HostBudget budget_;
  const uint64_t context_tokens_;
  Instance instance_;
  Model model_;
  std::vector<Sequence> sequences_;
  uint64_t host_budget_bytes_ = 0;
  double prefill_rate_ = 0;
  uint64_t n_turns_ = 0;
  uint64_t drawn_tokens_ = 0;
  double worked_seconds_ = 0;
  std::vector<TierSample> samples_;
  leoam_instance_statistics worked_{};  // after the newest turn
  // One a counted turn.
  std::vector<double> rates_, step_ms_, read_bytes_, reads_, stalled_, sequences_per_step_;
  std::vector<double> kv_read_bytes_, record_read_bytes_, code_read_bytes_, hidden_;
  uint64_t n_selections_ = 0, n_attended_tokens_ = 0, n_candidate_tokens_ = 0;
  uint64_t n_pages_fetched_ = 0, n_pages_guessed_ = 0, n_chunks_evaluated_ = 0;
  double coverage_sum_ = 0;
  double least_coverage_ = 1;
  std::vector<leoam_layer_times> layer_times_;
  AttentionTotals attention_;
};

}  // namespace leoam::cli
