#include "runtime/kv/sequence_kv.h"

#include <algorithm>

namespace leoam {

SequenceKv::SequenceKv(Tiers& tiers, KvShape shape, uint64_t capacity_tokens,
                       std::unique_ptr<Selector> selector)
    : tiers_(&tiers),
      shape_(std::move(shape)),
      selector_(std::move(selector)),
      layers_(shape_.windows.size()),
      ahead_(static_cast<uint32_t>(shape_.windows.size()), layers_ahead()) {
  const size_t n_pages = static_cast<size_t>(page_count(capacity_tokens));
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (shape_.windows[i] != 0) continue;
    layers_[i].pages.reserve(n_pages);
    layers_[i].refs.reserve(n_pages);
  }
}

SequenceKv::SequenceKv(const SequenceKv& other)
    : tiers_(other.tiers_),
      shape_(other.shape_),
      selector_(other.selector_ ? std::make_unique<Selector>(*other.selector_) : nullptr),
      weights_(other.weights_),
      lacks_weights_(other.lacks_weights_),
      layers_(other.layers_),
      n_tokens_(other.n_tokens_),
      n_pages_(other.n_pages_),
      codec_(other.codec_),
      saved_bytes_(other.saved_bytes_),
      ahead_(static_cast<uint32_t>(other.layers_.size()), layers_ahead()) {
  forget_weights(n_tokens_);
  for (size_t i = 0; i < layers_.size(); ++i) {
    layers_[i].pages.reserve(other.layers_[i].pages.capacity());
    layers_[i].refs.reserve(other.layers_[i].refs.capacity());
  }
}

SequenceKv::~SequenceKv() {
  ahead_.forget_guesses(*tiers_);
}

uint64_t SequenceKv::resident_bytes() const {
  uint64_t bytes = 0;
  for (const Layer& layer : layers_) bytes += tiers_->resident_bytes(layer.pages);
  return bytes;
}

uint64_t SequenceKv::visible_bytes() const {
  const uint64_t token_bytes = shape_.layout.page_bytes() / shape_.layout.page_tokens;
  uint64_t bytes = 0;
  for (const uint32_t window : shape_.windows)
    bytes += token_bytes * (window ? std::min<uint64_t>(window, n_tokens_) : n_tokens_);
  return bytes - saved_bytes_;
}

Status SequenceKv::reserve(uint32_t n) {
  if (n_reserved_ != 0)
    return error(ErrorKind::internal, "reserve: {} tokens are still reserved", n_reserved_);
  if (n_tokens_ + n > INT32_MAX)
    return error(ErrorKind::invalid_argument, "n_tokens: at most {}, found {}", INT32_MAX, n_tokens_ + n);
  n_reserved_ = n;
  if (selector_) selector_->begin_step(n_tokens_, n);
  return {};
}

Status SequenceKv::open_layer(uint32_t index, const Tiers::Wait& wait) {
  Status status = try_open_layer(index, wait);
  if (status.kind() == ErrorKind::no_space && give_up_selecting()) status = try_open_layer(index, wait);
  return status;
}

bool SequenceKv::give_up_selecting() {
  if (!selector_ || selector_->has_given_up() || tiers_->fails_to_move_down()) return false;
  selector_->give_up();
  return true;
}

Status SequenceKv::try_open_layer(uint32_t index, const Tiers::Wait& wait) {
  Layer& layer = layers_[index];
  const uint64_t page_tokens = shape_.layout.page_tokens;
  const uint64_t end = n_tokens_ + n_reserved_;
  if (n_tokens_ % page_tokens != 0) {
    LEOAM_RETURN_IF_ERROR(tiers_->open_for_writing(&layer.pages.back(), wait));
    layer.refs.back().data = tiers_->data(*layer.pages.back().get());
  }
  const size_t before = layer.pages.size();
  const uint64_t added = page_count(end) - page_count(n_tokens_);
  if (added > 0) {
    const uint32_t first = layer.first_page + static_cast<uint32_t>(before);
    LEOAM_RETURN_IF_ERROR(
        tiers_->create({index}, first, page_bytes(), static_cast<size_t>(added), wait, &layer.pages));
    for (size_t i = before; i < layer.pages.size(); ++i) {
      const uint64_t number = layer.first_page + i;
      layer.refs.push_back(
          {tiers_->data(*layer.pages[i].get()), static_cast<int32_t>(number * page_tokens), 0});
    }
    n_pages_ += added;
  }
  set_counts(layer, n_tokens_, end);
  return {};
}

std::span<const kernels::KvPageRef> SequenceKv::append_pages(uint32_t index) const {
  const Layer& layer = layers_[index];
  const size_t first = static_cast<size_t>(n_tokens_ / shape_.layout.page_tokens - layer.first_page);
  return std::span<const kernels::KvPageRef>(layer.refs).subspan(first);
}

void SequenceKv::close_layer(uint32_t index) {
  const Layer& layer = layers_[index];
  const size_t first = static_cast<size_t>(n_tokens_ / shape_.layout.page_tokens - layer.first_page);
  const size_t full =
      static_cast<size_t>((n_tokens_ + n_reserved_) / shape_.layout.page_tokens - layer.first_page);
  if (full > first) tiers_->seal(std::span<const PageHandle>(layer.pages).subspan(first, full - first));
  if (streams_ || streams_now_) ahead_.look(*tiers_, index + 1, 0);
}

void SequenceKv::set_counts(Layer& layer, uint64_t first_changed_token, uint64_t n) {
  const uint64_t page_tokens = shape_.layout.page_tokens;
  const uint64_t first_changed = first_changed_token / page_tokens;
  for (size_t i = first_changed - std::min<uint64_t>(first_changed, layer.first_page); i < layer.refs.size();
       ++i) {
    const uint64_t first = static_cast<uint64_t>(layer.refs[i].first_position);
    layer.refs[i].n_tokens = static_cast<int32_t>(std::min(page_tokens, n - first));
  }
}

void SequenceKv::cut(Layer& layer, uint64_t n) {
  const size_t keep =
      static_cast<size_t>(page_count(n) - std::min<uint64_t>(page_count(n), layer.first_page));
  if (keep < layer.pages.size()) {
    n_pages_ -= layer.pages.size() - keep;
    for (size_t i = keep; i < layer.refs.size(); ++i) saved_bytes_ -= saved_bytes(layer.refs[i].codec);
    layer.compact_end = static_cast<uint32_t>(std::min<size_t>(layer.compact_end, keep));
    layer.pages.erase(layer.pages.begin() + static_cast<std::ptrdiff_t>(keep), layer.pages.end());
    layer.refs.resize(keep);
  }
  set_counts(layer, n, n);
  if (n == 0) layer.first_page = 0;
  if (selector_) selector_->truncate(static_cast<uint32_t>(&layer - layers_.data()), n);
}

void SequenceKv::drop_out_of_window(Layer& layer, uint32_t window) {
  // The next query stands at n_tokens_ and sees from n_tokens_ - window + 1 on.
  if (n_tokens_ < window) return;
  const uint64_t first_needed = (n_tokens_ - window + 1) / shape_.layout.page_tokens;
  if (first_needed <= layer.first_page) return;
  ahead_.stop(*tiers_);
  const size_t dropped =
      std::min<size_t>(static_cast<size_t>(first_needed - layer.first_page), layer.pages.size());
  layer.pages.erase(layer.pages.begin(), layer.pages.begin() + static_cast<std::ptrdiff_t>(dropped));
  layer.refs.erase(layer.refs.begin(), layer.refs.begin() + static_cast<std::ptrdiff_t>(dropped));
  layer.first_page += static_cast<uint32_t>(dropped);
  layer.seen_epoch = 0;
  n_pages_ -= dropped;
}

void SequenceKv::replace(Layer& layer, size_t index, PageHandle page, kernels::PageCodec codec) {
  kernels::KvPageRef& ref = layer.refs[index];
  saved_bytes_ += saved_bytes(codec);
  saved_bytes_ -= saved_bytes(ref.codec);
  ref.codec = codec;
  layer.seen_epoch = 0;
  ahead_.replace(static_cast<uint32_t>(&layer - layers_.data()), *layer.pages[index].get(), page);
  layer.pages[index] = std::move(page);
}

void SequenceKv::commit() {
  if (selector_) selector_->end_step();
  n_tokens_ += n_reserved_;
  n_reserved_ = 0;
  ahead_.next_pass();
  streams_ = streams_now_;
  streams_now_ = false;
  for (size_t i = 0; i < layers_.size(); ++i)
    if (shape_.windows[i] != 0) drop_out_of_window(layers_[i], shape_.windows[i]);
}

void SequenceKv::rollback() {
  n_reserved_ = 0;
  forget_weights(n_tokens_);
  ahead_.next_pass();
  ahead_.forget_guesses(*tiers_);
  for (Layer& layer : layers_) cut(layer, n_tokens_);
}

kernels::PageCodec SequenceKv::newest_codec() const {
  for (const Layer& layer : layers_) {
    const auto is_compact = [](const kernels::KvPageRef& ref) {
      return ref.codec != kernels::PageCodec::plain;
    };
    const auto last = std::find_if(layer.refs.rbegin(), layer.refs.rend(), is_compact);
    if (last != layer.refs.rend()) return last->codec;
  }
  return kernels::PageCodec::plain;
}

uint64_t SequenceKv::cut_point(uint64_t n) const {
  const uint64_t page_tokens = shape_.layout.page_tokens;
  const uint64_t page = n / page_tokens;
  const bool is_compact = std::ranges::any_of(layers_, [page](const Layer& layer) {
    return page >= layer.first_page && page - layer.first_page < layer.refs.size() &&
           layer.refs[page - layer.first_page].codec != kernels::PageCodec::plain;
  });
  return is_compact ? page * page_tokens : n;
}

Status SequenceKv::truncate(uint64_t n) {
  if (n > n_tokens_)
    return error(ErrorKind::invalid_argument, "n_tokens: at most {}, found {}", n_tokens_, n);
  n = cut_point(n);
  for (size_t i = 0; i < layers_.size() && n > 0; ++i) {
    const uint64_t window = shape_.windows[i];
    const uint64_t first_needed = window && n >= window ? (n - window + 1) / shape_.layout.page_tokens : 0;
    if (window && first_needed < layers_[i].first_page)
      return error(ErrorKind::unsupported,
                   "n_tokens: layer {} has a sliding window of {} tokens and has dropped what token {} needs",
                   i, window, n);
  }
  ahead_.forget_guesses(*tiers_);
  forget_weights(n);
  for (Layer& layer : layers_) cut(layer, n);
  n_tokens_ = n;
  return {};
}

LookAhead::Layers SequenceKv::layers_ahead() const {
  return {[this](uint32_t layer) { return std::span<const PageHandle>(layers_[layer].pages); },
          [this](uint32_t layer) { return selects(layer) || selects_blocks(layer); }};
}

uint64_t SequenceKv::first_damaged_token() const {
  uint64_t first = n_tokens_;
  for (const Layer& layer : layers_) {
    for (size_t i = 0; i < layer.pages.size(); ++i) {
      if (!tiers_->damaged(*layer.pages[i].get())) continue;
      first = std::min<uint64_t>(first, static_cast<uint64_t>(layer.refs[i].first_position));
      break;
    }
  }
  return first;
}

void SequenceKv::take_pages(const SequenceKv& repaired, uint64_t begin, uint64_t end) {
  ahead_.forget_guesses(*tiers_);
  for (size_t i = 0; i < layers_.size(); ++i) {
    Layer& layer = layers_[i];
    const Layer& from = repaired.layers_[i];
    for (size_t k = 0; k < layer.pages.size(); ++k) {
      const uint64_t first = static_cast<uint64_t>(layer.refs[k].first_position);
      if (first < begin || first >= end || !tiers_->damaged(*layer.pages[k].get())) continue;
      const uint64_t number = layer.first_page + k;
      if (number < from.first_page || number - from.first_page >= from.pages.size()) continue;
      const kernels::KvPageRef& ref = from.refs[number - from.first_page];
      replace(layer, k, from.pages[number - from.first_page], ref.codec);
      layer.compact_end = std::min(layer.compact_end, static_cast<uint32_t>(number));
    }
  }
}

}  // namespace leoam
