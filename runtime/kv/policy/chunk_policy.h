// ChunkPolicy: the base of policies that search the chunk tree: the search, and what follows from what they
// select.
#pragma once

#include <span>
#include <vector>

#include "runtime/base/aligned_buffer.h"
#include "runtime/kv/policy/chunk_search.h"
#include "runtime/kv/policy/page_masks.h"
#include "runtime/kv/policy/remainder.h"

namespace leoam {

class ChunkPolicy : public Policy {
 public:
  ChunkPolicy(const PolicyOptions& options, const PolicyMeans& means) : options_(options), means_(means) {}
  Status widen(std::span<const float> inside, double floor, AbstractReader& reader, Selection* out) final;

 protected:
  struct Head {
    float* q = nullptr;  // [group][head_dim], times the attention scale
    ChunkSearch search;
    bool waits = false;   // the search is not at its end
    PageMasks masks;      // what is selected
    Remainder remainder;  // and what is not
  };
  // Queries and empty masks. Fails with out_of_memory.
  Status prepare(const SelectionQuery& query, const LayerAbstracts& abstracts);
  // Searches that were begun go on to their ends. Fails as AbstractReader::hold does.
  Status search(AbstractReader& reader);
  // On the pool's threads: work(kv_head).
  template <class Work>
  void for_each_head(const Work& work) const {
    means_.pool.run([&](int) {
      const auto n_heads = static_cast<int64_t>(heads_.size());
      for (int64_t h = means_.pool.next_item(0); h < n_heads; h = means_.pool.next_item(0))
        work(static_cast<uint32_t>(h));
    });
  }
  // All that a Selection says of a head whose masks are set; of several by several threads.
  void finish_head(uint32_t head, const LayerAbstracts& abstracts, Selection* out);
  // To a head's empty list of estimates, once its masks are set: what is not selected. Nothing where it does
  // not count.
  virtual void estimate(uint32_t /*head*/, const LayerAbstracts& /*abstracts*/, Selection::Head* /*out*/) {}
  // Of all heads, and how many chunks were evaluated. choose(kv_head) sets masks, on the pool's threads.
  template <class Choose>
  void finish(const LayerAbstracts& abstracts, Selection* out, const Choose& choose) {
    for_each_head([&](uint32_t h) {
      choose(h);
      finish_head(h, abstracts, out);
    });
    count_chunks(out);
  }
  void count_chunks(Selection* out) const;

  const PolicyOptions options_;
  const PolicyMeans means_;
  uint32_t group_ = 0;
  uint32_t page_granules_ = 0;
  kernels::KeyCodeLayout layout_;
  std::vector<Head> heads_;       // [n_kv_heads]
  std::vector<uint32_t> needed_;  // blocks

 private:
  void describe(uint32_t head, const LayerAbstracts& abstracts, Selection* out);

  AlignedBuffer queries_;
};

// Room for n_floats; what was there is lost when it grows. Fails with out_of_memory.
Status reserve_floats(size_t n_floats, AlignedBuffer* buffer);

}  // namespace leoam
