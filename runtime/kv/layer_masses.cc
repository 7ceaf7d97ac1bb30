#include "runtime/kv/layer_masses.h"

#include <algorithm>
#include <cstring>

namespace leoam {

Result<std::unique_ptr<LayerMasses>> LayerMasses::copy() const {
  auto copy = std::make_unique<LayerMasses>(*tiers_, layout_);
  LEOAM_RETURN_IF_ERROR(copy->grow(uint64_t{blocks_.size()} * kBlock_tokens, {}));
  for (size_t i = 0; i < blocks_.size(); ++i)
    std::memcpy(copy->blocks_[i].memory.data(), blocks_[i].memory.data(), block_bytes());
  return copy;
}

Status LayerMasses::grow(uint64_t n_tokens, const Tiers::Wait& wait) {
  while (uint64_t{blocks_.size()} * kBlock_tokens < n_tokens) {
    Block block;
    LEOAM_ASSIGN_OR_RETURN(block.room, tiers_->share(block_bytes(), wait));
    LEOAM_ASSIGN_OR_RETURN(block.memory, AlignedBuffer::allocate(block_bytes()));
    blocks_.push_back(std::move(block));
  }
  return {};
}

void LayerMasses::truncate(uint64_t n_tokens) {
  const uint64_t n_blocks = (n_tokens + kBlock_tokens - 1) / kBlock_tokens;
  if (n_blocks < blocks_.size())
    blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(n_blocks), blocks_.end());
  const size_t kept = n_tokens % kBlock_tokens;
  if (kept == 0 || n_blocks > blocks_.size()) return;
  for (uint32_t head = 0; head < layout_.n_kv_heads; ++head)
    std::fill_n(blocks_.back().memory.as<float>() + size_t{head} * kBlock_tokens + kept, kBlock_tokens - kept,
                0.0f);
}

void LayerMasses::list(std::span<const kernels::KvPageRef> pages,
                       std::vector<kernels::AttentionMassPage>* out) {
  for (const kernels::KvPageRef& page : pages)
    out->push_back({page, of_page(0, static_cast<uint32_t>(page.first_position) / layout_.page_tokens)});
}

}  // namespace leoam
