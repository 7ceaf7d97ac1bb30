#include "runtime/kv/layer_selection.h"

#include <algorithm>
#include <cmath>

#include "runtime/kv/layer_compaction.h"

namespace leoam {
namespace {

// log of sum exp(score) over what was attended to.
double log_sum(const AttentionSums& sums, uint32_t head) {
  return double{sums.maximum[head]} + std::log(double{sums.sum[head]});
}

}  // namespace

LayerSelection::~LayerSelection() {
  whole_.leave();
  for (uint32_t i = 0; i < n_pinned_; ++i) {
    kv_.tiers_->unpin(pinned_[i]);
    --holds_->n;
  }
  reader_.reset();
  buffers_.chosen.clear();
  buffers_.more.clear();
}

Status LayerSelection::pin(std::span<const PageHandle> pages, const CancelFlag* cancel) {
  if (pages.empty()) return {};
  LEOAM_RETURN_IF_ERROR(kv_.tiers_->pin(pages, {cancel, holds_}, Retention::chosen));
  pinned_[n_pinned_++] = pages;
  ++holds_->n;
  return {};
}

Status LayerSelection::summarize(SequenceKv& kv, uint32_t layer, Device& device, PassHolds* holds,
                                 const CancelFlag* cancel) {
  LayerAbstracts& abstracts = kv.selector_->abstracts(layer);
  const kernels::KvLayout& layout = kv.shape_.layout;
  const std::span<const PageHandle> pages = kv.layers_[layer].pages;
  const uint64_t n_tokens = kv.n_tokens_ + kv.n_reserved_;
  const auto n_full = static_cast<uint32_t>(
      kv.codec_ == kernels::PageCodec::plain ? n_tokens / layout.page_tokens : LayerCompaction::end_page(kv));
  Status tops = abstracts.make_tops({cancel, holds});
  if (tops.kind() == ErrorKind::corrupt && abstracts.forget_damaged()) tops = {};
  if (tops.kind() == ErrorKind::no_space && kv.give_up_selecting()) return {};
  LEOAM_RETURN_IF_ERROR(std::move(tops));
  if (abstracts.n_pages() == 0 && n_full > 0 && kv.lacks_weights_)
    return Status(ErrorKind::corrupt, "the file does not say how much channels count");
  while (abstracts.n_pages() < n_full && !kv.selector_->has_given_up()) {
    const uint32_t begin = abstracts.n_pages();
    const uint32_t n =
        std::min(n_full - begin, kernels::kCodeBlock_pages - begin % kernels::kCodeBlock_pages);
    const std::span<const PageHandle> run = pages.subspan(begin, n);
    std::vector<PageAbstract>& jobs = kv.selector_->buffers.abstracts;
    jobs.clear();
    const Status room = abstracts.append(n, {cancel, holds}, &jobs);
    if (room.kind() == ErrorKind::corrupt && abstracts.forget_damaged()) continue;
    if (room.kind() == ErrorKind::no_space && kv.give_up_selecting()) return {};
    LEOAM_RETURN_IF_ERROR(room.clone());
    LEOAM_RETURN_IF_ERROR(kv.tiers_->pin(run, {cancel, holds}));
    for (uint32_t i = 0; i < n; ++i) {
      jobs[i].page = kv.tiers_->data(*run[i].get());
      jobs[i].codec = kv.layers_[layer].refs[begin + i].codec;
    }
    Status status = abstracts.make(device, jobs, kv.channel_weights(layer));
    kv.tiers_->unpin(run);
    LEOAM_RETURN_IF_ERROR(std::move(status));
  }
  LayerMasses* const masses = kv.selector_->masses(layer);
  if (!masses) return {};
  Status room = masses->grow(kv.n_tokens_ + kv.n_reserved_, {cancel, holds});
  if (room.kind() == ErrorKind::no_space && kv.give_up_selecting()) return {};
  return room;
}

SelectionQuery LayerSelection::query_of(const SequenceKv& kv, uint32_t layer, uint32_t n_heads, float scale) {
  const PolicyOptions& options = kv.selector_->options();
  const uint64_t page_tokens = kv.shape_.layout.page_tokens;
  SelectionQuery query;
  query.n_heads = n_heads;
  query.scale = scale;
  query.n_tokens = kv.n_tokens_ + kv.n_reserved_;
  const PageRange candidates = options.candidates(query.n_tokens, kv.shape_.layout.page_tokens);
  query.first_page = candidates.begin;
  query.end_page = candidates.end;
  // Of pages that are still to be made compact there are no abstracts.
  if (kv.codec_ != kernels::PageCodec::plain)
    query.end_page = std::min(query.end_page, static_cast<uint32_t>(LayerCompaction::end_page(kv)));
  query.budget_tokens = options.budget(query.n_tokens);
  const uint64_t n_fixed_tokens = query.n_tokens - (query.end_page - query.first_page) * page_tokens;
  query.n_granules =
      (query.budget_tokens - std::min(query.budget_tokens, n_fixed_tokens)) / kernels::kGranule_tokens;
  query.masses = kv.selector_->masses(layer);
  query.shares = &kv.selector_->shares;
  return query;
}

bool LayerSelection::is_worth_a_guess(const SequenceKv& kv, uint32_t layer) {
  return (kv.streams_ || kv.streams_now_) && kv.selects(layer) && kv.selector_->policy().follows_query() &&
         !kv.selector_->fixed_sums[layer].sum.empty();
}

void LayerSelection::guess(SequenceKv& kv, uint32_t layer, const float* q, uint32_t n_heads, float scale,
                           PassHolds* holds) {
  Selector& selector = *kv.selector_;
  LayerAbstracts& abstracts = selector.abstracts(layer);
  SelectionQuery query = query_of(kv, layer, n_heads, scale);
  if (!abstracts.has_tops() || abstracts.n_pages() < query.end_page) return;
  const Selector::FixedSums& fixed = selector.fixed_sums[layer];
  query.fixed = {q, fixed.maximum.data(), fixed.sum.data()};
  query.is_guess = true;
  Selection& guess = selector.buffers.guess;
  guess.heads.resize(kv.shape_.layout.n_kv_heads);
  guess.outside.resize(n_heads);
  AbstractReader reader(*kv.tiers_, abstracts, holds, nullptr, AbstractReader::Missing::refused);
  // What is wrong with them shows when they are needed.
  if (!selector.policy().select(query, reader, &guess).ok()) return;
  const std::span<const PageHandle> pages = kv.layers_[layer].pages;
  std::vector<bool>& needed = selector.buffers.needed;
  needed.assign(pages.size(), false);
  std::vector<PageHandle>& expected = selector.buffers.read;
  for (const Selection::Head& head : guess.heads)
    for (const PageGranules& page : head.granules) needed[page.page] = true;
  for (size_t page = 0; page < pages.size(); ++page)
    if (needed[page]) expected.push_back(pages[page]);
  kv.ahead_.expect(*kv.tiers_, layer, expected);
  expected.clear();
}

Status LayerSelection::begin(const CancelFlag* cancel) {
  SequenceKv::Layer& layer = kv_.layers_[layer_];
  const std::span<const PageHandle> pages = layer.pages;
  const SelectionQuery query = query_of(kv_, layer_, 0, 0);
  first_page_ = query.first_page;
  end_page_ = query.end_page;
  if (!whole_.use(*kv_.tiers_, layer.pages, &layer.seen_epoch, layer.refs, holds_)) {
    kv_.look_ahead(layer_, 0);
    LEOAM_RETURN_IF_ERROR(pin(pages.first(first_page_), cancel));
    LEOAM_RETURN_IF_ERROR(pin(pages.subspan(end_page_), cancel));
  }
  std::vector<kernels::KvPageRef>& fixed = buffers_.fixed;
  fixed.clear();
  for (size_t i = 0; i < pages.size(); ++i) {
    if (i == first_page_) i = end_page_;
    if (!whole_.in_use()) layer.refs[i].data = kv_.tiers_->data(*pages[i].get());
    fixed.push_back(layer.refs[i]);
    n_fixed_tokens_ += static_cast<uint64_t>(layer.refs[i].n_tokens);
  }
  span_.selects = true;
  span_.fixed = {fixed.data(), static_cast<uint32_t>(fixed.size())};
  return {};
}

Status LayerSelection::choose(const AttentionSums& fixed, uint32_t n_heads, float scale,
                              const CancelFlag* cancel) {
  Selector& selector = *kv_.selector_;
  SelectionQuery query = query_of(kv_, layer_, n_heads, scale);
  query.fixed = fixed;
  Selector::FixedSums& sums = selector.fixed_sums[layer_];
  sums.maximum.assign(fixed.maximum, fixed.maximum + n_heads);
  sums.sum.assign(fixed.sum, fixed.sum + n_heads);
  n_heads_ = n_heads;
  Selection& selection = buffers_.selection;
  selection.heads.resize(kv_.shape_.layout.n_kv_heads);
  selection.outside.resize(n_heads);
  reader_.emplace(*kv_.tiers_, selector.abstracts(layer_), holds_, cancel);
  const uint64_t begun_us = steady_us();
  LEOAM_RETURN_IF_ERROR(forget_if_damaged(selector.policy().select(query, *reader_, &selection)));
  selector.statistics.evaluating_us += steady_us() - begun_us;
  return place(&buffers_.chosen, cancel);
}

Status LayerSelection::forget_if_damaged(Status status) {
  if (status.kind() != ErrorKind::corrupt) return status;
  reader_.reset();
  kv_.selector_->abstracts_lost = kv_.selector_->abstracts(layer_).forget_damaged();
  return status;
}

Status LayerSelection::place(std::vector<PageHandle>* pages, const CancelFlag* cancel) {
  const Selection& selection = buffers_.selection;
  SequenceKv::Layer& layer = kv_.layers_[layer_];
  std::vector<bool>& needed = buffers_.needed;
  if (!widened_) needed.assign(layer.refs.size(), false);
  n_chosen_tokens_ = 0;
  pages->clear();
  for (const Selection::Head& head : selection.heads) {
    n_chosen_tokens_ += head.n_tokens;
    for (const PageGranules& page : head.granules) {
      if (needed[page.page]) continue;
      needed[page.page] = true;
      if (!whole_.in_use()) pages->push_back(layer.pages[page.page]);
    }
  }
  std::ranges::sort(*pages, {}, [](const PageHandle& page) { return page->number; });
  LEOAM_RETURN_IF_ERROR(pin(*pages, cancel));
  for (const PageHandle& page : *pages)
    layer.refs[page->number - layer.first_page].data = kv_.tiers_->data(*page.get());
  const size_t n_heads = selection.heads.size();
  buffers_.granules.resize(n_heads);
  buffers_.heads.resize(n_heads);
  for (size_t h = 0; h < n_heads; ++h) {
    const Selection::Head& head = selection.heads[h];
    std::vector<kernels::KvGranules>& granules = buffers_.granules[h];
    granules.clear();
    for (const PageGranules& page : head.granules)
      granules.push_back({layer.refs[page.page].data, page.mask, layer.refs[page.page].codec});
    buffers_.heads[h] = {granules, head.token_masks, head.estimates, head.rests, head.log_units.data()};
  }
  span_.heads = buffers_.heads;
  return {};
}

double LayerSelection::coverage(const AttentionSums& sums, uint32_t head) const {
  return 1 / (1 + std::exp(double{buffers_.selection.outside[head]} - log_sum(sums, head)));
}

void LayerSelection::add_to_total(SequenceKv& kv, const AttentionSums& part, uint32_t n_heads) {
  std::vector<double>& total = kv.selector_->buffers.total;
  total.resize(n_heads, -INFINITY);
  for (uint32_t head = 0; head < n_heads; ++head) {
    const double one = log_sum(part, head);
    const double greatest = std::max(total[head], one);
    if (greatest > -INFINITY)
      total[head] = greatest + std::log(std::exp(total[head] - greatest) + std::exp(one - greatest));
  }
}

HeadAttention LayerSelection::figures(const AttentionSums& sums, uint32_t head, double coverage) const {
  const uint32_t group = n_heads_ / kv_.shape_.layout.n_kv_heads;
  const uint64_t n_tokens = n_fixed_tokens_ + buffers_.selection.heads[head / group].n_tokens;
  HeadAttention figures;
  figures.coverage = static_cast<float>(coverage);
  figures.attended_share = static_cast<float>(static_cast<double>(n_tokens) /
                                              static_cast<double>(kv_.n_tokens_ + kv_.n_reserved_));
  // Summed up in another order, all of it may come to a little less than a part.
  figures.captured =
      buffers_.total.empty()
          ? -1.0f
          : static_cast<float>(std::min(1.0, std::exp(log_sum(sums, head) - buffers_.total[head])));
  return figures;
}

bool LayerSelection::is_too_narrow(const AttentionSums& sums) {
  const double floor = kv_.selector_->options().coverage_floor;
  bool narrow = false;
  buffers_.inside.resize(n_heads_);
  for (uint32_t head = 0; head < n_heads_; ++head) {
    buffers_.inside[head] = static_cast<float>(log_sum(sums, head));
    narrow = narrow || coverage(sums, head) < floor;
  }
  return narrow;
}

Status LayerSelection::widen(const CancelFlag* cancel) {
  Selector& selector = *kv_.selector_;
  widened_ = true;
  LEOAM_RETURN_IF_ERROR(forget_if_damaged(selector.policy().widen(
      buffers_.inside, selector.options().coverage_floor, *reader_, &buffers_.selection)));
  return place(&buffers_.more, cancel);
}

void LayerSelection::list_masses(LayerMasses& masses, std::vector<kernels::AttentionMassPage>* out) const {
  const std::span<const kernels::KvPageRef> refs = kv_.layers_[layer_].refs;
  for (uint32_t page = 0; page < refs.size(); ++page)
    if (page < first_page_ || page >= end_page_ || buffers_.needed[page])
      masses.list(refs.subspan(page, 1), out);
}

void LayerSelection::certify(const AttentionSums& sums) {
  Selector& selector = *kv_.selector_;
  const uint64_t n_tokens = kv_.n_tokens_ + kv_.n_reserved_;
  SelectionStatistics& statistics = selector.statistics;
  selector.heads.resize(kv_.layers_.size() * n_heads_);
  double total = 0;
  double captured = 0;
  for (uint32_t head = 0; head < n_heads_; ++head) {
    const double one = coverage(sums, head);
    const HeadAttention& known = selector.heads[size_t{layer_} * n_heads_ + head] = figures(sums, head, one);
    statistics.least_coverage = std::min(statistics.least_coverage, one);
    total += one;
    captured += known.captured;
  }
  statistics.coverage += total / n_heads_;
  if (!buffers_.total.empty()) {
    statistics.captured += captured / n_heads_;
    ++statistics.n_audited;
  }
  ++statistics.n_selections;
  statistics.n_attended_tokens += n_fixed_tokens_ + n_chosen_tokens_ / kv_.shape_.layout.n_kv_heads;
  statistics.n_context_tokens += n_tokens;
  statistics.n_chunks_evaluated += buffers_.selection.n_chunks_evaluated;
  statistics.n_pages_needed +=
      static_cast<uint64_t>(std::count(buffers_.needed.begin(), buffers_.needed.end(), true)) +
      buffers_.fixed.size();
  statistics.n_widened += widened_ ? 1 : 0;

  if (whole_.in_use()) return;
  // Not what is still being filled: whoever writes it wants to be its only owner.
  std::vector<PageHandle>& needed = buffers_.read;
  const std::span<const PageHandle> pages = kv_.layers_[layer_].pages;
  const size_t n_full = n_tokens / kv_.shape_.layout.page_tokens;
  needed.assign(pages.begin(), pages.begin() + first_page_);
  needed.insert(needed.end(), pages.begin() + end_page_, pages.begin() + static_cast<std::ptrdiff_t>(n_full));
  reader_->append_held(&needed);
  const uint32_t n_full_blocks = selector.abstracts(layer_).n_pages() / kernels::kCodeBlock_pages;
  std::erase_if(needed, [&](const PageHandle& page) {
    return page->stream.home == Home::ram && page->number >= n_full_blocks;
  });
  needed.insert(needed.end(), buffers_.chosen.begin(), buffers_.chosen.end());
  needed.insert(needed.end(), buffers_.more.begin(), buffers_.more.end());
  statistics.n_pages_fetched += needed.size();
  statistics.n_pages_guessed += kv_.ahead_.selected(*kv_.tiers_, layer_, needed);
  needed.clear();
}

}  // namespace leoam
