// The merges of a byte-level BPE file: which pairs of tokens join, how early, and into what.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/model/tokenizer/symbol_merger.h"
#include "runtime/model/tokenizer/vocabulary.h"

namespace leoam {

class MergeTable {
 public:
  // `merges[rank]` is "left right". Fails with corrupt (index, expected, found) on a merge without its blank,
  // with parts or a result that are no tokens, or on too many of them; and with cancelled. Of a doubled merge
  // the first counts.
  static Result<MergeTable> build(const std::vector<std::string>& merges, const Vocabulary& vocabulary,
                                  const CancelFlag* cancel);

  // priority: the rank. Negative ids join with nothing.
  Join find(int32_t left, int32_t right) const;

 private:
  struct Slot {
    uint64_t pair = kNoPair;
    uint32_t rank = 0;
    int32_t id = -1;
  };
  static constexpr uint64_t kNoPair = ~uint64_t{0};

  static uint64_t pair_of(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  size_t home(uint64_t pair) const;
  bool insert(uint64_t pair, uint32_t rank, int32_t id);

  std::vector<Slot> slots_;  // a power of two, at most two thirds full
};

}  // namespace leoam
