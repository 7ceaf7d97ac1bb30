// How far the predictions of one run are from those of another. Standard library only.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace leoam::cli {

// ln(sum(exp(logits))); at least one.
double log_sum_exp(std::span<const float> logits);
// The lowest id among equals.
int32_t likeliest(std::span<const float> logits);
// KL(exact || other) in nats, of the distributions that logits [n_vocab] of one position mean; never below 0.
double divergence(std::span<const float> exact, std::span<const float> other);

// What one run made of the judged positions; at least one before anything is asked for.
class DivergenceFigures {
 public:
  // `next_token`: what the text goes on with, NULL at its end.
  void add(std::span<const float> exact, std::span<const float> other, const int32_t* next_token);

  double mean() const;
  // The smallest divergence that at least this share of the positions does not exceed; 1: the worst.
  double quantile(double share) const;
  double top1_agreement() const;
  double mean_nll() const;  // of `other`, over the positions that have a next token

 private:
  std::vector<double> divergences_;
  uint64_t n_agree_ = 0;
  double nll_ = 0;
  uint64_t n_nll_ = 0;
};

}  // namespace leoam::cli
