#include "runtime/kv/layer_abstracts.h"

#include <algorithm>
#include <cstring>

namespace leoam {

Status LayerAbstracts::make_writable(uint32_t index, const TakeRoom& take_room) {
  if (index < blocks_.size() && blocks_[index].use_count() == 1) return {};
  auto block = std::make_shared<Block>();
  LEOAM_ASSIGN_OR_RETURN(block->room, take_room(block_bytes()));
  LEOAM_ASSIGN_OR_RETURN(block->memory, AlignedBuffer::allocate(block_bytes()));
  if (index == blocks_.size()) {
    blocks_.push_back(std::move(block));
  } else {
    std::memcpy(block->memory.data(), blocks_[index]->memory.data(), block_bytes());
    blocks_[index] = std::move(block);
  }
  return {};
}

Status LayerAbstracts::append(uint32_t n, const TakeRoom& take_room, std::vector<PageAbstract>* out) {
  const size_t width = size_t{codes_.n_kv_heads} * codes_.head_dim;
  new_ranges_.resize(n * width);
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t page = n_pages_ + i;
    const uint32_t block = page / kernels::kCodeBlock_pages;
    LEOAM_RETURN_IF_ERROR(make_writable(block, take_room));
    PageAbstract abstract;
    abstract.codes = blocks_[block]->memory.data();
    abstract.slot = page % kernels::kCodeBlock_pages;
    abstract.records = const_cast<uint8_t*>(record(page, 0));
    abstract.head_stride = record_stride();
    abstract.ranges = &new_ranges_[i * width];
    out->push_back(abstract);
  }
  return {};
}

void LayerAbstracts::commit(uint32_t n) {
  const size_t width = size_t{codes_.n_kv_heads} * codes_.head_dim;
  ranges_.resize(width);
  for (uint32_t i = 0; i < n; ++i) {
    const float weight = 1.0f / static_cast<float>(++n_ranges_);
    for (size_t k = 0; k < width; ++k) ranges_[k] += (new_ranges_[i * width + k] - ranges_[k]) * weight;
  }
  n_pages_ += n;
}

void LayerAbstracts::truncate(uint32_t n) {
  n_pages_ = std::min(n_pages_, n);
  blocks_.resize(std::min<size_t>(blocks_.size(), n_blocks()));
}

}  // namespace leoam
