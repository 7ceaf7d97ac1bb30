// BlockSelection: one layer of one sequence in a piece that does not attend to everything: what each block of
// its queries attends to, and the pages of that in runs, as LayerReader has those of everything.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/device/device.h"
#include "runtime/kv/sequence_kv.h"
#include "runtime/kv/whole_layer.h"

namespace leoam {

// Each block of kQueryBlock_tokens queries attends, for each KV head, to the sinks, the window before the
// piece, the piece, and the pages between that get most of its attention, as many as the policy's budget
// allows on average over the heads.
//
// choose, then next until at_end, then finish.
//
// Thread rule: one thread at a time; the sequence must not change meanwhile.
class BlockSelection {
 public:
  BlockSelection(SequenceKv& kv, uint32_t layer, PassHolds* holds) : kv_(kv), layer_(layer), holds_(holds) {}
  BlockSelection(const BlockSelection&) = delete;
  BlockSelection& operator=(const BlockSelection&) = delete;
  ~BlockSelection();

  // The layer has its abstracts. q: the piece's queries, [n_tokens][n_heads][head_dim]. Fails as
  // LayerReader::next does; with corrupt also when abstracts are damaged, which are forgotten then.
  Status choose(const float* q, uint32_t n_heads, float scale, const CancelFlag* cancel);
  // What the blocks attend to in the next run of pages, in place until the next call. Fails likewise.
  Result<LayerPages> next(const CancelFlag* cancel);
  bool at_end() const { return end_ >= needed_.size(); }
  // The layer's attention is done: what it attended to goes to the statistics.
  void finish();

 private:
  void let_go();
  // The pages of the next run go in place. Fails as LayerReader::next does.
  Status bring(const CancelFlag* cancel);
  // What is not chosen counts with the mean keys and values of its chunks. Fails as AbstractReader::hold
  // does.
  Status estimate();
  // Those of a run that a list has, behind `at` in it, which moves.
  void list_pages(std::span<const uint32_t> chosen, size_t* at);

  SequenceKv& kv_;
  const uint32_t layer_;
  PassHolds* holds_;
  uint32_t n_blocks_ = 0;
  uint32_t first_page_ = 0;  // of the candidates
  uint32_t end_page_ = 0;
  std::optional<AbstractReader> reader_;
  std::vector<std::vector<uint32_t>> chosen_;                       // [n_blocks][n_kv_heads]
  std::vector<std::vector<kernels::AttentionEstimate>> estimates_;  // likewise, or none
  std::vector<bool> needed_;                                        // [n_pages], by any of them
  // The run: pages [begin_, end_).
  uint32_t begin_ = 0;
  uint32_t end_ = 0;
  std::vector<size_t> places_;  // in chosen_: where the run begins
  std::vector<kernels::KvPageRef> refs_;
  std::vector<LayerPages> lists_;  // of the run, [n_blocks][n_kv_heads]
  std::vector<PageHandle> pages_;  // that are needed, where the layer is not in place as a whole
  size_t n_read_ = 0;              // of pages_
  size_t n_wanted_ = 0;            // of pages_, behind what was read
  std::span<const PageHandle> pinned_;
  WholeLayer whole_;
};

}  // namespace leoam
