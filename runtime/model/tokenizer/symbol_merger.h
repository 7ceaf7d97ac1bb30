// The merge loop that both formats share: adjacent symbols of a word are joined, the best pair of all first,
// until no pair is a token.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/model/tokenizer/word_cache.h"

namespace leoam {

// A run of a word's bytes. Merged-away symbols have size 0.
struct Symbol {
  uint32_t begin;
  uint32_t size;
  int32_t id;        // -1: not a token, or not looked up yet
  int32_t previous;  // index, -1: none
  int32_t next;
};

// What joining two adjacent symbols gives. priority: smaller joins first; equal ones from left to right.
struct Join {
  uint32_t priority;
  int32_t id;  // -1: they do not join
};

// Memory that one call of tokenize keeps from word to word.
struct MergeScratch {
  explicit MergeScratch(size_t text_bytes) : words(text_bytes) {}

  struct Candidate {
    uint64_t order;  // priority << 32 | index of the left symbol
    int32_t id;
    uint32_t size;  // of the joined symbol
  };

  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
  std::string spelling;
  WordCache words;

  // Starts a word; add_symbol then appends its symbols from left to right.
  void clear() { symbols.clear(); }
  void add_symbol(uint32_t begin, uint32_t size, int32_t id) {
    const int32_t index = static_cast<int32_t>(symbols.size());
    if (index > 0) symbols.back().next = index;
    symbols.push_back({begin, size, id, index - 1, -1});
  }
};

// Joins the symbols of `scratch` as far as `join(const Symbol& left, const Symbol& right) -> Join` goes.
// n log n in the number of symbols. Symbol 0 stays the first; follow `next` from there.
template <class JoinPair>
void merge_symbols(MergeScratch* scratch, const JoinPair& join) {
  using Candidate = MergeScratch::Candidate;
  std::vector<Symbol>& symbols = scratch->symbols;
  std::vector<Candidate>& heap = scratch->heap;
  const auto later = [](const Candidate& a, const Candidate& b) { return a.order > b.order; };

  const auto candidate = [&](int32_t left_index, Candidate* found) {
    const Symbol& left = symbols[static_cast<size_t>(left_index)];
    const Symbol& right = symbols[static_cast<size_t>(left.next)];
    const Join joined = join(left, right);
    *found = {uint64_t{joined.priority} << 32 | static_cast<uint32_t>(left_index), joined.id,
              left.size + right.size};
    return joined.id >= 0;
  };
  const auto push = [&](int32_t left_index) {
    Candidate found;
    if (!candidate(left_index, &found)) return;
    heap.push_back(found);
    std::push_heap(heap.begin(), heap.end(), later);
  };

  heap.clear();
  for (size_t i = 0; i + 1 < symbols.size(); ++i) {
    Candidate found;
    if (candidate(static_cast<int32_t>(i), &found)) heap.push_back(found);
  }
  std::make_heap(heap.begin(), heap.end(), later);

  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    const Candidate best = heap.back();
    heap.pop_back();
    const int32_t left_index = static_cast<int32_t>(best.order & 0xFFFFFFFF);
    Symbol& left = symbols[static_cast<size_t>(left_index)];
    if (left.size == 0 || left.next < 0) continue;
    Symbol& right = symbols[static_cast<size_t>(left.next)];
    // Symbols only grow, so equal sizes mean that neither side changed since the pair was found.
    if (left.size + right.size != best.size) continue;

    left.size = best.size;
    left.id = best.id;
    left.next = right.next;
    right.size = 0;
    if (left.next >= 0) symbols[static_cast<size_t>(left.next)].previous = left_index;
    if (left.previous >= 0) push(left.previous);
    if (left.next >= 0) push(left_index);
  }
}

}  // namespace leoam
