#include "runtime/kv/layer_weighing.h"

#include <algorithm>
#include <cmath>

namespace leoam {

LayerWeighing::Pages LayerWeighing::pages_of(uint64_t n_before, uint64_t n_tokens, uint32_t page_tokens) {
  const uint64_t begin = (n_before + page_tokens - 1) / page_tokens;
  const uint64_t end = std::max(begin, (n_before + n_tokens) / page_tokens);
  return {static_cast<size_t>(begin), static_cast<size_t>(std::min<uint64_t>(end - begin, kMost_pages))};
}

bool LayerWeighing::is_due(const SequenceKv& kv, uint32_t layer) {
  if (kv.lacks_weights_ || kv.shape_.windows[layer] != 0 ||
      !is_long(kv.n_tokens_, kv.n_reserved_, kv.shape_.layout.page_tokens))
    return false;
  const ChannelWeights* const known = kv.weights_.get();
  return !known || (known->end_token() > kv.n_tokens_ && known->of(layer).empty());
}

Status LayerWeighing::run(SequenceKv& kv, uint32_t index, Device& device, const float* q, uint32_t n_heads,
                          PassHolds* holds, const CancelFlag* cancel) {
  const kernels::KvLayout& layout = kv.shape_.layout;
  const uint32_t width = layout.n_kv_heads * layout.head_dim;
  const SequenceKv::Layer& layer = kv.layers_[index];
  const auto [first, n_pages] = pages_of(kv.n_tokens_, kv.n_reserved_, layout.page_tokens);
  if (!kv.weights_) {
    const auto n_layers = static_cast<uint32_t>(kv.layers_.size());
    LEOAM_ASSIGN_OR_RETURN(TierShare room,
                           kv.tiers_->share(ChannelWeights::bytes(n_layers, width), {cancel, holds}));
    kv.weights_ = std::make_shared<ChannelWeights>(n_layers, width, kv.n_tokens_ + kv.n_reserved_);
    kv.weights_->keep_room(std::move(room));
  }
  std::vector<float> weights(width);
  // The newest, and before anything else is computed: then they are gone.
  const auto n = static_cast<uint32_t>(std::min<uint64_t>(kv.n_reserved_, kMostQueries_tokens));
  add_queries(q + size_t{kv.n_reserved_ - n} * n_heads * layout.head_dim, n, n_heads, layout.n_kv_heads,
              layout.head_dim, weights);
  const kernels::ChunkLayout chunk = {layout.head_dim};
  LEOAM_ASSIGN_OR_RETURN(AlignedBuffer records,
                         AlignedBuffer::allocate(n_pages * layout.n_kv_heads * chunk.record_bytes()));
  const std::span<const PageHandle> pages = std::span<const PageHandle>(layer.pages).subspan(first, n_pages);
  std::vector<PageAbstract> jobs(n_pages);
  LEOAM_RETURN_IF_ERROR(kv.tiers_->pin(pages, {cancel, holds}));
  for (size_t i = 0; i < n_pages; ++i) {
    jobs[i].page = kv.tiers_->data(*pages[i].get());
    jobs[i].codec = layer.refs[first + i].codec;
    jobs[i].records = records.data() + i * layout.n_kv_heads * chunk.record_bytes();
    jobs[i].head_stride = chunk.record_bytes();
  }
  Status status = device.summarize(layout, jobs);
  kv.tiers_->unpin(pages);
  LEOAM_RETURN_IF_ERROR(std::move(status));
  std::vector<float> reach(width);
  for (const PageAbstract& page : jobs) add_reach(chunk, page.records, page.head_stride, reach);
  for (uint32_t i = 0; i < width; ++i) {
    const float weight = weights[i] * reach[i];
    weights[i] = std::isfinite(weight) ? weight : 0.0f;
  }
  kv.weights_->set(index, std::move(weights));
  return {};
}

}  // namespace leoam
