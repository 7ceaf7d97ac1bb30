#include <algorithm>
#include <cmath>
#include <map>

#include "report.h"
#include "report_chart.h"
#include "report_sections.h"

namespace leoam::cli {
namespace {

std::string row_name(const Json& row) {
  std::string name = row["policy"].get<std::string>();
  if (row["importance"].is_number()) name += ", " + figure(row["importance"], 100) + " % of the context";
  if (row["budget_tokens"].is_number()) name += ", " + figure(row["budget_tokens"]) + " tokens";
  return name;
}

void table_section(ReportPage& page, const Json& result) {
  ReportTable table = {{"policy", "mean KL", "KL 99 %", "worst KL", "top-1", "attended %", "captured",
                        "worst layer", "its captured", "certain", "seconds"},
                       {}};
  std::vector<BarName> names;
  std::vector<std::string> policies;
  BarGroup captured = {"captured mass, %", {}, 100.0}, coverage = {"certain coverage, %", {}, 100.0},
           attended = {"attended to, % of the context", {}, 100.0};
  for (const Json& row : result["policies"]) {
    const Json& worst = row["worst_layer"];
    table.rows.push_back({row_name(row), figure(row["kl_mean"]), figure(row["kl_p99"]),
                          figure(row["kl_worst"]), figure(row["top1_agreement"]),
                          figure(row["attended_share"], 100), figure(row["captured_mass"]),
                          worst.is_object() ? figure(worst["layer"]) : "-",
                          worst.is_object() ? figure(worst["captured_mass"]) : "-",
                          figure(row["mean_coverage"]), figure(row["seconds"])});
    if (!row["attended_share"].is_number()) continue;
    const std::string policy = row["policy"].get<std::string>();
    if (policies.empty() || policies.back() != policy) policies.push_back(policy);
    names.push_back({row_name(row), policies.size() - 1});
    attended.values.push_back(100 * number(row["attended_share"]));
    captured.values.push_back(100 * number(row["captured_mass"]));
    coverage.values.push_back(100 * number(row["mean_coverage"]));
  }
  std::vector<Svg> charts;
  if (!names.empty())
    charts.push_back(bar_chart("Attended to, captured, certain", names, {attended, captured, coverage}));
  page.section("Policies",
               "Divergence is that of the next token's distribution from full attention. Captured mass is "
               "the true share of "
               "the softmax mass in what was selected, a mean over steps, layers that select and heads; "
               "coverage is what of "
               "it is certain while the rest has not been read.",
               charts, table);
}

// A figure of each policy over its budgets; empty where none has several.
std::vector<Series> over_budgets(const Json& result, const char* key) {
  std::map<std::string, size_t> place;
  std::vector<Series> series;
  size_t most = 0;
  for (const Json& row : result["policies"]) {
    if (!row["importance"].is_number() || !row[key].is_number()) continue;
    const std::string policy = row["policy"].get<std::string>();
    if (place.emplace(policy, series.size()).second) series.push_back({policy, {}});
    auto& points = series[place[policy]].points;
    points.emplace_back(100 * number(row["importance"]), number(row[key]));
    most = std::max(most, points.size());
  }
  if (most < 2) return {};
  for (Series& one : series) std::ranges::sort(one.points);
  return series;
}

void quality_section(ReportPage& page, const Json& result) {
  const std::vector<Series> divergence = over_budgets(result, "kl_mean");
  if (divergence.empty()) return;
  const Axis budget = {"budget, % of the context"};
  std::vector<Svg> charts = {
      line_chart("Quality against budget", budget, {"mean KL divergence, nats", true}, divergence, true)};
  const std::vector<Series> captured = over_budgets(result, "captured_mass");
  if (!captured.empty())
    charts.push_back(
        line_chart("Captured mass against budget", budget, {"captured mass", false, 0.0}, captured, true));
  page.section("Quality against budget",
               "Mean KL divergence from full attention at each budget, where lower is nearer; a divergence "
               "of 0 has no "
               "place on a logarithmic axis. The numbers are those of the table above.",
               charts, {});
}

}  // namespace

std::string eval_page(const Json& result) {
  ReportPage page(
      "LeoAM: how near policies come to full attention",
      "The last " + figure(result["positions"]) + " of " + figure(result["n_tokens"]) + " tokens.");
  table_section(page, result);
  quality_section(page, result);
  // One budget of each policy.
  std::vector<NamedRow> rows;
  std::string last;
  for (const Json& row : result["policies"])
    if (row["heads"].is_object() && row["policy"] != last) {
      last = row["policy"].get<std::string>();
      rows.push_back({row_name(row), &row});
    }
  attention_section(page, rows);
  facts_section(page, result);
  return page.html();
}

}  // namespace leoam::cli
