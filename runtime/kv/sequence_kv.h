// SequenceKv: the KV pages of one sequence, layer by layer, wherever they are.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "kernels/page_codec/page_codec_layout.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"
#include "runtime/kv/channel_weights.h"
#include "runtime/kv/look_ahead.h"
#include "runtime/kv/selector.h"
#include "runtime/kv/tiers.h"
#include "runtime/store/session_file.h"

namespace leoam {

// Geometry of a model's KV. `windows` [n_layers]: 0 for global layers, else the layer's sliding window, of
// which only the pages that it still reaches are kept.
struct KvShape {
  kernels::KvLayout layout;
  std::vector<uint32_t> windows;
};

inline constexpr kernels::PageCodec kCompactCodecs[] = {kernels::PageCodec::k8v8, kernels::PageCodec::k8v4,
                                                        kernels::PageCodec::k4v4};
// The kind of a page of KV.
constexpr PageKind page_kind(kernels::PageCodec codec) {
  constexpr PageKind kinds[] = {PageKind::kv, PageKind::kv_k8v8, PageKind::kv_k8v4, PageKind::kv_k4v4};
  return kinds[static_cast<size_t>(codec)];
}

// KV bytes done and in all, of work on the pages of a sequence; false stops it.
using KvProgress = std::function<bool(uint64_t done_bytes, uint64_t total_bytes)>;

// A pass reserves tokens, then takes the layers in ascending order: open_layer, append to append_pages,
// LayerCompaction, attention over a LayerReader's pages, close_layer; then the tokens are committed or rolled
// back. Copies share all pages (a fork); the page that a copy writes next is copied first.
//
// Thread rule: one thread at a time; copies are independent of each other.
class SequenceKv {
 public:
  // `tiers` must outlive the sequence. Page lists have room for capacity_tokens from the start, so that
  // growing up to there allocates pages only. Without a selector every step attends to everything.
  SequenceKv(Tiers& tiers, KvShape shape, uint64_t capacity_tokens,
             std::unique_ptr<Selector> selector = nullptr);
  SequenceKv(const SequenceKv& other);
  SequenceKv& operator=(const SequenceKv&) = delete;
  ~SequenceKv();

  const KvShape& shape() const { return shape_; }
  uint64_t n_tokens() const { return n_tokens_; }
  // May be null.
  Selector* selector() const { return selector_.get(); }
  // A selector that knows this sequence, or a part of its beginning.
  void set_selector(std::unique_ptr<Selector> selector) { selector_ = std::move(selector); }
  std::unique_ptr<Selector> take_selector() { return std::move(selector_); }
  // Of a layer's keys; empty: not known.
  std::span<const float> channel_weights(uint32_t layer) const {
    return weights_ ? weights_->of(layer) : std::span<const float>();
  }
  // A file did not have them: the pass that shows them is to be computed again before there are abstracts.
  bool lacks_weights() const { return lacks_weights_; }
  // Those of a copy in which that was done, or of none.
  void take_weights(const SequenceKv* copy) {
    weights_ = copy ? copy->weights_ : nullptr;
    lacks_weights_ = false;
  }
  // Whether the reserved tokens attend to a selection in this layer.
  bool selects(uint32_t layer) const {
    return selector_ &&
           selector_->selects(layer, n_tokens_ + n_reserved_, static_cast<uint32_t>(n_reserved_));
  }
  // What LayerCompaction makes of pages; plain: nothing. Pages that are compact stay what they are.
  kernels::PageCodec codec() const { return codec_; }
  void set_codec(kernels::PageCodec codec) { codec_ = codec; }
  bool has_compact_pages() const { return saved_bytes_ > 0; }
  // Of the last page that is compact; plain: none is.
  kernels::PageCodec newest_codec() const;
  // Not more than n: a compact page cannot be written, so it is kept or given up as a whole.
  uint64_t cut_point(uint64_t n) const;
  // Whether they are a piece whose blocks of queries do, in this layer; in any, while none lacks room.
  bool selects_blocks(uint32_t layer) const { return selects_blocks() && selector_->has_abstracts(layer); }
  bool selects_blocks() const { return selector_ && selector_->selects_blocks(n_tokens_, n_reserved_); }
  // KV bytes of the pages that this sequence has, shared ones included, in whatever tier.
  uint64_t bytes() const { return n_pages_ * shape_.layout.page_bytes() - saved_bytes_; }
  // Of them, in RAM now.
  uint64_t resident_bytes() const;
  // KV bytes that attention of the newest token reads.
  uint64_t visible_bytes() const;

  // Room for n tokens behind n_tokens(), once before each commit or rollback. Fails with invalid_argument.
  Status reserve(uint32_t n);
  // For want of room: abstracts leave RAM for good, and every step attends to everything. False: there was
  // nothing to give up, or a full disk is what makes room short, which passes.
  bool give_up_selecting();
  // Pages for the reserved tokens of a layer, in RAM and open; where there is no other room, selecting is
  // given up for it. Fails as Tiers::create and open_for_writing do.
  Status open_layer(uint32_t layer, const Tiers::Wait& wait);
  // Those pages, in ascending positions. Valid until close_layer.
  std::span<const kernels::KvPageRef> append_pages(uint32_t layer) const;
  // The layer's reserved tokens are written: full pages may leave RAM.
  void close_layer(uint32_t layer);
  // The reserved tokens are in place now; pages that no window reaches any more are dropped.
  void commit();
  // Gives the reserved tokens up.
  void rollback();
  // Drops tokens from cut_point(n) on. Fails with invalid_argument beyond the end, with unsupported when a
  // sliding layer no longer has the window before n (0 always works); then nothing changes.
  Status truncate(uint64_t n);

  // Writes what `file` lacks and describes all pages for a commit. Damaged pages have no record.
  // `on_progress` (may be null) hears of pages of KV that the file has now, whoever wrote them. Fails as
  // Tiers::save does, and with cancelled when it is stopped.
  struct Saved {
    std::vector<StreamIndex> streams;
    std::array<uint32_t, kPageKinds> page_bytes = {};
  };
  Status save(const std::shared_ptr<SessionFile>& file, const Tiers::Wait& wait,
              const KvProgress& on_progress, Saved* saved);
  // An empty sequence takes over the pages of a file; abstracts that do not fit are made again. Fails with
  // corrupt when they cannot be n_tokens of this shape.
  Status adopt(const std::shared_ptr<SessionFile>& file, uint64_t n_tokens);
  // All pages leave RAM. `on_progress` as of save.
  Status evict(const Tiers::Wait& wait, const KvProgress& on_progress = nullptr);
  // The first token whose KV is damaged in some layer; n_tokens() when all is well as far as is known.
  uint64_t first_damaged_token() const;
  // Takes the pages that hold tokens [begin, end) from `repaired`, a copy in which they were computed again.
  void take_pages(const SequenceKv& repaired, uint64_t begin, uint64_t end);

 private:
  friend class LayerCompaction;
  friend class BlockSelection;
  friend class LayerReader;
  friend class LayerSelection;
  friend class LayerWeighing;
  struct Layer {
    std::vector<PageHandle> pages;
    std::vector<kernels::KvPageRef> refs;  // one a page; addresses hold while the page is pinned or in use
    uint32_t first_page = 0;               // number of pages[0]
    uint64_t seen_epoch = 0;
    uint32_t compact_end = 0;  // of global layers: before it pages are compact, or were looked at
  };
  uint64_t page_count(uint64_t n_tokens) const {
    return (n_tokens + shape_.layout.page_tokens - 1) / shape_.layout.page_tokens;
  }
  uint32_t page_bytes() const { return static_cast<uint32_t>(shape_.layout.page_bytes()); }
  uint64_t saved_bytes(kernels::PageCodec codec) const {
    return page_bytes() - kernels::page_bytes(shape_.layout, codec);
  }
  Stream stream_of(uint32_t layer, kernels::PageCodec codec) const {
    return {stream_number(page_kind(codec), layer, static_cast<uint32_t>(layers_.size()))};
  }
  // Another page with the same tokens takes the place of a page.
  void replace(Layer& layer, size_t index, PageHandle page, kernels::PageCodec codec);
  Status try_open_layer(uint32_t layer, const Tiers::Wait& wait);
  // Of tokens behind the first n nothing is known.
  void forget_weights(uint64_t n) {
    if (weights_ && weights_->end_token() > n) weights_.reset();
  }
  // Drops a layer's pages behind the first n tokens and sets the token counts of the rest.
  void cut(Layer& layer, uint64_t n);
  void set_counts(Layer& layer, uint64_t first_changed_token, uint64_t n);
  void drop_out_of_window(Layer& layer, uint32_t window);
  // A layer is not in place as a whole: from now on this pass and the next one look ahead.
  void look_ahead(uint32_t layer, size_t page) {
    streams_now_ = true;
    ahead_.look(*tiers_, layer, page);
  }
  LookAhead::Layers layers_ahead() const;
  void describe(std::span<const PageHandle> pages, const PageFile& file, StreamIndex* index) const;
  // Records of compact pages go to the streams of their codecs.
  void divide_by_codec(Saved* saved) const;
  // Not present when no stream of compact pages has it.
  PageRecord find_compact(const SessionFile& file, uint32_t layer, uint32_t number,
                          kernels::PageCodec* codec) const;
  Status save_abstracts(const std::shared_ptr<SessionFile>& file, const Tiers::Wait& wait, Saved* saved);
  Status adopt_decisions(const SessionFile& file);
  void adopt_abstracts(const std::shared_ptr<SessionFile>& file);
  // Runs `move`(pages -> Status) on the pages of a layer, some at a time, between which progress is told.
  // `done_bytes` grows by the bytes of the layer.
  template <class Move>
  Status move_pages(const Layer& layer, const KvProgress& on_progress, uint64_t* done_bytes,
                    const Move& move) const;

  Tiers* tiers_;
  KvShape shape_;
  std::unique_ptr<Selector> selector_;
  std::shared_ptr<ChannelWeights> weights_;  // null: not known
  bool lacks_weights_ = false;
  std::vector<Layer> layers_;
  uint64_t n_tokens_ = 0;
  uint64_t n_reserved_ = 0;
  uint64_t n_pages_ = 0;
  kernels::PageCodec codec_ = kernels::PageCodec::plain;
  uint64_t saved_bytes_ = 0;  // what all pages would take beyond theirs if they were plain

  LookAhead ahead_;
  bool streams_ = false;      // in the last pass some layer was not in RAM as a whole
  bool streams_now_ = false;  // in this one
};

}  // namespace leoam
