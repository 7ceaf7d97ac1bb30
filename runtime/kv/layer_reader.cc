#include "runtime/kv/layer_reader.h"

#include <algorithm>

#include "kernels/attention/attention.h"

namespace leoam {

void LayerReader::let_go() {
  whole_.leave();
  if (!pinned_.empty()) {
    kv_.tiers_->unpin(pinned_);
    --holds_->n;
  }
  pinned_ = {};
}

Result<std::span<const kernels::KvPageRef>> LayerReader::next(const CancelFlag* cancel) {
  let_go();
  SequenceKv::Layer& layer = kv_.layers_[layer_];
  const std::span<kernels::KvPageRef> refs = layer.refs;
  if (at_end()) return std::span<const kernels::KvPageRef>();
  if (next_page_ == 0) {
    if (whole_.use(*kv_.tiers_, layer.pages, &layer.seen_epoch, refs, holds_)) {
      next_page_ = layer.pages.size();
      return std::span<const kernels::KvPageRef>(refs);
    }
  }
  const uint32_t run = kernels::kAttentionCut_tokens / kv_.shape_.layout.page_tokens;
  const size_t begin = next_page_;
  const size_t end = std::min(layer.pages.size(), begin + run - (layer.first_page + begin) % run);
  const std::span<const PageHandle> pages =
      std::span<const PageHandle>(layer.pages).subspan(begin, end - begin);
  if (looks_ahead_) kv_.look_ahead(layer_, begin);
  LEOAM_RETURN_IF_ERROR(kv_.tiers_->pin(pages, {cancel, holds_}));
  pinned_ = pages;
  ++holds_->n;
  for (size_t i = begin; i < end; ++i) refs[i].data = kv_.tiers_->data(*layer.pages[i].get());
  next_page_ = end;
  if (looks_ahead_) kv_.look_ahead(layer_, end);
  return std::span<const kernels::KvPageRef>(refs.subspan(begin, end - begin));
}

}  // namespace leoam
