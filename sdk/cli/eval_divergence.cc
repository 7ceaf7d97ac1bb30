#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>

#include "eval.h"
#include "terminal.h"

namespace leoam::cli {
namespace {

using Logits = std::vector<float>;

// KL(exact || other) in nats, summed over the vocabulary.
double divergence(const Logits& exact, const Logits& other) {
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

// What one policy made of the judged positions.
class Figures {
 public:
  void add(const Logits& logits, const Logits& exact, const int32_t* next_token) {
    divergences_.push_back(divergence(exact, logits));
    if (likeliest(logits) == likeliest(exact)) ++n_agree_;
    if (next_token == nullptr) return;
    nll_ += log_sum_exp(logits) - logits[static_cast<size_t>(*next_token)];
    ++n_nll_;
  }

  Json json() const {
    std::vector<double> sorted = divergences_;
    std::sort(sorted.begin(), sorted.end());
    double sum = 0;
    for (const double one : sorted) sum += one;
    const auto n = static_cast<double>(sorted.size());
    // The smallest of which at least 99 % are no larger.
    const auto rank = static_cast<size_t>(std::ceil(0.99 * n)) - 1;
    return {{"mean_nll", n_nll_ == 0 ? 0.0 : nll_ / static_cast<double>(n_nll_)},
            {"kl_mean", sum / n},
            {"kl_p99", sorted[rank]},
            {"kl_worst", sorted.back()},
            {"top1_agreement", static_cast<double>(n_agree_) / n}};
  }

 private:
  std::vector<double> divergences_;
  uint64_t n_agree_ = 0;
  double nll_ = 0;
  uint64_t n_nll_ = 0;
};

void print_row(const std::string& name, const Json& row) {
  const auto figure = [&](const char* key) { return row[key].get<double>(); };
  std::printf("%-40s %9.5f %11.7f %11.7f %11.7f %8.4f %8.1f\n", name.c_str(), figure("mean_nll"),
              figure("kl_mean"), figure("kl_p99"), figure("kl_worst"), figure("top1_agreement"),
              figure("seconds"));
}

}  // namespace

void eval_divergence(const Instance& instance, const Model& model, const EvalOptions& options) {
  const std::vector<int32_t> tokens = eval_tokens(model, options);
  if (tokens.size() <= options.n_positions)
    throw Failure("--positions: " + std::to_string(options.n_positions) +
                  " positions and a context need more than " + std::to_string(tokens.size()) + " tokens");
  const auto split = tokens.end() - static_cast<std::ptrdiff_t>(options.n_positions);
  const std::vector<int32_t> judged(split, tokens.end());
  PolicyRuns runs(instance, model, options, {tokens.begin(), split}, judged.size());

  std::vector<Logits> exact;
  {
    Session session = runs.exact();
    ProgressBar bar("exact", "tokens");
    for (const int32_t token : judged) {
      exact.push_back(runs.step(session, token));
      bar.update(exact.size(), judged.size());
    }
  }
  Json rows = Json::array();
  for (const Selection& selection : runs.rows()) {
    Session session = runs.with(selection);
    runs.begin_row();
    Figures figures;
    ProgressBar bar(selection.policy, "tokens");
    for (size_t i = 0; i < judged.size(); ++i) {
      const Logits logits = runs.step(session, judged[i]);
      figures.add(logits, exact[i], i + 1 < judged.size() ? &judged[i + 1] : nullptr);
      bar.update(i + 1, judged.size());
    }
    Json row = selection_json(selection);
    row.update(figures.json());
    row.update(runs.cost(session));
    rows.push_back(std::move(row));
  }
  if (options.json)
    return print_json(
        {{"n_tokens", tokens.size()}, {"positions", judged.size()}, {"policies", std::move(rows)}});
  std::cout << "the last " << judged.size() << " of " << tokens.size()
            << " tokens against exact:" << std::endl;
  std::printf("%-40s %9s %11s %11s %11s %8s %8s\n", "policy", "mean NLL", "mean KL", "KL 99 %", "worst KL",
              "top-1", "seconds");
  for (size_t i = 0; i < rows.size(); ++i) print_row(selection_name(runs.rows()[i]), rows[i]);
}

}  // namespace leoam::cli
