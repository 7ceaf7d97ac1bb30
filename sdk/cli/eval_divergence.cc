#include <cstdio>
#include <iostream>

#include "divergence.h"
#include "eval.h"
#include "machine.h"
#include "report.h"
#include "report_page.h"
#include "terminal.h"

namespace leoam::cli {
namespace {

// "-": there is none, everything was attended to.
std::string share(const Json& value) {
  char text[16] = "-";
  if (value.is_number()) std::snprintf(text, sizeof text, "%.4f", value.get<double>());
  return text;
}

void print_row(const std::string& name, const Json& row) {
  const auto figure = [&](const char* key) { return row[key].get<double>(); };
  const Json& worst = row["worst_layer"];
  std::printf(
      "%-40s %9.5f %11.7f %11.7f %11.7f %8.4f %9s %16s %9s %8.1f\n", name.c_str(), figure("mean_nll"),
      figure("kl_mean"), figure("kl_p99"), figure("kl_worst"), figure("top1_agreement"),
      share(row["captured_mass"]).c_str(),
      worst.is_null() ? "-" : (share(worst["captured_mass"]) + " (" + worst["layer"].dump() + ")").c_str(),
      share(row["mean_coverage"]).c_str(), figure("seconds"));
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
  Json result = {{"n_tokens", tokens.size()}, {"positions", judged.size()}, {"policies", std::move(rows)}};
  result.update(measured_with(instance, model));
  if (!options.report.empty()) write_whole(options.report, eval_page(result));
  if (options.json) return print_json(result);
  std::cout << "the last " << judged.size() << " of " << tokens.size()
            << " tokens against exact:" << std::endl;
  std::printf("%-40s %9s %11s %11s %11s %8s %9s %16s %9s %8s\n", "policy", "mean NLL", "mean KL", "KL 99 %",
              "worst KL", "top-1", "captured", "worst (layer)", "certain", "seconds");
  for (size_t i = 0; i < runs.rows().size(); ++i)
    print_row(selection_name(runs.rows()[i]), result["policies"][i]);
}

}  // namespace leoam::cli
