// LayerCompaction: what lies far enough behind the newest tokens is kept in fewer bits.
#pragma once

#include <cstdint>

#include "runtime/kv/sequence_kv.h"

namespace leoam {

// Compact pages are new pages: a fork that still has the plain one keeps it. Which pages a pass sees compact
// follows from where it begins and from nothing else, so that one that failed is repeated to the bit.
// Abstracts are made of pages that will not change any more, and say the same whenever they are made.
class LayerCompaction {
 public:
  // Tokens of a sequence that stay plain: its first ones, and those that lie directly before the next.
  static constexpr uint32_t kPlainSink_tokens = 32;
  static constexpr uint32_t kPlainWindow_tokens = 128;

  // Before the layer's attention: encodes what lies before end_page. Pages whose numbers are not finite stay
  // plain, as do all while there is no room for their successors. Fails with corrupt, io, device_lost,
  // cancelled.
  static Status run(SequenceKv& kv, uint32_t layer, Device& device, PassHolds* holds,
                    const CancelFlag* cancel);
  // Pages before it lie behind the plain window of the first of the reserved tokens.
  static size_t end_page(const SequenceKv& kv);

 private:
  // Pages [begin, end) of the layer, all of them plain.
  static Status encode(SequenceKv& kv, uint32_t layer, size_t begin, size_t end, Device& device,
                       const Tiers::Wait& wait);
};

}  // namespace leoam
