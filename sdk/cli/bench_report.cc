#include <algorithm>
#include <cmath>
#include <map>

#include "bench.h"
#include "report.h"
#include "report_chart.h"
#include "report_sections.h"

namespace leoam::cli {
namespace {

std::string name_of(const Json& one) {
  const Json& budget = one["host_budget"];
  return case_name(one["policy"].get<std::string>(),
                   budget.is_string() ? budget.get<std::string>() : std::string());
}

// The cases with the longest context.
std::vector<NamedRow> longest(const Json& result) {
  double most = 0;
  for (const Json& one : result["cases"]) most = std::max(most, number(one["context_tokens"]));
  std::vector<NamedRow> rows;
  for (const Json& one : result["cases"])
    if (number(one["context_tokens"]) == most) rows.push_back({name_of(one), &one});
  return rows;
}

std::string context_words(const Json& one) {
  const std::string tokens = short_number(number(one["context_tokens"]));
  return number(one["batch"]) > 1 ? short_number(number(one["batch"])) + " sequences of " + tokens + " tokens"
                                  : "a context of " + tokens + " tokens";
}

void cases_section(ReportPage& page, const Json& result) {
  ReportTable table = {{"policy, host budget", "context", "sequences", "tokens/s", "+-", "ms/token",
                        "disk MB/token", "reads/token", "stalled %", "RAM MB, peak", "disk MB", "attended %",
                        "captured", "certain", "least certain"},
                       {}};
  for (const Json& one : result["cases"])
    table.rows.push_back({name_of(one), figure(one["context_tokens"]), figure(one["batch"]),
                          figure(one["tokens_per_second"]), figure(one["tokens_per_second_spread"]),
                          figure(one["ms_per_token"]), figure(one["disk_read_bytes_per_token"], 1e-6),
                          figure(one["disk_reads_per_token"]), figure(one["stalled_share"], 100),
                          figure(one["host_kv_peak_bytes"], 1e-6), figure(one["disk_kv_bytes"], 1e-6),
                          figure(one["attended_share"], 100), figure(one["captured_mass"]),
                          figure(one["mean_coverage"]), figure(one["least_coverage"])});
  page.section("Policies and budgets",
               "All took turns in one run; figures are medians over the turns. RAM is the peak of all that "
               "the KV cache "
               "has taken there, from the first token read to the last one drawn.",
               {bench_picture(result)}, table);
}

void speed_section(ReportPage& page, const Json& result) {
  std::map<std::string, size_t> place;
  std::vector<Series> series;
  std::vector<double> contexts;
  for (const Json& one : result["cases"]) {
    const std::string name = name_of(one);
    if (place.emplace(name, series.size()).second) series.push_back({name, {}});
    const double context = number(one["context_tokens"]);
    if (std::ranges::find(contexts, context) == contexts.end()) contexts.push_back(context);
    series[place[name]].points.emplace_back(context, number(one["tokens_per_second"]));
  }
  if (contexts.size() < 2) return;
  double least = INFINITY, most = 0;
  for (Series& one : series) {
    std::ranges::sort(one.points);
    for (const auto& point : one.points) {
      least = std::min(least, point.second);
      most = std::max(most, point.second);
    }
  }
  // Where the slowest would lie on the axis.
  const bool logarithmic = most > 20 * least;
  page.section(
      "Speed against context", "Tokens drawn per second by all sequences, at each length of the context.",
      {line_chart("Speed against context", {"context, tokens"},
                  {"tokens per second", logarithmic, logarithmic ? std::nullopt : std::optional(0.0)}, series,
                  true)},
      {});
}

// Of a case, where each sample would be too many to read.
constexpr size_t kTableRows = 40;

void tiers_section(ReportPage& page, const Json& result) {
  std::vector<Series> in_ram, on_disk, read;
  ReportTable table = {{"policy, host budget", "seconds", "drawn", "RAM MB", "disk MB", "read MB so far"},
                       {}};
  for (const auto& [name, one] : longest(result)) {
    in_ram.push_back({name, {}});
    on_disk.push_back({name, {}});
    read.push_back({name, {}});
    double drawn = 0, read_bytes = 0;  // of an earlier sample
    const Json& samples = one->at("samples");
    const size_t every = samples.size() / kTableRows + 1;
    for (size_t i = 0; i < samples.size(); ++i) {
      const Json& sample = samples[i];
      const auto at = [&sample](size_t what) { return number(sample[what]); };
      in_ram.back().points.emplace_back(at(0), at(2) / 1e6);
      on_disk.back().points.emplace_back(at(0), at(3) / 1e6);
      // Whole steps: the first of the tokens that share one would have all of its reads.
      if (at(1) == 0 || at(1) >= drawn + number(one->at("batch"))) {
        if (at(1) > drawn)
          read.back().points.emplace_back(at(1), (at(4) - read_bytes) / 1e6 / (at(1) - drawn));
        drawn = at(1);
        read_bytes = at(4);
      }
      if (i % every != 0) continue;
      table.rows.push_back({name, figure(sample[0]), figure(sample[1]), figure(sample[2], 1e-6),
                            figure(sample[3], 1e-6), figure(sample[4], 1e-6)});
    }
  }
  const Axis seconds = {"seconds of work of the case: first it reads, then it draws"};
  page.section("Tiers over time",
               "What the KV cache takes in RAM and in files, and what each drawn token reads from files.",
               {line_chart("KV in RAM", seconds, {"MB", false, 0.0}, in_ram, false),
                line_chart("KV in files", seconds, {"MB", false, 0.0}, on_disk, false),
                line_chart("Read from files for each drawn token", {"tokens drawn"},
                           {"MB per token", false, 0.0}, read, false)},
               table);
}

void timeline_section(ReportPage& page, const Json& result) {
  std::vector<Svg> charts;
  ReportTable table = {{"policy, host budget", "layer", "begin ms", "end ms", "computes ms", "waits ms",
                        "KB on demand", "KB ahead", "sent for ms", "there ms"},
                       {}};
  for (const auto& [name, one] : longest(result)) {
    std::vector<TimelineRow> rows;
    for (const Json& layer : one->at("layer_times")) {
      const auto ms = [&layer](const char* key) { return number(layer[key]) / 1e3; };
      TimelineRow row;
      row.name = std::to_string(layer["layer"].get<uint64_t>());
      row.begin = ms("begin_us");
      row.end = ms("end_us");
      row.waiting = ms("waiting_us");
      const bool moved = number(layer["demand_bytes"]) + number(layer["ahead_bytes"]) > 0;
      if (moved) row.transfers = std::pair(ms("sent_us"), ms("arrived_us"));
      row.tip = "layer " + row.name + ": computes " + short_number(ms("computing_us")) + " ms, waits " +
                short_number(row.waiting) + " ms";
      table.rows.push_back({name, row.name, short_number(row.begin), short_number(row.end),
                            short_number(ms("computing_us")), short_number(row.waiting),
                            figure(layer["demand_bytes"], 1e-3), figure(layer["ahead_bytes"], 1e-3),
                            moved ? short_number(row.transfers->first) : "-",
                            moved ? short_number(row.transfers->second) : "-"});
      rows.push_back(std::move(row));
    }
    if (rows.empty() || rows.back().end <= 0) continue;
    charts.push_back(timeline_chart("One step of " + name, "ms since the step began", rows));
  }
  if (charts.empty()) return;
  page.section(
      "One step, layer by layer",
      "The newest timed step of each case. A bar is a layer; the part of it that waited for pages is drawn "
      "first, "
      "wherever in it that was. The line below it reaches from the moment when the first page that the layer "
      "needed was sent for to the moment when the last one was there; what was sent for before the step "
      "began "
      "stands left of 0.",
      charts, table);
}

}  // namespace

Svg bench_picture(const Json& result) {
  std::vector<BarName> names;
  BarGroup speed = {"tokens per second", {}}, ram = {"RAM of the KV cache, peak, MB", {}},
           disk = {"read from disk, MB per token", {}},
           captured = {"captured attention, % (all of it: 100)", {}, 100.0};
  std::string context;
  for (const auto& [name, one] : longest(result)) {
    names.push_back({name, names.size()});
    context = context_words(*one);
    speed.values.push_back(number(one->at("tokens_per_second")));
    ram.values.push_back(number(one->at("host_kv_peak_bytes")) / 1e6);
    disk.values.push_back(number(one->at("disk_read_bytes_per_token")) / 1e6);
    captured.values.push_back(100 * number(one->at("captured_mass")));
  }
  return bar_chart("Drawing tokens behind " + context, names, {speed, ram, disk, captured});
}

std::string bench_page(const Json& result) {
  const Json& model = result["model"];
  std::string title = model["name"].get<std::string>();
  if (title.empty()) title = model["architecture"].get<std::string>();
  const Json& machine = result["machine"];
  ReportPage page("LeoAM: " + title + ", policies and budgets",
                  figure(result["repeat"]) + " turns of " + figure(result["generate"]) + " tokens; " +
                      context_words(*longest(result).front().row) + ". " + machine.value("cpu.name", "") +
                      ", " + machine.value("cpu.chosen", "") + ".");
  cases_section(page, result);
  speed_section(page, result);
  tiers_section(page, result);
  timeline_section(page, result);
  std::vector<NamedRow> selecting;
  for (const auto& [name, one] : longest(result)) {
    const std::string policy = one->at("policy").get<std::string>();
    // Budgets change where pages are, not what is selected.
    if (std::ranges::find(selecting, policy, &NamedRow::name) == selecting.end())
      selecting.push_back({policy, one});
  }
  attention_section(page, selecting);
  facts_section(page, result);
  return page.html();
}

}  // namespace leoam::cli
