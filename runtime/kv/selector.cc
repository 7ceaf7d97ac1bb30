#include "runtime/kv/selector.h"

#include <algorithm>

namespace leoam {

Result<std::unique_ptr<Selector>> Selector::create(Tiers& tiers, const PolicyOptions& options,
                                                   const PolicyMeans& means, const kernels::KvLayout& layout,
                                                   const std::vector<uint32_t>& windows) {
  LEOAM_ASSIGN_OR_RETURN(std::unique_ptr<Policy> policy, create_policy(options, means));
  if (!policy) return std::unique_ptr<Selector>();
  std::unique_ptr<Selector> selector(new Selector(options, std::move(policy)));
  const auto n_layers = static_cast<uint32_t>(windows.size());
  selector->layers_.resize(n_layers);
  for (uint32_t i = options.n_dense_layers; i < n_layers; ++i)
    if (windows[i] == 0)
      selector->layers_[i] =
          std::make_unique<LayerAbstracts>(tiers, means.kernels, layout,
                                           std::array{stream_number(PageKind::records, i, n_layers),
                                                      stream_number(PageKind::codes, i, n_layers)});
  return selector;
}

Selector::Selector(const Selector& other)
    : statistics(other.statistics),
      options_(other.options_),
      policy_(other.policy_->clone()),
      given_up_(other.given_up_) {
  for (const auto& layer : other.layers_)
    layers_.push_back(layer ? std::make_unique<LayerAbstracts>(*layer) : nullptr);
}

bool Selector::selects(uint32_t layer, uint64_t n_tokens, uint32_t n_step_tokens) const {
  if (n_step_tokens != 1 || !has_abstracts(layer)) return false;
  const uint64_t n_fixed_tokens = uint64_t{options_.n_sink_tokens} + options_.n_window_tokens;
  return std::max(options_.budget(n_tokens), n_fixed_tokens) < n_tokens;
}

void Selector::give_up() {
  given_up_ = true;
  for (const auto& layer : layers_)
    if (layer) layer->truncate(0);
}

void Selector::begin_step() {
  std::ranges::fill(heads, HeadAttention());
  statistics.least_coverage = 1;
}

void Selector::truncate(uint32_t layer, uint32_t n_pages) {
  if (layers_[layer]) layers_[layer]->truncate(n_pages);
}

}  // namespace leoam
