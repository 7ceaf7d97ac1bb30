#include <cmath>
#include <cstdio>
#include <memory>

#include "bench_case.h"
#include "machine.h"
#include "report.h"
#include "report_page.h"
#include "terminal.h"

namespace leoam::cli {
namespace {

std::vector<std::string> names(const std::string& list) {
  std::vector<std::string> all;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    all.push_back(list.substr(begin, end - begin));
    if (all.back().empty()) throw Failure("--policy: an empty name in '" + list + "'");
    begin = end + 1;
  }
  return all;
}

// All cases of one context, in turns, so that what changes in the machine changes for all.
void run_cases(const BenchOptions& options, uint64_t context_tokens, Json& result) {
  std::vector<std::unique_ptr<BenchCase>> cases;
  for (const std::string& policy : names(options.policy))
    for (const HostBudget& budget : options.host_budgets)
      cases.push_back(std::make_unique<BenchCase>(options, policy, budget, context_tokens));
  if (!result.contains("machine")) {
    result.update(measured_with(cases.front()->instance(), cases.front()->model()));
  }
  for (const auto& one : cases) {
    ProgressBar bar(one->name(), "tokens");
    one->fill(bar.follower());
  }
  ProgressBar bar("decode", "rounds");
  for (uint32_t round = 0; round <= options.repeat; ++round) {
    for (const auto& one : cases) one->decode();
    bar.update(round + 1, options.repeat + 1);
  }
  for (const auto& one : cases) {
    one->look();
    result["cases"].push_back(one->json());
  }
}

void print_table(const Json& result) {
  const Json& model = result["model"];
  std::printf(
      "%s %s, %s, %s threads; %u sequences at once, %u tokens drawn, medians of %u\n",
      model["architecture"].get<std::string>().c_str(), model["quantization"].get<std::string>().c_str(),
      result["machine"].value("cpu.name", "").c_str(), result["machine"].value("threads", "").c_str(),
      result["batch"].get<uint32_t>(), result["generate"].get<uint32_t>(), result["repeat"].get<uint32_t>());
  std::printf("%-24s %8s %16s %10s %10s %8s %8s %10s %9s %9s %9s %9s\n", "policy, host budget", "context",
              "tokens/s", "a sequence", "ms/token", "disk MB", "stalled", "RAM MB", "attended", "captured",
              "certain", "least");
  for (const Json& row : result["cases"]) {
    const auto figure = [&row](const char* key) {
      return row[key].is_number() ? row[key].get<double>() : NAN;
    };
    const Json& budget = row["host_budget"];
    const std::string name = case_name(row["policy"].get<std::string>(),
                                       budget.is_string() ? budget.get<std::string>() : std::string());
    std::printf("%-24s %8.0f %9.2f +- %3.1f %10.2f %10.2f %8.2f %7.1f%% %10.1f %8.1f%% %9.4f %9.4f %9.4f\n",
                name.c_str(), figure("context_tokens"), figure("tokens_per_second"),
                figure("tokens_per_second_spread"), figure("sequence_tokens_per_second"),
                figure("ms_per_token"), figure("disk_read_bytes_per_token") / 1e6,
                100 * figure("stalled_share"), figure("host_kv_peak_bytes") / 1e6,
                100 * figure("attended_share"), figure("captured_mass"), figure("mean_coverage"),
                figure("least_coverage"));
  }
}

}  // namespace

std::string case_name(const std::string& policy, const std::string& host_budget) {
  if (host_budget.empty()) return policy;
  return policy + (host_budget == "all" ? ", all in RAM" : ", RAM for " + host_budget);
}

HostBudget parse_host_budget(const std::string& text) {
  HostBudget budget{text, 0, 0};
  if (text == "all") {
    budget.bytes = kAllResident_bytes;
    return budget;
  }
  if (!text.ends_with('%')) {
    budget.bytes = parse_size(text);
    return budget;
  }
  size_t end = 0;
  try {
    budget.share = std::stod(text, &end) / 100;
  } catch (const std::exception&) {
    end = 0;
  }
  if (end + 1 != text.size() || !(budget.share > 0 && budget.share <= 100))
    throw CLI::ValidationError("--host-budget",
                               "expected a share above 0%, a size or all, found '" + text + "'");
  return budget;
}

void bench_policies(const BenchOptions& options) {
  Json result = {{"generate", options.generate_tokens},
                 {"repeat", options.repeat},
                 {"batch", options.batch},
                 {"scratch", options.plaintext_scratch ? "plaintext" : "encrypted"},
                 {"text_file", options.text_file.empty() ? Json(nullptr) : Json(options.text_file)},
                 {"cases", Json::array()}};
  for (const std::string* path : {&options.report, &options.picture})
    if (!path->empty()) check_writable(*path);
  for (const uint64_t context_tokens : options.contexts) run_cases(options, context_tokens, result);
  if (!options.report.empty()) write_whole(options.report, bench_page(result));
  if (!options.picture.empty()) write_whole(options.picture, bench_picture(result).standalone());
  if (options.json) return print_json(result);
  print_table(result);
}

}  // namespace leoam::cli
