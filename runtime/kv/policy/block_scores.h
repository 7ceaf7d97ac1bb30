// BlockScores: which pages the queries of a piece attend to, chosen once for each block of queries: those
// that get most of its attention, as the codes of all keys before it estimate that.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/base/aligned_buffer.h"
#include "runtime/kv/policy/policy.h"

namespace leoam {

// What is chosen for: candidates are the full pages [first_page, end_page), all of them before the piece.
struct BlockQuery {
  const float* q = nullptr;  // [n_tokens][n_heads][head_dim]
  uint32_t n_tokens = 0;
  uint32_t n_heads = 0;
  float scale = 0;
  uint64_t first_position = 0;
  uint32_t first_page = 0;
  uint32_t end_page = 0;
  uint32_t n_pages = 0;  // to be chosen of each block and KV head, on average over the heads

  uint32_t n_blocks() const { return (n_tokens + kQueryBlock_tokens - 1) / kQueryBlock_tokens; }
};

// Thread rule: one thread at a time.
class BlockScores {
 public:
  explicit BlockScores(const PolicyMeans& means) : means_(means) {}

  // out: [n_blocks][n_kv_heads], candidates in ascending order. A function of the queries and the codes
  // alone. Fails as AbstractReader::hold does, and with out_of_memory.
  Status choose(const BlockQuery& query, AbstractReader& reader, std::vector<std::vector<uint32_t>>* out);

 private:
  // What a thread scores rows in, a row being one query head of one token.
  struct Rows {
    float* q;        // [rows][head_dim]
    float* scores;   // [kItemBlocks][rows][16 pages][page_tokens]
    float* sums;     // [n_blocks][rows][16 pages][page_granules]
    float* mass;     // [n_blocks][16 pages][page_granules]
    float* maximum;  // [n_blocks][rows]
    float* totals;   // [n_blocks][rows]
    float* maxima;   // [rows]
    float* weights;  // [rows]
    float* scratch;  // of the kernel
  };
  Status prepare(const BlockQuery& query, AbstractReader& reader);
  Rows rows_of(int thread) const;
  // The mass of all pages before a block, summed over its rows.
  void score(const BlockQuery& query, uint32_t block, uint32_t kv_head, const LayerAbstracts& abstracts,
             int thread);
  void add_rows(uint32_t kv_head, uint32_t n_rows, const LayerAbstracts& abstracts, const Rows& rows,
                int thread);
  void take(const BlockQuery& query, uint32_t block, int thread, std::vector<uint32_t>* lists);
  float* mass_of(uint32_t block, uint32_t kv_head) {
    return mass_.data() + (size_t{block} * layout_.n_kv_heads + kv_head) * n_candidates_;
  }

  const PolicyMeans means_;
  kernels::KeyCodeLayout layout_;
  uint32_t group_ = 0;
  uint32_t page_granules_ = 0;
  size_t n_candidates_ = 0;
  size_t n_code_blocks_ = 0;
  std::vector<float> mass_;  // [n_blocks][n_kv_heads][candidates]
  struct Scored {
    float mass;
    uint32_t index;  // KV head * candidates + candidate
  };
  struct Thread {
    std::vector<kernels::KeyCodeBlockRef> blocks;
    std::vector<Scored> order;
  };
  std::vector<Thread> threads_;
  AlignedBuffer memory_;  // of Rows
  size_t thread_floats_ = 0;
};

}  // namespace leoam
