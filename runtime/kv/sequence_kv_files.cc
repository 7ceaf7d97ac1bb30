// SequenceKv: its pages on their way to files and back.
#include <algorithm>

#include "runtime/kv/sequence_kv.h"

namespace leoam {
namespace {

// What is saved or evicted before the next word of progress.
constexpr uint64_t kProgressStep_bytes = uint64_t{16} << 20;
// Levels of abstract records (FORMAT.md): what is above a layer's pages; of layer 0, the shares of all, and
// how much channels count.
constexpr uint32_t kTopsLevel = 0;
constexpr uint32_t kSharesLevel = 1;
constexpr uint32_t kWeightsLevel = 2;

// Unless the file has it.
Status write_abstract(SessionFile& file, uint32_t layer, uint32_t level, const std::vector<uint8_t>& bytes) {
  const Result<std::vector<uint8_t>> before = file.read_abstract(layer, level);
  const bool is_there =
      before.ok() ? *before == bytes : bytes.empty() && before.status().kind() == ErrorKind::not_found;
  return is_there ? Status() : file.write_abstract(layer, level, bytes);
}

// Of all layers; nothing where it is damaged or was never written. A file that cannot be read now is to be
// opened again: what was decided would be decided another way.
Result<std::vector<uint8_t>> read_decisions(const SessionFile& file, uint32_t level) {
  Result<std::vector<uint8_t>> bytes = file.read_abstract(0, level);
  if (bytes.ok()) return bytes;
  const ErrorKind kind = bytes.status().kind();
  if (kind == ErrorKind::corrupt || kind == ErrorKind::not_found) return std::vector<uint8_t>();
  return bytes;
}

}  // namespace

template <class Move>
Status SequenceKv::move_pages(const Layer& layer, const KvProgress& on_progress, uint64_t* done_bytes,
                              const Move& move) const {
  const std::span<const PageHandle> pages = layer.pages;
  const size_t step = std::max<size_t>(kProgressStep_bytes / page_bytes(), 1);
  for (size_t at = 0; at < pages.size(); at += step) {
    const std::span<const PageHandle> some = pages.subspan(at, std::min(step, pages.size() - at));
    LEOAM_RETURN_IF_ERROR(move(some));
    for (const PageHandle& page : some) *done_bytes += page->bytes;
    if (on_progress && !on_progress(*done_bytes, bytes()))
      return Status(ErrorKind::cancelled, "stopped by the receiver of progress");
  }
  return {};
}

Status SequenceKv::save(const std::shared_ptr<SessionFile>& file, const Tiers::Wait& wait,
                        const KvProgress& on_progress, Saved* saved) {
  saved->streams.assign(layers_.size(), {});
  uint64_t done_bytes = 0;
  for (size_t i = 0; i < layers_.size(); ++i) {
    LEOAM_RETURN_IF_ERROR(
        move_pages(layers_[i], on_progress, &done_bytes,
                   [&](std::span<const PageHandle> pages) { return tiers_->save(pages, file, wait); }));
    saved->streams[i].first_page = layers_[i].first_page;
    describe(layers_[i].pages, *file, &saved->streams[i]);
  }
  if (has_compact_pages()) divide_by_codec(saved);
  // What is no longer so is not to be found by a later session.
  const std::vector<uint8_t> nothing;
  LEOAM_RETURN_IF_ERROR(write_abstract(*file, 0, kWeightsLevel, weights_ ? weights_->encode() : nothing));
  const bool has_shares = selector_ && !selector_->shares.empty();
  LEOAM_RETURN_IF_ERROR(
      write_abstract(*file, 0, kSharesLevel, has_shares ? selector_->shares.encode() : nothing));
  return save_abstracts(file, wait, saved);
}

void SequenceKv::divide_by_codec(Saved* saved) const {
  const auto n_layers = static_cast<uint32_t>(layers_.size());
  saved->streams.resize(size_t{kPageKinds} * n_layers);
  for (uint32_t layer = 0; layer < n_layers; ++layer) {
    std::vector<PageRecord>& plain = saved->streams[layer].pages;
    for (size_t i = 0; i < plain.size(); ++i) {
      const kernels::PageCodec codec = layers_[layer].refs[i].codec;
      if (codec == kernels::PageCodec::plain) continue;
      saved->page_bytes[static_cast<size_t>(page_kind(codec))] =
          static_cast<uint32_t>(kernels::page_bytes(shape_.layout, codec));
      StreamIndex& stream = saved->streams[stream_of(layer, codec).number];
      if (stream.pages.empty())
        stream.first_page = saved->streams[layer].first_page + static_cast<uint32_t>(i);
      stream.pages.resize(saved->streams[layer].first_page + i - stream.first_page);
      stream.pages.push_back(std::exchange(plain[i], {}));
    }
  }
}

void SequenceKv::describe(std::span<const PageHandle> pages, const PageFile& file, StreamIndex* index) const {
  index->pages.reserve(pages.size());
  for (const PageHandle& page : pages) index->pages.push_back(tiers_->saved_record(*page.get(), file));
}

Status SequenceKv::save_abstracts(const std::shared_ptr<SessionFile>& file, const Tiers::Wait& wait,
                                  Saved* saved) {
  if (!selector_) return {};
  const auto n_layers = static_cast<uint32_t>(layers_.size());
  for (uint32_t layer = 0; layer < n_layers; ++layer) {
    if (!selector_->has_abstracts(layer)) continue;
    LayerAbstracts& abstracts = selector_->abstracts(layer);
    // Without them the next session makes all of it again.
    if (!abstracts.make_tops(wait).ok()) continue;
    const std::vector<uint8_t> above = abstracts.encode();
    if (above.empty()) continue;
    for (const AbstractPart part : {AbstractPart::records, AbstractPart::codes}) {
      const PageKind kind = page_kind(part);
      LEOAM_RETURN_IF_ERROR(tiers_->save(abstracts.blocks(part), file, wait));
      saved->streams.resize(size_t{kPageKinds} * n_layers);
      saved->page_bytes[static_cast<size_t>(kind)] = abstracts.block_bytes(part);
      describe(abstracts.blocks(part), *file, &saved->streams[stream_number(kind, layer, n_layers)]);
    }
    LEOAM_RETURN_IF_ERROR(write_abstract(*file, layer, kTopsLevel, above));
  }
  return {};
}

void SequenceKv::adopt_abstracts(const std::shared_ptr<SessionFile>& file) {
  const auto n_layers = static_cast<uint32_t>(layers_.size());
  if (file->streams().size() < size_t{kPageKinds} * n_layers) return;
  for (uint32_t layer = 0; layer < n_layers; ++layer) {
    // Handles in any case: what nobody takes is free again in the file.
    std::array<std::vector<PageHandle>, kAbstractParts> blocks;
    const LayerAbstracts* const own =
        selector_ && selector_->has_abstracts(layer) ? &selector_->abstracts(layer) : nullptr;
    bool fits = own != nullptr;
    for (const AbstractPart part : {AbstractPart::records, AbstractPart::codes}) {
      const PageKind kind = page_kind(part);
      const uint32_t number = stream_number(kind, layer, n_layers);
      const StreamIndex& index = file->streams()[number];
      const uint32_t bytes = file->page_bytes(kind);
      fits = fits && index.first_page == 0 && bytes == own->block_bytes(part);
      for (uint32_t i = 0; i < index.pages.size(); ++i)
        blocks[static_cast<size_t>(part)].push_back(tiers_->adopt(
            LayerAbstracts::stream(number, part), index.first_page + i, bytes, file, index.pages[i]));
    }
    if (!fits) continue;
    const Result<std::vector<uint8_t>> above = file->read_abstract(layer, kTopsLevel);
    const auto n_pages = static_cast<uint32_t>(n_tokens_ / shape_.layout.page_tokens);
    if (above.ok()) (void)selector_->abstracts(layer).adopt(*above, n_pages, {}, std::move(blocks)).ok();
  }
}

Status SequenceKv::adopt_decisions(const SessionFile& file) {
  if (selector_) {
    LEOAM_ASSIGN_OR_RETURN(const std::vector<uint8_t> shares, read_decisions(file, kSharesLevel));
    (void)selector_->shares.decode(shares, n_tokens_);
  }
  const auto n_layers = static_cast<uint32_t>(layers_.size());
  const uint32_t width = shape_.layout.n_kv_heads * shape_.layout.head_dim;
  lacks_weights_ = n_tokens_ > 0;
  LEOAM_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, read_decisions(file, kWeightsLevel));
  Result<ChannelWeights> weights = ChannelWeights::decode(bytes, n_layers, width, n_tokens_);
  Result<TierShare> room = tiers_->share(ChannelWeights::bytes(n_layers, width), {});
  if (!weights.ok() || !room.ok()) return {};
  weights_ = std::make_shared<ChannelWeights>(std::move(weights).value());
  weights_->keep_room(std::move(room).value());
  lacks_weights_ = false;
  return {};
}

PageRecord SequenceKv::find_compact(const SessionFile& file, uint32_t layer, uint32_t number,
                                    kernels::PageCodec* codec) const {
  for (const kernels::PageCodec one : kCompactCodecs) {
    const uint32_t stream = stream_of(layer, one).number;
    if (stream >= file.streams().size()) return {};
    const StreamIndex& index = file.streams()[stream];
    if (number < index.first_page || number - index.first_page >= index.pages.size() ||
        file.page_bytes(page_kind(one)) != kernels::page_bytes(shape_.layout, one))
      continue;
    const PageRecord& record = index.pages[number - index.first_page];
    if (!record.present()) continue;
    *codec = one;
    return record;
  }
  return {};
}

Status SequenceKv::adopt(const std::shared_ptr<SessionFile>& file, uint64_t n_tokens) {
  const std::vector<StreamIndex>& index = file->streams();
  for (size_t i = 0; i < layers_.size(); ++i) {
    Layer& layer = layers_[i];
    const uint64_t last = index[i].first_page + index[i].pages.size();
    const uint64_t window = shape_.windows[i];
    const uint64_t first_needed =
        window && n_tokens >= window ? (n_tokens - window + 1) / shape_.layout.page_tokens : 0;
    if (last != page_count(n_tokens) || index[i].first_page > first_needed)
      return error(ErrorKind::corrupt, "layer {}: {} tokens need pages [{}, {}), found [{}, {})", i, n_tokens,
                   first_needed, page_count(n_tokens), index[i].first_page, last);
    layer.first_page = index[i].first_page;
    for (size_t k = 0; k < index[i].pages.size(); ++k) {
      const uint32_t number = layer.first_page + static_cast<uint32_t>(k);
      kernels::KvPageRef ref = {nullptr, static_cast<int32_t>(number * shape_.layout.page_tokens), 0};
      PageRecord record = index[i].pages[k];
      if (!record.present()) record = find_compact(*file, static_cast<uint32_t>(i), number, &ref.codec);
      layer.pages.push_back(tiers_->adopt(stream_of(static_cast<uint32_t>(i), ref.codec), number,
                                          page_bytes() - static_cast<uint32_t>(saved_bytes(ref.codec)), file,
                                          record));
      saved_bytes_ += saved_bytes(ref.codec);
      layer.refs.push_back(ref);
    }
    n_pages_ += index[i].pages.size();
    set_counts(layer, 0, n_tokens);
  }
  n_tokens_ = n_tokens;
  adopt_abstracts(file);
  return adopt_decisions(*file);
}

Status SequenceKv::evict(const Tiers::Wait& wait, const KvProgress& on_progress) {
  ahead_.forget_guesses(*tiers_);
  uint64_t done_bytes = 0;
  for (const Layer& layer : layers_)
    LEOAM_RETURN_IF_ERROR(move_pages(layer, on_progress, &done_bytes, [&](std::span<const PageHandle> pages) {
      return tiers_->evict(pages, wait);
    }));
  for (uint32_t i = 0; i < layers_.size() && selector_; ++i) {
    if (!selector_->has_abstracts(i)) continue;
    for (const AbstractPart part : {AbstractPart::records, AbstractPart::codes})
      LEOAM_RETURN_IF_ERROR(tiers_->evict(selector_->abstracts(i).blocks(part), wait));
    selector_->abstracts(i).drop_tops();
  }
  return {};
}

}  // namespace leoam
