// LayerReader: the pages of one layer of one sequence for attention, in runs that are in RAM while they are
// used.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/kv/sequence_kv.h"
#include "runtime/kv/whole_layer.h"

namespace leoam {

// A layer that is in RAM as a whole is one run. Otherwise runs end at multiples of
// kernels::kAttentionCut_tokens, and while one is attended to the next are on their way.
//
// Thread rule: one thread at a time; the sequence must not change meanwhile.
class LayerReader {
 public:
  // `holds` counts what the readers of one pass keep in place. One that does not look ahead reads a layer
  // beside the order of the pass.
  LayerReader(SequenceKv& kv, uint32_t layer, PassHolds* holds, bool looks_ahead = true)
      : kv_(kv), layer_(layer), holds_(holds), looks_ahead_(looks_ahead) {}
  LayerReader(const LayerReader&) = delete;
  LayerReader& operator=(const LayerReader&) = delete;
  ~LayerReader() { let_go(); }

  // The next pages, in ascending positions, in place until the next call; none behind the end. Fails with
  // no_space, io, cancelled, and corrupt when a page is damaged (SequenceKv::first_damaged_token).
  Result<std::span<const kernels::KvPageRef>> next(const CancelFlag* cancel);
  bool at_end() const { return next_page_ >= kv_.layers_[layer_].pages.size(); }

 private:
  void let_go();

  SequenceKv& kv_;
  uint32_t layer_;
  PassHolds* holds_;
  const bool looks_ahead_;
  size_t next_page_ = 0;
  std::span<const PageHandle> pinned_;
  WholeLayer whole_;
};

}  // namespace leoam
