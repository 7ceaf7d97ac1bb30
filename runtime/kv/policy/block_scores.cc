#include "runtime/kv/policy/block_scores.h"

#include <algorithm>
#include <numeric>

#include "runtime/kv/policy/chunk_policy.h"

namespace leoam {
namespace {

// Rows that are scored together: their arrays stay in the second-level cache, and what is kept of a long
// context is small.
constexpr uint32_t kRows = 16;
// Blocks of codes of one call.
constexpr size_t kItemBlocks = 4;
constexpr uint32_t kPages = kernels::kCodeBlock_pages;

}  // namespace

Status BlockScores::prepare(const BlockQuery& query, AbstractReader& reader) {
  layout_ = reader.abstracts().code_layout();
  group_ = query.n_heads / layout_.n_kv_heads;
  page_granules_ = layout_.page_tokens / kernels::kGranule_tokens;
  n_candidates_ = query.end_page - query.first_page;
  // Every page before the last token, so that a share is one of all that a query sees.
  const uint64_t n_full = (query.first_position + query.n_tokens) / layout_.page_tokens;
  n_code_blocks_ = static_cast<size_t>(n_full + kPages - 1) / kPages;
  std::vector<uint32_t> blocks(n_code_blocks_);
  std::iota(blocks.begin(), blocks.end(), 0u);
  LEOAM_RETURN_IF_ERROR(reader.hold(AbstractPart::codes, blocks));
  mass_.assign(query.n_blocks() * layout_.n_kv_heads * n_candidates_, 0);
  const auto n_threads = static_cast<size_t>(means_.pool.n_threads());
  thread_floats_ = 0;
  const Rows end = rows_of(0);
  thread_floats_ = reinterpret_cast<uintptr_t>(end.scratch) / sizeof(float) +
                   kernels::key_code_scratch_bytes(layout_, kRows) / sizeof(float);
  thread_floats_ = (thread_floats_ + 15) / 16 * 16;
  LEOAM_RETURN_IF_ERROR(reserve_floats(thread_floats_ * n_threads, &memory_));
  threads_.resize(n_threads);
  for (Thread& thread : threads_) thread.blocks.resize(n_code_blocks_);
  return {};
}

// Before thread_floats_ is known: offsets, as if memory began at 0.
BlockScores::Rows BlockScores::rows_of(int thread) const {
  uintptr_t at = 0;
  if (thread_floats_ > 0)
    at = reinterpret_cast<uintptr_t>(memory_.data()) +
         static_cast<size_t>(thread) * thread_floats_ * sizeof(float);
  const auto take = [&at](size_t n) {
    return reinterpret_cast<float*>(std::exchange(at, at + (n + 15) / 16 * 16 * sizeof(float)));
  };
  const size_t sums = n_code_blocks_ * kPages * page_granules_;
  Rows rows;
  rows.q = take(size_t{kRows} * layout_.head_dim);
  rows.scores = take(kItemBlocks * kRows * kPages * layout_.page_tokens);
  rows.sums = take(sums * kRows);
  rows.mass = take(sums);
  rows.maximum = take(n_code_blocks_ * kRows);
  rows.totals = take(n_code_blocks_ * kRows);
  rows.maxima = take(kRows);
  rows.weights = take(kRows);
  rows.scratch = take(0);
  return rows;
}

Status BlockScores::choose(const BlockQuery& query, AbstractReader& reader,
                           std::vector<std::vector<uint32_t>>* out) {
  LEOAM_RETURN_IF_ERROR(prepare(query, reader));
  const uint32_t n_heads = layout_.n_kv_heads;
  out->resize(size_t{query.n_blocks()} * n_heads);
  means_.pool.run([&](int thread) {
    const auto n_items = static_cast<int64_t>(out->size());
    for (int64_t item = means_.pool.next_item(0); item < n_items; item = means_.pool.next_item(0))
      score(query, static_cast<uint32_t>(item) / n_heads, static_cast<uint32_t>(item) % n_heads,
            reader.abstracts(), thread);
    means_.pool.barrier(thread);
    const int64_t n_blocks = query.n_blocks();
    for (int64_t block = means_.pool.next_item(1); block < n_blocks; block = means_.pool.next_item(1))
      take(query, static_cast<uint32_t>(block), thread, out->data() + static_cast<size_t>(block) * n_heads);
  });
  return {};
}

void BlockScores::score(const BlockQuery& query, uint32_t block, uint32_t kv_head,
                        const LayerAbstracts& abstracts, int thread) {
  const uint32_t dim = layout_.head_dim;
  const uint32_t begin = block * kQueryBlock_tokens;
  const uint32_t n_rows = std::min(kQueryBlock_tokens, query.n_tokens - begin) * group_;
  // Pages behind the first query of the block are attended to in any case.
  const auto n_pages = static_cast<uint32_t>((query.first_position + begin) / layout_.page_tokens);
  std::vector<kernels::KeyCodeBlockRef>& blocks = threads_[static_cast<size_t>(thread)].blocks;
  blocks.resize((n_pages + kPages - 1) / kPages);
  for (uint32_t b = 0; b < blocks.size(); ++b) {
    const uint32_t n = std::min(kPages, n_pages - b * kPages);
    blocks[b] = {abstracts.codes(b), (1u << n) - 1};
  }
  const Rows rows = rows_of(thread);
  float* const mass = mass_of(block, kv_head);
  for (uint32_t first = 0; first < n_rows; first += kRows) {
    const uint32_t n = std::min(kRows, n_rows - first);
    for (uint32_t r = 0; r < n; ++r) {
      const size_t token = begin + (first + r) / group_;
      const size_t head = size_t{kv_head} * group_ + (first + r) % group_;
      const float* from = query.q + (token * query.n_heads + head) * dim;
      for (uint32_t c = 0; c < dim; ++c) rows.q[size_t{r} * dim + c] = from[c] * query.scale;
    }
    add_rows(kv_head, n, abstracts, rows, thread);
    for (size_t i = 0; i < n_candidates_; ++i) {
      const float* granules = rows.mass + (query.first_page + i) * page_granules_;
      float sum = 0;
      for (uint32_t g = 0; g < page_granules_; ++g) sum += granules[g];
      mass[i] += sum * static_cast<float>(n);
    }
  }
}

void BlockScores::add_rows(uint32_t kv_head, uint32_t n_rows, const LayerAbstracts& abstracts,
                           const Rows& rows, int thread) {
  Thread& own = threads_[static_cast<size_t>(thread)];
  const size_t block_sums = size_t{n_rows} * kPages * page_granules_;
  for (size_t b = 0; b < own.blocks.size(); b += kItemBlocks) {
    kernels::KeyCodeScoreParams params;
    params.layout = layout_;
    params.group = n_rows;
    params.q = rows.q;
    params.channels = abstracts.channels(kv_head).data();
    params.blocks = own.blocks.data() + b;
    params.n_blocks = static_cast<uint32_t>(std::min(kItemBlocks, own.blocks.size() - b));
    params.scores = rows.scores;
    params.maximum = rows.maximum + b * n_rows;
    params.scratch = reinterpret_cast<uint8_t*>(rows.scratch);
    means_.kernels.key_code_score(params, kv_head);
    means_.kernels.granule_sum({layout_.page_tokens, n_rows, params.blocks, params.n_blocks, rows.scores,
                                params.maximum, rows.sums + b * block_sums, rows.totals + b * n_rows});
  }
  means_.kernels.granule_mass({layout_.page_tokens, n_rows, static_cast<uint32_t>(own.blocks.size()),
                               rows.sums, rows.maximum, rows.totals, nullptr, nullptr, rows.mass, rows.maxima,
                               rows.weights});
}

void BlockScores::take(const BlockQuery& query, uint32_t block, int thread, std::vector<uint32_t>* lists) {
  const uint32_t n_heads = layout_.n_kv_heads;
  std::vector<Scored>& order = threads_[static_cast<size_t>(thread)].order;
  order.resize(n_heads * n_candidates_);
  const float* const mass = mass_.data() + block * order.size();
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = {mass[i], i};
  const size_t n_taken = std::min<size_t>(size_t{query.n_pages} * n_heads, order.size());
  if (n_taken < order.size())
    std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(n_taken), order.end(),
                     [](const Scored& a, const Scored& b) {
                       return a.mass != b.mass ? a.mass > b.mass : a.index < b.index;
                     });
  for (uint32_t h = 0; h < n_heads; ++h) lists[h].clear();
  for (size_t i = 0; i < n_taken; ++i)
    lists[order[i].index / n_candidates_].push_back(query.first_page +
                                                    static_cast<uint32_t>(order[i].index % n_candidates_));
  for (uint32_t h = 0; h < n_heads; ++h) std::ranges::sort(lists[h]);
}

}  // namespace leoam
