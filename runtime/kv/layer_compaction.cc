#include "runtime/kv/layer_compaction.h"

#include <algorithm>

namespace leoam {

size_t LayerCompaction::end_page(const SequenceKv& kv) {
  const uint64_t n = kv.n_tokens_ + 1;
  return static_cast<size_t>((n - std::min<uint64_t>(n, kPlainWindow_tokens)) / kv.shape_.layout.page_tokens);
}

Status LayerCompaction::run(SequenceKv& kv, uint32_t index, Device& device, PassHolds* holds,
                            const CancelFlag* cancel) {
  if (kv.codec_ == kernels::PageCodec::plain || kv.shape_.windows[index] != 0) return {};
  SequenceKv::Layer& layer = kv.layers_[index];
  const uint64_t page_tokens = kv.shape_.layout.page_tokens;
  const size_t end = end_page(kv);
  const auto is_plain = [&](size_t page) { return layer.refs[page].codec == kernels::PageCodec::plain; };
  size_t page = std::max<size_t>(layer.compact_end, (kPlainSink_tokens + page_tokens - 1) / page_tokens);
  while (page < end) {
    const size_t begin = page;
    if (is_plain(begin)) {
      while (page < end && page - begin < kRunPages && is_plain(page)) ++page;
      Status status = encode(kv, index, begin, page, device, {cancel, holds});
      if (status.kind() == ErrorKind::no_space) return {};
      LEOAM_RETURN_IF_ERROR(std::move(status));
    } else {
      ++page;
    }
    layer.compact_end = static_cast<uint32_t>(page);
  }
  return {};
}

Status LayerCompaction::encode(SequenceKv& kv, uint32_t index, size_t begin, size_t end, Device& device,
                               const Tiers::Wait& wait) {
  SequenceKv::Layer& layer = kv.layers_[index];
  const kernels::PageCodec codec = kv.codec_;
  const std::span<const PageHandle> plain =
      std::span<const PageHandle>(layer.pages).subspan(begin, end - begin);
  const auto bytes = static_cast<uint32_t>(kernels::page_bytes(kv.shape_.layout, codec));
  const auto number = static_cast<uint32_t>(begin);
  LEOAM_RETURN_IF_ERROR(kv.tiers_->pin(plain, wait));
  ++wait.own->n;
  std::vector<PageHandle> compact;
  Status status = kv.tiers_->create(kv.stream_of(index, codec), number, bytes, plain.size(), wait, &compact);
  std::vector<PageCompaction> jobs;
  if (status.ok()) {
    for (size_t i = 0; i < plain.size(); ++i)
      jobs.push_back({kv.tiers_->data(*plain[i].get()), kv.tiers_->data(*compact[i].get()), codec});
    status = device.compact(kv.shape_.layout, jobs);
  }
  kv.tiers_->unpin(plain);
  --wait.own->n;
  LEOAM_RETURN_IF_ERROR(std::move(status));
  kv.tiers_->seal(compact);
  for (size_t i = 0; i < jobs.size(); ++i)
    if (jobs[i].encoded) kv.replace(layer, begin + i, std::move(compact[i]), codec);
  return {};
}

}  // namespace leoam
