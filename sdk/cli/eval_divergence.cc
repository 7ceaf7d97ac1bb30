#include <cstdio>
#include <iostream>

#include "divergence.h"
#include "eval.h"
#include "terminal.h"

namespace leoam::cli {
namespace {

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

  std::vector<std::vector<float>> exact;
  {
    Session session = runs.with({"exact"});
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
    DivergenceFigures figures;
    ProgressBar bar(selection.policy, "tokens");
    for (size_t i = 0; i < judged.size(); ++i) {
      const std::vector<float> logits = runs.step(session, judged[i]);
      figures.add(logits, exact[i], i + 1 < judged.size() ? &judged[i + 1] : nullptr);
      bar.update(i + 1, judged.size());
    }
    Json row = selection_json(selection);
    row["mean_nll"] = figures.mean_nll();
    row["kl_mean"] = figures.mean();
    row["kl_p99"] = figures.quantile(0.99);
    row["kl_worst"] = figures.quantile(1);
    row["top1_agreement"] = figures.top1_agreement();
    row.update(runs.cost(session.info()));
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
