#include "runtime/kv/block_selection.h"

#include <algorithm>
#include <numeric>

#include "kernels/attention/attention.h"
#include "runtime/kv/policy/block_scores.h"

namespace leoam {

BlockSelection::~BlockSelection() {
  let_go();
  if (n_wanted_ > n_read_)
    kv_.tiers_->unwant(std::span<const PageHandle>(pages_).subspan(n_read_, n_wanted_ - n_read_));
}

void BlockSelection::let_go() {
  if (pinned_.empty()) return;
  kv_.tiers_->unpin(pinned_);
  --holds_->n;
  pinned_ = {};
}

Status BlockSelection::choose(const float* q, uint32_t n_heads, float scale, const CancelFlag* cancel) {
  Selector& selector = *kv_.selector_;
  SequenceKv::Layer& layer = kv_.layers_[layer_];
  const PolicyOptions& options = selector.options();
  const uint32_t page_tokens = kv_.shape_.layout.page_tokens;
  // All of it follows from where the piece begins, not from how long it is.
  const uint64_t n_before = kv_.n_tokens_;
  BlockQuery query;
  query.q = q;
  query.n_tokens = static_cast<uint32_t>(kv_.n_reserved_);
  query.n_heads = n_heads;
  query.scale = scale;
  query.first_position = n_before;
  const PageRange candidates = options.candidates(n_before, page_tokens);
  query.first_page = first_page_ = candidates.begin;
  query.end_page = end_page_ = candidates.end;
  const uint64_t budget = options.budget(n_before);
  query.n_pages = static_cast<uint32_t>(
      (budget - std::min(budget, options.n_fixed_tokens(n_before)) + page_tokens - 1) / page_tokens);
  n_blocks_ = query.n_blocks();
  reader_.emplace(*kv_.tiers_, selector.abstracts(layer_), holds_, cancel);
  Status status = selector.block_scores().choose(query, *reader_, &chosen_);
  if (status.ok() && options.estimates) status = estimate();
  if (status.kind() == ErrorKind::corrupt) {
    reader_.reset();
    selector.abstracts_lost = selector.abstracts(layer_).forget_damaged();
  }
  LEOAM_RETURN_IF_ERROR(std::move(status));
  needed_.assign(layer.pages.size(), true);
  std::fill(needed_.begin() + first_page_, needed_.begin() + end_page_, false);
  for (const std::vector<uint32_t>& list : chosen_)
    for (const uint32_t page : list) needed_[page] = true;
  places_.assign(chosen_.size(), 0);
  if (whole_.use(*kv_.tiers_, layer.pages, &layer.seen_epoch, layer.refs, holds_)) return {};
  kv_.look_ahead(layer_, 0);
  for (size_t page = 0; page < needed_.size(); ++page)
    if (needed_[page]) pages_.push_back(layer.pages[page]);
  return {};
}

Status BlockSelection::estimate() {
  const LayerAbstracts& abstracts = reader_->abstracts();
  const auto page_tokens = static_cast<float>(kv_.shape_.layout.page_tokens);
  const uint32_t n_kv_heads = kv_.shape_.layout.n_kv_heads;
  std::vector<uint32_t> blocks((end_page_ + kernels::kCodeBlock_pages - 1) / kernels::kCodeBlock_pages);
  std::iota(blocks.begin(), blocks.end(), 0u);
  LEOAM_RETURN_IF_ERROR(reader_->hold(AbstractPart::records, blocks));
  estimates_.resize(chosen_.size());
  for (size_t i = 0; i < chosen_.size(); ++i) {
    const std::vector<uint32_t>& chosen = chosen_[i];
    const auto kv_head = static_cast<uint32_t>(i) % n_kv_heads;
    size_t at = 0;
    for (uint32_t page = first_page_; page < end_page_;) {
      // Of whole chunks one record, at the edges one a page.
      const bool whole = page % Chunk::kChildren == 0 && page + Chunk::kChildren <= end_page_;
      const Chunk chunk = whole ? Chunk{1, page / Chunk::kChildren} : Chunk{0, page};
      page += chunk.n_pages();
      uint32_t n_left = chunk.n_pages();
      for (; at < chosen.size() && chosen[at] < page; ++at) --n_left;
      if (n_left > 0)
        estimates_[i].push_back({abstracts.record(chunk, kv_head), static_cast<float>(n_left) * page_tokens});
    }
  }
  return {};
}

Status BlockSelection::bring(const CancelFlag* cancel) {
  let_go();
  begin_ = end_;
  const auto n_pages = static_cast<uint32_t>(needed_.size());
  if (whole_.in_use()) {
    end_ = n_pages;
    return {};
  }
  // Runs end where attention may be cut, and hold no more in place than those of everything.
  const uint32_t group = kernels::kAttentionCut_tokens / kv_.shape_.layout.page_tokens;
  size_t n = 0;
  while (end_ < n_pages) {
    const uint32_t end = std::min(n_pages, end_ + group);
    const auto more = static_cast<size_t>(std::count(needed_.begin() + end_, needed_.begin() + end, true));
    if (n > 0 && n + more > group) break;
    n += more;
    end_ = end;
  }
  if (n == 0) return {};
  const std::span<const PageHandle> pages(pages_);
  pinned_ = pages.subspan(n_read_, n);
  const Status status = kv_.tiers_->pin(pinned_, {cancel, holds_}, Retention::chosen);
  if (!status.ok()) {
    pinned_ = {};
    return status.clone();
  }
  ++holds_->n;
  n_read_ += n;
  // What comes next is on its way while this is attended to.
  const size_t n_ahead = kv_.tiers_->ahead_bytes() / kv_.page_bytes();
  const size_t wanted = std::min(pages.size(), n_read_ + n_ahead);
  n_wanted_ = std::max(n_wanted_, n_read_);
  if (wanted > n_wanted_) {
    uint64_t started_bytes = 0;
    n_wanted_ += kv_.tiers_->want(pages.subspan(n_wanted_, wanted - n_wanted_), &started_bytes);
  }
  SequenceKv::Layer& layer = kv_.layers_[layer_];
  for (uint32_t page = begin_; page < end_; ++page)
    if (needed_[page]) layer.refs[page].data = kv_.tiers_->data(*layer.pages[page].get());
  return {};
}

void BlockSelection::list_pages(std::span<const uint32_t> chosen, size_t* at) {
  const std::span<const kernels::KvPageRef> refs = kv_.layers_[layer_].refs;
  for (uint32_t page = begin_; page < std::min(end_, first_page_); ++page) refs_.push_back(refs[page]);
  for (; *at < chosen.size() && chosen[*at] < end_; ++*at) refs_.push_back(refs[chosen[*at]]);
  for (uint32_t page = std::max(begin_, end_page_); page < end_; ++page) refs_.push_back(refs[page]);
}

Result<LayerPages> BlockSelection::next(const CancelFlag* cancel) {
  if (at_end()) return LayerPages();
  LEOAM_RETURN_IF_ERROR(bring(cancel));
  refs_.clear();
  lists_.resize(chosen_.size());
  for (size_t i = 0; i < chosen_.size(); ++i) {
    const size_t before = refs_.size();
    list_pages(chosen_[i], &places_[i]);
    lists_[i].n_pages = static_cast<uint32_t>(refs_.size() - before);
    if (at_end() && !estimates_.empty()) lists_[i].estimates = estimates_[i];
  }
  const kernels::KvPageRef* pages = refs_.data();
  for (LayerPages& list : lists_) {
    list.pages = pages;
    pages += list.n_pages;
  }
  LayerPages all;
  all.lists = lists_.data();
  all.n_lists = static_cast<uint32_t>(lists_.size());
  return all;
}

void BlockSelection::finish() {
  const uint64_t page_tokens = kv_.shape_.layout.page_tokens;
  const uint32_t n_kv_heads = kv_.shape_.layout.n_kv_heads;
  SelectionStatistics& statistics = kv_.selector_->statistics;
  uint64_t n_chosen = 0;
  for (const std::vector<uint32_t>& list : chosen_) n_chosen += list.size();
  const uint64_t left_out = uint64_t{end_page_ - first_page_} * page_tokens;
  uint64_t n_context_tokens = 0;
  for (uint32_t block = 1; block <= n_blocks_; ++block)
    n_context_tokens += kv_.n_tokens_ + std::min<uint64_t>(kv_.n_reserved_, block * kQueryBlock_tokens);
  statistics.n_prefill_context_tokens += n_context_tokens;
  statistics.n_prefill_attended_tokens +=
      n_context_tokens - left_out * n_blocks_ + n_chosen * page_tokens / n_kv_heads;
  if (whole_.in_use()) return;
  // Not what is still being filled: whoever writes it wants to be its only owner.
  const uint64_t n_full = (kv_.n_tokens_ + kv_.n_reserved_) / page_tokens;
  std::span<const PageHandle> pages(pages_);
  while (!pages.empty() && pages.back()->number >= n_full) pages = pages.first(pages.size() - 1);
  (void)kv_.ahead_.selected(*kv_.tiers_, layer_, pages);
}

}  // namespace leoam
