// ChunkSearch: goes down the chunk tree of a layer for one KV head. What may matter is split, deserts stay
// whole: a priority queue by true upper bounds of what one token of a chunk can weigh.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu_table.h"
#include "runtime/kv/abstract_reader.h"
#include "runtime/kv/policy/policy.h"

namespace leoam {

// Thread rule: one thread at a time.
class ChunkSearch {
 public:
  struct Found {
    Chunk chunk;
    float most;       // log of what a token of it weighs at most, summed over the group, where the fixed
                      // tokens weigh 1 in each head
    uint32_t bounds;  // see upper
  };

  // Chunks of leaf_level are opened, not split, until n_most_pages pages are open. Where that is all of them,
  // bounds are there only to say what is left: none is split, and all are opened, blocks at most.
  // q: [group][head_dim], times the attention scale; it stays there.
  void begin(const SelectionQuery& query, const LayerAbstracts& abstracts, uint32_t kv_head, const float* q,
             uint32_t leaf_level, uint64_t n_most_pages);
  // All pages one by one, none of which is opened.
  void begin_with_pages(const SelectionQuery& query, const LayerAbstracts& abstracts, uint32_t kv_head,
                        const float* q);
  // Goes on; false: once the records of the blocks `needed`, ascending, are held. What is found does not
  // depend on what was.
  bool advance(const kernels::CpuTable& kernels, const AbstractReader& reader);
  // Also directly after `begin`, of all that it needs if all is opened.
  std::span<const uint32_t> needed() const { return needed_; }
  bool opens_all() const { return opens_all_; }

  // All candidates, each in one chunk of either. `open` in ascending order.
  std::span<const Found> open() const { return open_; }
  std::span<const Found> closed() const { return queue_; }
  // [group]: no score of the chunk is above.
  const float* upper(const Found& found) const { return &upper_[size_t{found.bounds} * group_]; }
  uint64_t n_evaluated() const { return n_evaluated_; }

  // A chunk that was found is replaced by its children, whose block's records are held.
  void split(const kernels::CpuTable& kernels, const Found& found, std::vector<Found>* out);

 private:
  void evaluate(const kernels::CpuTable& kernels, std::span<const Chunk> chunks, std::vector<Found>* out);
  // reader: whose blocks are not needed; null: none.
  void need(const AbstractReader* reader, std::span<const Chunk> chunks);

  const LayerAbstracts* abstracts_ = nullptr;
  uint32_t kv_head_ = 0;
  uint32_t group_ = 0;
  const float* q_ = nullptr;
  uint32_t leaf_level_ = 0;
  uint64_t n_most_pages_ = 0;
  bool opens_all_ = false;
  uint64_t n_open_pages_ = 0;
  uint64_t n_evaluated_ = 0;
  std::vector<float> floor_;    // [group]: log of what the fixed tokens weigh
  std::vector<Chunk> pending_;  // to be evaluated next
  std::vector<uint32_t> needed_;
  std::vector<Found> queue_;  // a heap
  std::vector<Found> open_;
  std::vector<float> upper_;  // [bounds][group]
  std::vector<const uint8_t*> records_;
  std::vector<Found> found_;
};

// Ascending, each once.
void sort_unique(std::vector<uint32_t>* numbers);

}  // namespace leoam
