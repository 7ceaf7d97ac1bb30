// LayerWeighing: finds out in a sequence's first long pass which channels of a layer's keys count.
#pragma once

#include "runtime/kv/sequence_kv.h"

namespace leoam {

class LayerWeighing {
 public:
  // Whether a pass of n_tokens behind n_before of them is long enough.
  static bool is_long(uint64_t n_before, uint64_t n_tokens, uint32_t page_tokens) {
    return n_tokens >= kLeast_tokens && pages_of(n_before, n_tokens, page_tokens).n > 0;
  }
  // Whether the reserved tokens are that pass, and the layer is still to be looked at.
  static bool is_due(const SequenceKv& kv, uint32_t layer);
  // When it is due, between the writing of the layer's keys and its attention. `q`: the queries of the
  // reserved tokens, [n_reserved][n_heads][head_dim] in RAM. Fails as Tiers::share and pin and
  // Device::summarize do: a sequence that had no room for it would select something else.
  static Status run(SequenceKv& kv, uint32_t layer, Device& device, const float* q, uint32_t n_heads,
                    PassHolds* holds, const CancelFlag* cancel);

 private:
  // A pass that is long enough to show it; more of its queries and pages would say nothing new.
  static constexpr uint32_t kLeast_tokens = 64;
  static constexpr uint32_t kMostQueries_tokens = 512;
  static constexpr uint32_t kMost_pages = 16;
  // Full pages that the pass writes.
  struct Pages {
    size_t first;
    size_t n;
  };
  static Pages pages_of(uint64_t n_before, uint64_t n_tokens, uint32_t page_tokens);
};

}  // namespace leoam
