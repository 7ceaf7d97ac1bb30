#include "report_sections.h"

#include <algorithm>
#include <cmath>

#include "report_chart.h"

namespace leoam::cli {
namespace {

using Grid = std::vector<std::vector<double>>;

// [n_layers][n_heads]; a layer that attends to everything is 1 throughout.
Grid grid_of(const Json& layers) {
  size_t n_heads = 1;
  for (const Json& layer : layers) n_heads = std::max(n_heads, layer.size());
  Grid grid;
  for (const Json& layer : layers) {
    grid.emplace_back(n_heads, 1.0);
    for (size_t i = 0; i < layer.size(); ++i) grid.back()[i] = number(layer[i]);
  }
  return grid;
}

double least_of(const Grid& grid) {
  double least = 1;
  for (const auto& row : grid)
    for (const double value : row) least = std::min(least, value);
  return std::floor(least * 10) / 10;
}

std::vector<std::string> layer_row(const std::string& name, size_t layer, const Json& heads) {
  std::vector<std::string> row = {name, std::to_string(layer)};
  for (const char* key : {"attended_share", "captured", "coverage"}) {
    const Json& layers = heads[key];
    if (!layers.is_array() || !layers[layer].is_array()) {
      row.insert(row.end(), 2, layers.is_array() ? "all" : "-");
      continue;
    }
    double sum = 0, least = 1;
    for (const Json& value : layers[layer]) {
      sum += number(value);
      least = std::min(least, number(value));
    }
    row.push_back(short_number(sum / static_cast<double>(layers[layer].size())));
    row.push_back(short_number(least));
  }
  return row;
}

}  // namespace

double number(const Json& value) {
  return value.is_number() ? value.get<double>() : NAN;
}

std::string figure(const Json& value, double factor) {
  return short_number(number(value) * factor);
}

void attention_section(ReportPage& page, const std::vector<NamedRow>& rows) {
  std::vector<Svg> charts;
  ReportTable table = {
      {"policy", "layer", "attended, mean", "least", "captured, mean", "least", "certain, mean", "least"},
      {}};
  for (const auto& [name, row] : rows) {
    const Json& heads = row->at("heads");
    if (!heads.is_object()) continue;
    const Grid attended = grid_of(heads["attended_share"]);
    charts.push_back(heat_map(name + ": share of the context that a head attends to", "layer", "head",
                              "share", attended, 0, 1));
    if (heads["captured"].is_array()) {
      const Grid captured = grid_of(heads["captured"]);
      charts.push_back(heat_map(name + ": share of its softmax mass that is in there", "layer", "head",
                                "captured mass", captured, least_of(captured), 1));
    }
    for (size_t i = 0; i < heads["attended_share"].size(); ++i)
      table.rows.push_back(layer_row(name, i, heads));
  }
  if (charts.empty()) return;
  page.section(
      "Attention against selection",
      "Each cell is one head of one layer, a mean over the steps that were looked at. Captured mass is the "
      "true share of a head's attention that lies in what was selected, known from all keys; the first "
      "layers, and those with a sliding window, attend to everything that they see.",
      charts, table);
}

void facts_section(ReportPage& page, const Json& result) {
  std::vector<std::pair<std::string, std::string>> facts;
  const auto words = [](const Json& value) {
    return value.is_string() ? value.get<std::string>() : value.dump();
  };
  for (const char* part : {"model", "machine", "build"}) {
    if (!result.contains(part)) continue;
    for (const auto& [key, value] : result[part].items())
      facts.emplace_back(std::string(part) + " " + key, words(value));
  }
  for (const char* key : {"text_file", "scratch", "n_tokens", "positions"})
    if (result.contains(key) && !result[key].is_null()) facts.emplace_back(key, words(result[key]));
  page.facts(facts);
}

}  // namespace leoam::cli
