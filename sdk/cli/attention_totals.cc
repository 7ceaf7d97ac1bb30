#include "attention_totals.h"

#include <algorithm>

namespace leoam::cli {

void AttentionTotals::add(std::span<const leoam_head_attention> step, uint32_t n_layers) {
  const size_t n_heads = step.size() / n_layers;
  layers_.resize(n_layers);
  for (uint32_t i = 0; i < n_layers; ++i) {
    const std::span<const leoam_head_attention> heads = step.subspan(i * n_heads, n_heads);
    if (std::ranges::all_of(heads, [](const auto& head) { return head.attended_share >= 1; })) continue;
    Layer& layer = layers_[i];
    layer.heads.resize(n_heads);
    ++layer.n_selected;
    if (heads.front().captured >= 0) ++layer.n_audited;
    for (size_t h = 0; h < n_heads; ++h) {
      layer.heads[h].captured += std::max(0.0, double{heads[h].captured});
      layer.heads[h].attended_share += double{heads[h].attended_share};
      layer.heads[h].coverage += double{heads[h].coverage};
    }
  }
}

Json AttentionTotals::json() const {
  Json captured = Json::array(), attended = Json::array(), coverage = Json::array();
  Json worst = nullptr;
  double sum = 0;
  uint64_t n = 0;
  bool any = false;
  const auto means = [](const Layer& layer, double Head::*what, uint64_t n_steps) {
    Json row = Json::array();
    for (const Head& head : layer.heads) row.push_back(head.*what / static_cast<double>(n_steps));
    return row;
  };
  for (size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    any = any || layer.n_selected > 0;
    attended.push_back(layer.n_selected > 0 ? means(layer, &Head::attended_share, layer.n_selected)
                                            : Json(nullptr));
    coverage.push_back(layer.n_selected > 0 ? means(layer, &Head::coverage, layer.n_selected)
                                            : Json(nullptr));
    captured.push_back(layer.n_audited > 0 ? means(layer, &Head::captured, layer.n_audited) : Json(nullptr));
    if (layer.n_audited == 0) continue;
    double total = 0;
    for (const Head& head : layer.heads) total += head.captured;
    total /= static_cast<double>(layer.heads.size());
    const double mean = total / static_cast<double>(layer.n_audited);
    sum += total;
    n += layer.n_audited;
    if (worst.is_null() || mean < worst["captured_mass"].get<double>())
      worst = {{"layer", i}, {"captured_mass", mean}};
  }
  return {{"captured_mass", n > 0 ? Json(sum / static_cast<double>(n)) : Json(nullptr)},
          {"worst_layer", worst},
          {"heads", any ? Json{{"captured", n > 0 ? std::move(captured) : Json(nullptr)},
                               {"attended_share", std::move(attended)},
                               {"coverage", std::move(coverage)}}
                        : Json(nullptr)}};
}

}  // namespace leoam::cli
