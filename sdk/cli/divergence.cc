#include "divergence.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace leoam::cli {

double log_sum_exp(std::span<const float> logits) {
  const double maximum = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - maximum);
  return maximum + std::log(sum);
}

int32_t likeliest(std::span<const float> logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

double divergence(std::span<const float> exact, std::span<const float> other) {
  const double exact_normaliser = log_sum_exp(exact);
  const double other_normaliser = log_sum_exp(other);
  double sum = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    const double logprob = exact[i] - exact_normaliser;
    sum += std::exp(logprob) * (logprob - (other[i] - other_normaliser));
  }
  // Rounding may leave less than nothing.
  return std::max(sum, 0.0);
}

void DivergenceFigures::add(std::span<const float> exact, std::span<const float> other,
                            const int32_t* next_token) {
  divergences_.push_back(divergence(exact, other));
  if (likeliest(exact) == likeliest(other)) ++n_agree_;
  if (next_token == nullptr) return;
  nll_ += log_sum_exp(other) - other[static_cast<size_t>(*next_token)];
  ++n_nll_;
}

double DivergenceFigures::mean() const {
  return std::accumulate(divergences_.begin(), divergences_.end(), 0.0) /
         static_cast<double>(divergences_.size());
}

double DivergenceFigures::quantile(double share) const {
  std::vector<double> sorted = divergences_;
  std::sort(sorted.begin(), sorted.end());
  const double rank = std::ceil(share * static_cast<double>(sorted.size()));
  return sorted[std::min(static_cast<size_t>(std::max(rank, 1.0)), sorted.size()) - 1];
}

double DivergenceFigures::top1_agreement() const {
  return static_cast<double>(n_agree_) / static_cast<double>(divergences_.size());
}

double DivergenceFigures::mean_nll() const {
  return n_nll_ == 0 ? 0.0 : nll_ / static_cast<double>(n_nll_);
}

}  // namespace leoam::cli
