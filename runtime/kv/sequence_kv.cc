#include "runtime/kv/sequence_kv.h"

#include <algorithm>
#include <cstring>

namespace leoam {

SequenceKv::SequenceKv(PagePool& pool, KvShape shape, uint64_t capacity_tokens)
    : pool_(&pool), shape_(std::move(shape)), layers_(shape_.windows.size()) {
  const size_t n_pages = static_cast<size_t>(page_count(capacity_tokens));
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (shape_.windows[i] != 0) continue;
    layers_[i].pages.reserve(n_pages);
    layers_[i].refs.reserve(n_pages);
  }
  fresh_.reserve(2 * layers_.size());
}

uint64_t SequenceKv::visible_bytes() const {
  const uint64_t token_bytes = shape_.layout.page_bytes() / shape_.layout.page_tokens;
  uint64_t bytes = 0;
  for (const uint32_t window : shape_.windows)
    bytes += token_bytes * (window ? std::min<uint64_t>(window, n_tokens_) : n_tokens_);
  return bytes;
}

bool SequenceKv::tail_is_shared(const Layer& layer) const {
  return n_tokens_ % shape_.layout.page_tokens != 0 && !layer.pages.back().unique();
}

Status SequenceKv::reserve(uint32_t n) {
  const kernels::KvLayout& layout = shape_.layout;
  if (n_reserved_ != 0)
    return error(ErrorKind::internal, "reserve: {} tokens are still reserved", n_reserved_);
  const uint64_t end = n_tokens_ + n;
  if (end > INT32_MAX)
    return error(ErrorKind::invalid_argument, "n_tokens: at most {}, found {}", INT32_MAX, end);
  const uint64_t added = page_count(end) - page_count(n_tokens_);
  size_t wanted = 0;
  for (const Layer& layer : layers_) wanted += added + (tail_is_shared(layer) ? 1 : 0);
  fresh_.clear();
  if (wanted > 0)
    LEOAM_RETURN_IF_ERROR(pool_->allocate(static_cast<uint32_t>(layout.page_bytes()), wanted, &fresh_));
  size_t next = 0;
  for (Layer& layer : layers_) {
    if (tail_is_shared(layer)) {
      PageHandle& copy = fresh_[next++];
      std::memcpy(copy.data(), layer.pages.back().data(), layout.page_bytes());
      layer.pages.back() = std::move(copy);
      layer.refs.back().data = layer.pages.back().data();
    }
    for (uint64_t i = 0; i < added; ++i) {
      const uint64_t number = layer.first_page + layer.pages.size();
      layer.pages.push_back(std::move(fresh_[next++]));
      layer.refs.push_back({layer.pages.back().data(), static_cast<int32_t>(number * layout.page_tokens), 0});
    }
  }
  fresh_.clear();
  n_reserved_ = n;
  n_pages_ += added * layers_.size();
  cut(end);
  return {};
}

void SequenceKv::cut(uint64_t n) {
  const uint64_t page_tokens = shape_.layout.page_tokens;
  for (Layer& layer : layers_) {
    const size_t keep = static_cast<size_t>(page_count(n) - std::min(page_count(n), layer.first_page));
    n_pages_ -= layer.pages.size() - keep;
    layer.pages.erase(layer.pages.begin() + static_cast<std::ptrdiff_t>(keep), layer.pages.end());
    layer.refs.resize(keep);
    // Pages before the old and the new tail are full already.
    const uint64_t first_changed = std::min(n, n_tokens_) / page_tokens;
    for (size_t i = first_changed - std::min(first_changed, layer.first_page); i < keep; ++i) {
      const uint64_t first = static_cast<uint64_t>(layer.refs[i].first_position);
      layer.refs[i].n_tokens = static_cast<int32_t>(std::min(page_tokens, n - first));
    }
    if (n == 0) layer.first_page = 0;
  }
}

void SequenceKv::drop_out_of_window(Layer& layer, uint32_t window) {
  // The next query stands at n_tokens_ and sees from n_tokens_ - window + 1 on.
  if (n_tokens_ < window) return;
  const uint64_t first_needed = (n_tokens_ - window + 1) / shape_.layout.page_tokens;
  if (first_needed <= layer.first_page) return;
  const size_t dropped =
      std::min<size_t>(static_cast<size_t>(first_needed - layer.first_page), layer.pages.size());
  layer.pages.erase(layer.pages.begin(), layer.pages.begin() + static_cast<std::ptrdiff_t>(dropped));
  layer.refs.erase(layer.refs.begin(), layer.refs.begin() + static_cast<std::ptrdiff_t>(dropped));
  layer.first_page += dropped;
  n_pages_ -= dropped;
}

void SequenceKv::commit() {
  n_tokens_ += n_reserved_;
  n_reserved_ = 0;
  for (size_t i = 0; i < layers_.size(); ++i)
    if (shape_.windows[i] != 0) drop_out_of_window(layers_[i], shape_.windows[i]);
}

void SequenceKv::rollback() {
  n_reserved_ = 0;
  cut(n_tokens_);
}

Status SequenceKv::truncate(uint64_t n) {
  if (n > n_tokens_)
    return error(ErrorKind::invalid_argument, "n_tokens: at most {}, found {}", n_tokens_, n);
  for (size_t i = 0; i < layers_.size() && n > 0; ++i) {
    const uint64_t window = shape_.windows[i];
    const uint64_t first_needed = window && n >= window ? (n - window + 1) / shape_.layout.page_tokens : 0;
    if (window && first_needed < layers_[i].first_page)
      return error(ErrorKind::unsupported,
                   "n_tokens: layer {} has a sliding window of {} tokens and has dropped what token {} needs",
                   i, window, n);
  }
  cut(n);
  n_tokens_ = n;
  return {};
}

}  // namespace leoam
