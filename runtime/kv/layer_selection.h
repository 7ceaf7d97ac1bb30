// LayerSelection: one layer of one sequence in a step that does not attend to everything: the fixed pages in
// place, then what the policy chooses.
#pragma once

#include <span>
#include <vector>

#include "runtime/device/device.h"
#include "runtime/kv/sequence_kv.h"

namespace leoam {

// One at a time of a sequence. Thread rule: one thread at a time; the sequence must not change meanwhile.
class LayerSelection {
 public:
  // Of a sequence with a selector.
  LayerSelection(SequenceKv& kv, uint32_t layer, PassHolds* holds)
      : kv_(kv), layer_(layer), holds_(holds), buffers_(kv.selector()->buffers) {}
  LayerSelection(const LayerSelection&) = delete;
  LayerSelection& operator=(const LayerSelection&) = delete;
  ~LayerSelection();

  // Makes the abstracts that full pages of a layer lack, reading those that are not in the top tier. Where
  // there is no room in RAM for them, the selector gives up. Fails as LayerReader::next does.
  static Status summarize(SequenceKv& kv, uint32_t layer, Device& device, PassHolds* holds,
                          const CancelFlag* cancel);

  // The layer has its abstracts. The fixed pages are in place from now on. Fails as LayerReader::next does.
  Status begin(const CancelFlag* cancel);
  // And so is what is chosen. Fails likewise.
  Status choose(const FixedAttention& fixed, uint32_t n_heads, float scale, const CancelFlag* cancel);
  // For the device. Valid as long as this is.
  const SpanSelection& span() const { return span_; }

 private:
  Status pin(std::span<const PageHandle> pages, const CancelFlag* cancel);

  SequenceKv& kv_;
  const uint32_t layer_;
  PassHolds* holds_;
  SelectionBuffers& buffers_;
  SpanSelection span_;
  uint64_t n_fixed_tokens_ = 0;
  uint32_t first_page_ = 0;  // of the candidates
  uint32_t end_page_ = 0;
  Tiers::LayerUse use_;
  bool using_ = false;  // the whole layer is in place
  // Otherwise: those before and behind the candidates, and those chosen.
  std::span<const PageHandle> pinned_[3];
  uint32_t n_pinned_ = 0;
};

}  // namespace leoam
