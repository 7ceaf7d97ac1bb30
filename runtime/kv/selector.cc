#include "runtime/kv/selector.h"

#include <algorithm>

namespace leoam {

Result<std::unique_ptr<Selector>> Selector::create(Tiers& tiers, const PolicyOptions& options,
                                                   const PolicyMeans& means, const kernels::KvLayout& layout,
                                                   const std::vector<uint32_t>& windows) {
  LEOAM_ASSIGN_OR_RETURN(std::unique_ptr<Policy> policy, create_policy(options, means));
  if (!policy) return std::unique_ptr<Selector>();
  std::unique_ptr<Selector> selector(new Selector(options, means, std::move(policy)));
  const auto n_layers = static_cast<uint32_t>(windows.size());
  selector->layers_.resize(n_layers);
  selector->fixed_sums.resize(n_layers);
  if (selector->policy_->counts_masses()) selector->masses_.resize(n_layers);
  for (uint32_t i = options.n_dense_layers; i < n_layers; ++i) {
    if (windows[i] != 0) continue;
    selector->layers_[i] =
        std::make_unique<LayerAbstracts>(tiers, means.kernels, layout, options.channels_of(layout.head_dim),
                                         std::array{stream_number(PageKind::records, i, n_layers),
                                                    stream_number(PageKind::codes, i, n_layers)});
    if (selector->counts_masses()) selector->masses_[i] = std::make_unique<LayerMasses>(tiers, layout);
  }
  return selector;
}

Selector::Selector(const Selector& other)
    : shares(other.shares),
      statistics(other.statistics),
      fixed_sums(other.fixed_sums.size()),
      options_(other.options_),
      means_(other.means_),
      policy_(other.policy_->clone()),
      block_scores_(means_),
      given_up_(other.given_up_) {
  for (const auto& layer : other.layers_)
    layers_.push_back(layer ? std::make_unique<LayerAbstracts>(*layer) : nullptr);
  for (const auto& layer : other.masses_) {
    masses_.emplace_back();
    if (!layer || given_up_) continue;
    Result<std::unique_ptr<LayerMasses>> copy = layer->copy();
    if (copy.ok())
      masses_.back() = std::move(copy).value();
    else
      give_up();
  }
}

bool Selector::selects(uint32_t layer, uint64_t n_tokens, uint32_t n_step_tokens) const {
  return n_step_tokens == 1 && has_abstracts(layer) && options_.leaves_out(n_tokens);
}

bool Selector::selects_blocks(uint64_t n_tokens, uint64_t n_step_tokens) const {
  return options_.sparse_prefill_tokens > 0 && n_tokens >= options_.sparse_prefill_tokens &&
         n_step_tokens > kNarrowSpan_tokens && options_.leaves_out(n_tokens);
}

void Selector::give_up() {
  given_up_ = true;
  for (const auto& layer : layers_)
    if (layer) layer->truncate(0);
  for (const auto& layer : masses_)
    if (layer) layer->truncate(0);
}

void Selector::begin_step(uint64_t n_tokens, uint32_t n_step_tokens) {
  one_token_ = n_step_tokens == 1;
  if (one_token_)
    shares.begin_step(n_tokens, static_cast<uint32_t>(std::ranges::count_if(
                                    layers_, [](const auto& layer) { return layer != nullptr; })));
  std::ranges::fill(heads, HeadAttention());
  statistics.least_coverage = 1;
}

void Selector::end_step() {
  if (one_token_) shares.end_step();
}

void Selector::truncate(uint32_t layer, uint64_t n_tokens) {
  shares.truncate(n_tokens);
  if (!layers_[layer]) return;
  layers_[layer]->truncate(static_cast<uint32_t>(n_tokens / layers_[layer]->code_layout().page_tokens));
  if (counts_masses() && masses_[layer]) masses_[layer]->truncate(n_tokens);
}

}  // namespace leoam
