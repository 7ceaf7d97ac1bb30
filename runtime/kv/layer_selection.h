// LayerSelection: one layer of one sequence in a step that does not attend to everything: the fixed pages in
// place, then what the policy chooses.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "runtime/device/device.h"
#include "runtime/kv/sequence_kv.h"
#include "runtime/kv/whole_layer.h"

namespace leoam {

// One at a time of a sequence. begin, choose, perhaps widen, certify, in this order.
//
// Thread rule: one thread at a time; the sequence must not change meanwhile.
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
  // Likewise where masses are counted: room for those of the step's tokens.
  static Status summarize(SequenceKv& kv, uint32_t layer, Device& device, PassHolds* holds,
                          const CancelFlag* cancel);

  // Whether a guess of a layer's queries would bring in what it needs.
  static bool is_worth_a_guess(const SequenceKv& kv, uint32_t layer);
  // The layer's turn comes later in this pass; its queries will be about q [n_heads][head_dim]. What its
  // policy chooses for these is on its way from now on, if its abstracts are in place.
  static void guess(SequenceKv& kv, uint32_t layer, const float* q, uint32_t n_heads, float scale,
                    PassHolds* holds);
  // The layer has its abstracts. The fixed pages are in place from now on. Fails as LayerReader::next does.
  Status begin(const CancelFlag* cancel);
  // And so is what is chosen. Fails likewise; with corrupt also when abstracts are damaged, which are
  // forgotten then.
  Status choose(const AttentionSums& fixed, uint32_t n_heads, float scale, const CancelFlag* cancel);
  // Before begin, for each part of all pages of the layer: what they sum to, for an audit.
  static void add_to_total(SequenceKv& kv, const AttentionSums& part, uint32_t n_heads);
  // Whether more is to be selected; then `widen` does so. sums: of the fixed pages and what is chosen.
  bool is_too_narrow(const AttentionSums& sums);
  Status widen(const CancelFlag* cancel);
  // Adds the pages that were attended to, with the masses of their tokens.
  void list_masses(LayerMasses& masses, std::vector<kernels::AttentionMassPage>* out) const;
  // The layer's attention is done: what part of it was certainly selected goes to the statistics.
  void certify(const AttentionSums& sums);
  // For the device. Valid as long as this is.
  const SpanSelection& span() const { return span_; }

 private:
  // What a policy is asked, but for `fixed`.
  static SelectionQuery query_of(const SequenceKv& kv, uint32_t layer, uint32_t n_heads, float scale);
  Status pin(std::span<const PageHandle> pages, const CancelFlag* cancel);
  // Abstracts that a policy found damaged are to be made again.
  Status forget_if_damaged(Status status);
  // What the policy has selected is in place, and in the lists of span().
  Status place(std::vector<PageHandle>* pages, const CancelFlag* cancel);
  // Of a query head: certain share of what was selected.
  double coverage(const AttentionSums& sums, uint32_t head) const;
  HeadAttention figures(const AttentionSums& sums, uint32_t head, double coverage) const;

  SequenceKv& kv_;
  const uint32_t layer_;
  PassHolds* holds_;
  SelectionBuffers& buffers_;
  std::optional<AbstractReader> reader_;
  SpanSelection span_;
  uint32_t n_heads_ = 0;
  uint64_t n_fixed_tokens_ = 0;
  uint64_t n_chosen_tokens_ = 0;  // of all KV heads
  uint32_t first_page_ = 0;       // of the candidates
  uint32_t end_page_ = 0;
  bool widened_ = false;
  WholeLayer whole_;
  // Where it is not in use: those before and behind the candidates, those chosen, those that were added.
  std::span<const PageHandle> pinned_[4];
  uint32_t n_pinned_ = 0;
};

}  // namespace leoam
