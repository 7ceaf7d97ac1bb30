// SequenceKv: the KV pages of one sequence, layer by layer, wherever they are.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "kernels/kv_layout.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"
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

// KV bytes done and in all, of work on the pages of a sequence; false stops it.
using KvProgress = std::function<bool(uint64_t done_bytes, uint64_t total_bytes)>;

// A pass reserves tokens, then takes the layers in ascending order: open_layer, append to append_pages,
// attention over a LayerReader's pages, close_layer; then the tokens are committed or rolled back. Copies
// share all pages (a fork); the page that a copy writes next is copied first.
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
  // Whether the reserved tokens attend to a selection in this layer.
  bool selects(uint32_t layer) const {
    return selector_ &&
           selector_->selects(layer, n_tokens_ + n_reserved_, static_cast<uint32_t>(n_reserved_));
  }
  // KV bytes of the pages that this sequence has, shared ones included, in whatever tier.
  uint64_t bytes() const { return n_pages_ * shape_.layout.page_bytes(); }
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
  // Drops tokens from n on. Fails with invalid_argument beyond the end, with unsupported when a sliding layer
  // no longer has the window before n (0 always works); then nothing changes.
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
  friend class LayerReader;
  friend class LayerSelection;
  struct Layer {
    std::vector<PageHandle> pages;
    std::vector<kernels::KvPageRef> refs;  // one a page; addresses hold while the page is pinned or in use
    uint32_t first_page = 0;               // number of pages[0]
    uint64_t seen_epoch = 0;
  };
  uint64_t page_count(uint64_t n_tokens) const {
    return (n_tokens + shape_.layout.page_tokens - 1) / shape_.layout.page_tokens;
  }
  uint32_t page_bytes() const { return static_cast<uint32_t>(shape_.layout.page_bytes()); }
  Status try_open_layer(uint32_t layer, const Tiers::Wait& wait);
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
  Status save_abstracts(const std::shared_ptr<SessionFile>& file, const Tiers::Wait& wait, Saved* saved);
  void adopt_abstracts(const std::shared_ptr<SessionFile>& file);
  // Runs `move`(pages -> Status) on the pages of a layer, some at a time, between which progress is told.
  // `done_bytes` grows by the bytes of the layer.
  template <class Move>
  Status move_pages(const Layer& layer, const KvProgress& on_progress, uint64_t* done_bytes,
                    const Move& move) const;

  Tiers* tiers_;
  KvShape shape_;
  std::unique_ptr<Selector> selector_;
  std::vector<Layer> layers_;
  uint64_t n_tokens_ = 0;
  uint64_t n_reserved_ = 0;
  uint64_t n_pages_ = 0;

  LookAhead ahead_;
  bool streams_ = false;      // in the last pass some layer was not in RAM as a whole
  bool streams_now_ = false;  // in this one
};

}  // namespace leoam
