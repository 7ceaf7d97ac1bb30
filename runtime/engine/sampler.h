// Sampler: logits -> the next token.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu_table.h"
#include "runtime/base/status.h"

namespace leoam {

// The stages run in the order of the fields: penalty, temperature, top-k, top-p, min-p, draw.
struct SamplerOptions {
  float repetition_penalty = 1.0f;  // > 0; 1 = off; divides positive and multiplies negative logits of tokens
                                    // seen in the last repetition_window tokens
  uint32_t repetition_window_tokens = 64;  // 0 = off
  float temperature = 0.0f;  // 0 = greedy (the lowest id among equals), and the stages below are off
  uint32_t top_k = 0;        // 0 = off
  float top_p = 1.0f;        // 0 < top_p <= 1
  float min_p = 0.0f;        // 0 <= min_p <= 1, relative to the most likely token
  uint64_t seed = 0;         // the same seed, logits and options give the same tokens
};

// Thread rule: one thread at a time. No heap allocation after construction.
class Sampler {
 public:
  // Fails with invalid_argument (the option and its range).
  static Result<Sampler> create(const SamplerOptions& options, uint32_t n_vocab,
                                const kernels::CpuTable& kernels);

  // `logits` [n_vocab] is changed by the penalty. `history`: the sequence so far, newest last. NaN logits are
  // never drawn; when no logit is finite the result is token 0.
  int32_t sample(std::span<float> logits, std::span<const int32_t> history);
  // Whether sample writes to its logits.
  bool changes_logits() const {
    return options_.repetition_penalty != 1.0f && options_.repetition_window_tokens != 0;
  }

 private:
  struct Candidate {
    uint32_t token;
    float probability;
  };
  Sampler() = default;
  double next_uniform();
  void penalise(std::span<float> logits, std::span<const int32_t> history);
  // candidates_ = what the filters keep, most likely first.
  void collect(std::span<const float> logits, float maximum);
  int32_t draw_from_candidates();
  int32_t draw_from_all(std::span<const float> logits, const kernels::LogitsMaximum& best);

  SamplerOptions options_;
  const kernels::CpuTable* kernels_ = nullptr;
  uint64_t state_[4] = {};
  std::vector<uint32_t> indices_;
  std::vector<Candidate> candidates_;
  std::vector<uint8_t> seen_;
};

}  // namespace leoam
