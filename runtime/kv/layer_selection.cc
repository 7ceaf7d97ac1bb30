#include "runtime/kv/layer_selection.h"

#include <algorithm>
#include <bit>

namespace leoam {

LayerSelection::~LayerSelection() {
  if (using_) {
    kv_.tiers_->leave(&use_);
    kv_.layers_[layer_].seen_epoch = use_.seen_epoch;
    --holds_->n;
  }
  for (uint32_t i = 0; i < n_pinned_; ++i) {
    kv_.tiers_->unpin(pinned_[i]);
    --holds_->n;
  }
  buffers_.chosen.clear();
}

Status LayerSelection::pin(std::span<const PageHandle> pages, const CancelFlag* cancel) {
  if (pages.empty()) return {};
  LEOAM_RETURN_IF_ERROR(kv_.tiers_->pin(pages, {cancel, holds_}));
  pinned_[n_pinned_++] = pages;
  ++holds_->n;
  return {};
}

Status LayerSelection::summarize(SequenceKv& kv, uint32_t layer, Device& device, PassHolds* holds,
                                 const CancelFlag* cancel) {
  LayerAbstracts& abstracts = kv.selector_->abstracts(layer);
  const kernels::KvLayout& layout = kv.shape_.layout;
  const std::span<const PageHandle> pages = kv.layers_[layer].pages;
  const auto n_full = static_cast<uint32_t>((kv.n_tokens_ + kv.n_reserved_) / layout.page_tokens);
  while (abstracts.n_pages() < n_full && !kv.selector_->has_given_up()) {
    const uint32_t begin = abstracts.n_pages();
    const uint32_t n = std::min(n_full - begin, kernels::kCodeBlock_pages);
    const std::span<const PageHandle> run = pages.subspan(begin, n);
    std::vector<PageAbstract>& jobs = kv.selector_->buffers.abstracts;
    jobs.clear();
    const Status room = abstracts.append(
        n,
        [&](uint64_t bytes) {
          return kv.tiers_->share(bytes, {cancel, holds});
        },
        &jobs);
    if (room.kind() == ErrorKind::no_space) {
      kv.selector_->give_up();
      return {};
    }
    LEOAM_RETURN_IF_ERROR(room.clone());
    LEOAM_RETURN_IF_ERROR(kv.tiers_->pin(run, {cancel, holds}));
    for (uint32_t i = 0; i < n; ++i) jobs[i].page = kv.tiers_->data(*run[i].get());
    Status status = device.summarize(layout, jobs);
    kv.tiers_->unpin(run);
    LEOAM_RETURN_IF_ERROR(std::move(status));
    abstracts.commit(n);
  }
  return {};
}

Status LayerSelection::begin(const CancelFlag* cancel) {
  const PolicyOptions& options = kv_.selector_->options();
  SequenceKv::Layer& layer = kv_.layers_[layer_];
  const uint64_t page_tokens = kv_.shape_.layout.page_tokens;
  const uint64_t n_tokens = kv_.n_tokens_ + kv_.n_reserved_;
  const std::span<const PageHandle> pages = layer.pages;
  first_page_ = static_cast<uint32_t>((options.n_sink_tokens + page_tokens - 1) / page_tokens);
  end_page_ =
      std::max(first_page_, static_cast<uint32_t>((n_tokens - options.n_window_tokens) / page_tokens));
  use_ = {layer.pages, layer.seen_epoch};
  using_ = kv_.tiers_->use(&use_, layer.refs);
  if (using_) {
    ++holds_->n;
  } else {
    LEOAM_RETURN_IF_ERROR(pin(pages.first(first_page_), cancel));
    LEOAM_RETURN_IF_ERROR(pin(pages.subspan(end_page_), cancel));
  }
  std::vector<kernels::KvPageRef>& fixed = buffers_.fixed;
  fixed.clear();
  for (size_t i = 0; i < pages.size(); ++i) {
    if (i == first_page_) i = end_page_;
    if (!using_) layer.refs[i].data = kv_.tiers_->data(*pages[i].get());
    fixed.push_back(layer.refs[i]);
    n_fixed_tokens_ += static_cast<uint64_t>(layer.refs[i].n_tokens);
  }
  span_.selects = true;
  span_.fixed = {fixed.data(), static_cast<uint32_t>(fixed.size())};
  return {};
}

Status LayerSelection::choose(const FixedAttention& fixed, uint32_t n_heads, float scale,
                              const CancelFlag* cancel) {
  Selector& selector = *kv_.selector_;
  const kernels::KvLayout& layout = kv_.shape_.layout;
  const uint64_t n_tokens = kv_.n_tokens_ + kv_.n_reserved_;
  const uint64_t budget = selector.options().budget(n_tokens);
  const SelectionQuery query = {
      n_heads,     scale,     fixed,
      first_page_, end_page_, (budget - std::min(budget, n_fixed_tokens_)) / kernels::kGranule_tokens};
  Selection& selection = buffers_.selection;
  selection.heads.resize(layout.n_kv_heads);
  LEOAM_RETURN_IF_ERROR(selector.policy().select(query, selector.abstracts(layer_), &selection));

  SequenceKv::Layer& layer = kv_.layers_[layer_];
  std::vector<bool>& needed = buffers_.needed;
  needed.assign(layer.refs.size(), false);
  uint64_t n_granules = 0;
  for (const Selection::Head& head : selection.heads) {
    for (const PageGranules& page : head.granules) {
      needed[page.page] = true;
      n_granules += static_cast<uint64_t>(std::popcount(page.mask));
    }
  }
  const auto n_needed = static_cast<uint64_t>(std::count(needed.begin(), needed.end(), true));
  if (!using_) {
    buffers_.chosen.clear();
    for (size_t i = 0; i < needed.size(); ++i)
      if (needed[i]) buffers_.chosen.push_back(layer.pages[i]);
    LEOAM_RETURN_IF_ERROR(pin(buffers_.chosen, cancel));
    for (size_t i = 0; i < needed.size(); ++i)
      if (needed[i]) layer.refs[i].data = kv_.tiers_->data(*layer.pages[i].get());
  }
  buffers_.granules.resize(layout.n_kv_heads);
  buffers_.heads.resize(layout.n_kv_heads);
  for (uint32_t h = 0; h < layout.n_kv_heads; ++h) {
    std::vector<kernels::KvGranules>& granules = buffers_.granules[h];
    granules.clear();
    for (const PageGranules& page : selection.heads[h].granules)
      granules.push_back({layer.refs[page.page].data, page.mask});
    buffers_.heads[h] = {granules, selection.heads[h].estimates};
  }
  span_.heads = buffers_.heads;

  SelectionStatistics& statistics = selector.statistics;
  ++statistics.n_selections;
  statistics.n_attended_tokens += n_fixed_tokens_ + n_granules * kernels::kGranule_tokens / layout.n_kv_heads;
  statistics.n_context_tokens += n_tokens;
  statistics.n_chunks_evaluated += selection.n_chunks_evaluated;
  statistics.n_pages_needed += n_needed + buffers_.fixed.size();
  return {};
}

}  // namespace leoam
