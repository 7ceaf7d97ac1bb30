#include "runtime/kv/policy/chunk_search.h"

#include <algorithm>
#include <cmath>

namespace leoam {
namespace {

// Chunks that are split at once: enough to evaluate their children together, few enough to go on with the
// best.
constexpr size_t kRound = 8;

bool is_less(const ChunkSearch::Found& a, const ChunkSearch::Found& b) {
  if (a.most != b.most) return a.most < b.most;
  return a.chunk.first_page() > b.chunk.first_page();
}

// Fewest chunks of at most `level` that make up [begin, end).
void cover(uint32_t begin, uint32_t end, uint32_t level, std::vector<Chunk>* out) {
  while (begin < end) {
    Chunk chunk = {0, begin};
    for (Chunk larger = chunk;
         larger.level <= level && larger.first_page() == begin && begin + larger.n_pages() <= end;
         larger = {larger.level + 1, larger.index >> Chunk::kFanOut_log2}) {
      chunk = larger;
      if (larger.index % Chunk::kChildren != 0) break;
    }
    out->push_back(chunk);
    begin += chunk.n_pages();
  }
}

}  // namespace

void sort_unique(std::vector<uint32_t>* numbers) {
  std::ranges::sort(*numbers);
  numbers->erase(std::unique(numbers->begin(), numbers->end()), numbers->end());
}

void ChunkSearch::begin(const SelectionQuery& query, const LayerAbstracts& abstracts, uint32_t kv_head,
                        const float* q, uint32_t leaf_level, uint64_t n_most_pages) {
  abstracts_ = &abstracts;
  kv_head_ = kv_head;
  group_ = query.n_heads / abstracts.code_layout().n_kv_heads;
  q_ = q;
  leaf_level_ = leaf_level;
  n_most_pages_ = n_most_pages;
  n_open_pages_ = n_evaluated_ = 0;
  floor_.resize(group_);
  for (uint32_t g = 0; g < group_; ++g) {
    const size_t head = size_t{kv_head} * group_ + g;
    floor_[g] = query.fixed.maximum[head] + std::log(query.fixed.sum[head]);
  }
  queue_.clear();
  open_.clear();
  upper_.clear();
  pending_.clear();
  opens_all_ = n_most_pages >= query.end_page - query.first_page;
  cover(query.first_page, query.end_page, opens_all_ ? Chunk::kBlockLevel : UINT32_MAX, &pending_);
  need(nullptr, pending_);
}

void ChunkSearch::begin_with_pages(const SelectionQuery& query, const LayerAbstracts& abstracts,
                                   uint32_t kv_head, const float* q) {
  begin(query, abstracts, kv_head, q, 0, 0);
  pending_.clear();
  opens_all_ = false;
  for (uint32_t page = query.first_page; page < query.end_page; ++page) pending_.push_back({0, page});
}

void ChunkSearch::need(const AbstractReader* reader, std::span<const Chunk> chunks) {
  needed_.clear();
  for (const Chunk& chunk : chunks)
    if (chunk.level < Chunk::kBlockLevel && !(reader && reader->holds(AbstractPart::records, chunk.block())))
      needed_.push_back(chunk.block());
  sort_unique(&needed_);
}

bool ChunkSearch::advance(const kernels::CpuTable& kernels, const AbstractReader& reader) {
  for (;;) {
    if (!pending_.empty()) {
      need(&reader, pending_);
      if (!needed_.empty()) return false;
      found_.clear();
      evaluate(kernels, pending_, &found_);
      pending_.clear();
      for (const Found& found : found_) {
        queue_.push_back(found);
        std::push_heap(queue_.begin(), queue_.end(), is_less);
      }
    }
    size_t n_split = 0;
    while (n_split < kRound && !queue_.empty() && n_open_pages_ < n_most_pages_ && !opens_all_) {
      const Found found = queue_.front();
      const bool is_leaf = found.chunk.level <= leaf_level_;
      // Children of what is being split may come before it.
      if (is_leaf && n_split > 0) break;
      std::pop_heap(queue_.begin(), queue_.end(), is_less);
      queue_.pop_back();
      if (is_leaf) {
        open_.push_back(found);
        n_open_pages_ += found.chunk.n_pages();
        continue;
      }
      for (uint32_t i = 0; i < Chunk::kChildren; ++i) pending_.push_back(found.chunk.child(i));
      ++n_split;
    }
    if (n_split > 0) continue;
    if (opens_all_) {
      open_.insert(open_.end(), queue_.begin(), queue_.end());
      queue_.clear();
    }
    std::ranges::sort(open_, {}, [](const Found& found) { return found.chunk.first_page(); });
    return true;
  }
}

void ChunkSearch::split(const kernels::CpuTable& kernels, const Found& found, std::vector<Found>* out) {
  Chunk children[Chunk::kChildren];
  for (uint32_t i = 0; i < Chunk::kChildren; ++i) children[i] = found.chunk.child(i);
  evaluate(kernels, children, out);
}

void ChunkSearch::evaluate(const kernels::CpuTable& kernels, std::span<const Chunk> chunks,
                           std::vector<Found>* out) {
  records_.clear();
  for (const Chunk& chunk : chunks) records_.push_back(abstracts_->record(chunk, kv_head_));
  const auto first = static_cast<uint32_t>(upper_.size() / group_);
  upper_.resize(upper_.size() + chunks.size() * group_);
  kernels::ChunkScoreParams params;
  params.layout = abstracts_->chunk_layout();
  params.group = group_;
  params.q = q_;
  params.records = records_.data();
  params.n_chunks = static_cast<uint32_t>(chunks.size());
  params.upper = &upper_[size_t{first} * group_];
  kernels.chunk_score(params);
  n_evaluated_ += chunks.size();
  for (uint32_t i = 0; i < chunks.size(); ++i) {
    const float* upper = params.upper + size_t{i} * group_;
    float greatest = -INFINITY;
    for (uint32_t g = 0; g < group_; ++g) greatest = std::max(greatest, upper[g] - floor_[g]);
    float sum = 0;
    for (uint32_t g = 0; g < group_ && std::isfinite(greatest); ++g)
      sum += std::exp(upper[g] - floor_[g] - greatest);
    out->push_back({chunks[i], std::isfinite(greatest) ? greatest + std::log(sum) : greatest, first + i});
  }
}

}  // namespace leoam
