// The policy of this library: bounds of chunks say where to look, key codes estimate the mass of every
// granule there, granules are taken by mass, and what is not taken counts with the mean values of its pages
// and its mass, or, where no codes were read, with the mean keys and values of its chunks.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/base/aligned_buffer.h"
#include "runtime/kv/policy/chunk_policy.h"
#include "runtime/kv/policy/granule_budget.h"
#include "runtime/kv/policy/policies.h"

namespace leoam {
namespace {

// Blocks of codes that are one work item.
constexpr size_t kItemBlocks = 4;
// Chunks that are opened as a whole: their codes lie together.
constexpr uint32_t kLeafLevel = 1;

class Leoam final : public ChunkPolicy {
 public:
  using ChunkPolicy::ChunkPolicy;
  std::unique_ptr<Policy> clone() const override { return std::make_unique<Leoam>(options_, means_); }

  Status select(const SelectionQuery& query, AbstractReader& reader, Selection* out) override {
    const LayerAbstracts& abstracts = reader.abstracts();
    LEOAM_RETURN_IF_ERROR(prepare(query, abstracts));
    const double n_tokens = options_.breadth * static_cast<double>(query.budget_tokens);
    const auto n_most_pages = static_cast<uint64_t>(n_tokens / layout_.page_tokens) + 1;
    for (uint32_t h = 0; h < heads_.size(); ++h)
      heads_[h].search.begin(query, abstracts, h, heads_[h].q, kLeafLevel, n_most_pages);
    if (!opens_all()) LEOAM_RETURN_IF_ERROR(search(reader));
    LEOAM_RETURN_IF_ERROR(prepare_scores(query, reader));
    budget_.begin(heads_.size());
    const uint64_t n_equal = query.n_granules * heads_.size();
    means_.pool.run([&](int thread) {
      score(abstracts, thread);
      if (opens_all()) for_each(1, [&](uint32_t h) { heads_[h].search.advance(means_.kernels, reader); });
      means_.pool.barrier(thread);
      for_each(2, [&](uint32_t h) { weigh(query, h); });
      means_.pool.barrier(thread);
      if (n_most_chosen_pages(query) > 0) {
        if (thread == 0) limit_pages(query);
        means_.pool.barrier(thread);
      }
      for_each(3, [&](uint32_t h) { budget_.count(h, {scores_[h].mass, n_masses(scores_[h])}); });
      means_.pool.barrier(thread);
      const uint64_t n_most = query.shares ? query.shares->share(budget_, n_equal) : n_equal;
      for_each(4, [&](uint32_t h) {
        choose(h, budget_.share(h, n_most));
        finish_head(h, abstracts, out);
      });
    });
    if (query.shares && !query.is_guess) {
      uint64_t n_taken = 0;
      for (const Selection::Head& head : out->heads) n_taken += head.n_tokens / kernels::kGranule_tokens;
      query.shares->take(budget_, n_equal, n_taken);
    }
    count_chunks(out);
    return {};
  }

 private:
  // Of one KV head; arrays of floats are 64-byte aligned. Blocks are those of which something is open.
  struct Scores {
    std::vector<uint32_t> block_numbers;
    std::vector<kernels::KeyCodeBlockRef> blocks;
    float* sums = nullptr;       // [n_blocks][group][16 pages][page_granules]
    float* maximum = nullptr;    // [n_blocks][group]
    float* totals = nullptr;     // [n_blocks][group]
    float* mass = nullptr;       // [n_blocks][16 pages][page_granules]
    float* rest = nullptr;       // [n_blocks][group][16 pages]: weights
    std::vector<float> maxima;   // [group]
    std::vector<float> weights;  // [group]: sum of exp(score - maximum)
    std::vector<float> units;    // [group]: exp(maximum of a block - maximum)
  };

  // All pages are opened, and no bound says where to look.
  bool opens_all() const { return heads_[0].search.opens_all(); }
  Status prepare_scores(const SelectionQuery& query, AbstractReader& reader);
  // Below: inside a region of the pool.
  template <class Work>  // work(kv_head), once for each
  void for_each(int loop, const Work& work) const {
    const auto n_heads = static_cast<int64_t>(heads_.size());
    for (int64_t h = means_.pool.next_item(loop); h < n_heads; h = means_.pool.next_item(loop))
      work(static_cast<uint32_t>(h));
  }
  void score(const LayerAbstracts& abstracts, int thread);
  size_t n_masses(const Scores& head) const {
    return head.blocks.size() * kernels::kCodeBlock_pages * page_granules_;
  }
  // Scores -> masses.
  void weigh(const SelectionQuery& query, uint32_t head);
  // 0: from all.
  size_t n_most_chosen_pages(const SelectionQuery& query) const;
  // Leaves mass only in the pages with the most of it.
  void limit_pages(const SelectionQuery& query);
  void choose(uint32_t head, GranuleShare share);
  void estimate(uint32_t head, const LayerAbstracts& abstracts, Selection::Head* out) override;
  bool is_open(uint32_t head, Chunk chunk) const;
  template <class Visit>  // visit(page, masses of its granules)
  void for_each_open_page(uint32_t head, const Visit& visit) const;

  std::vector<Scores> scores_;  // [n_kv_heads]
  AlignedBuffer memory_;        // of their arrays
  AlignedBuffer scratch_;       // [n_threads]: scores of a block, which are summed at once, then the kernel's
  size_t scratch_bytes_ = 0;
  size_t score_floats_ = 0;           // of a block
  std::vector<float> page_mass_;      // [candidates], of all heads
  std::vector<uint32_t> page_order_;  // candidates
  GranuleBudget budget_;
};

Status Leoam::prepare_scores(const SelectionQuery& query, AbstractReader& reader) {
  const LayerAbstracts& abstracts = reader.abstracts();
  score_floats_ = size_t{group_} * kernels::kCodeBlock_pages * layout_.page_tokens;
  scratch_bytes_ = score_floats_ * sizeof(float) + kernels::key_code_scratch_bytes(layout_, group_);
  LEOAM_RETURN_IF_ERROR(reserve_floats(
      scratch_bytes_ / sizeof(float) * static_cast<size_t>(means_.pool.n_threads()), &scratch_));
  // Where a head's arrays are in memory, or would be in memory from 0; returns its end.
  const auto place = [this](Scores& head, size_t offset) {
    const size_t n_blocks = head.blocks.size();
    const size_t pages = n_blocks * kernels::kCodeBlock_pages;
    float* const base = memory_.as<float>();
    const auto take = [&](size_t n) {
      const size_t at = std::exchange(offset, offset + (n + 15) / 16 * 16);
      return base ? base + at : nullptr;
    };
    head.sums = take(pages * group_ * page_granules_);
    head.mass = take(pages * page_granules_);
    head.rest = take(pages * group_);
    head.maximum = take(n_blocks * group_);
    head.totals = take(n_blocks * group_);
    return offset;
  };
  scores_.resize(heads_.size());
  needed_.clear();
  size_t n_floats = 0;
  for (size_t h = 0; h < heads_.size(); ++h) {
    Scores& head = scores_[h];
    head.block_numbers.clear();
    head.blocks.clear();
    const auto add = [&head](Chunk chunk) {
      const uint32_t block = chunk.block();
      if (head.block_numbers.empty() || head.block_numbers.back() != block) {
        head.block_numbers.push_back(block);
        head.blocks.push_back({});
      }
      const uint32_t slot = chunk.first_page() % kernels::kCodeBlock_pages;
      head.blocks.back().pages |= ((1u << chunk.n_pages()) - 1) << slot;
    };
    if (opens_all())
      for (uint32_t page = query.first_page; page < query.end_page; ++page) add({0, page});
    else
      for (const ChunkSearch::Found& found : heads_[h].search.open()) add(found.chunk);
    needed_.insert(needed_.end(), head.block_numbers.begin(), head.block_numbers.end());
    n_floats = place(head, n_floats);
  }
  sort_unique(&needed_);
  LEOAM_RETURN_IF_ERROR(reader.hold(AbstractPart::codes, needed_));
  if (opens_all()) LEOAM_RETURN_IF_ERROR(reader.hold(AbstractPart::records, heads_[0].search.needed()));
  LEOAM_RETURN_IF_ERROR(reserve_floats(n_floats, &memory_));
  size_t offset = 0;
  for (uint32_t h = 0; h < scores_.size(); ++h) {
    Scores& head = scores_[h];
    for (size_t i = 0; i < head.blocks.size(); ++i)
      head.blocks[i].block = abstracts.codes(head.block_numbers[i]);
    offset = place(head, offset);
    head.maxima.resize(group_);
    head.weights.resize(group_);
  }
  return {};
}

void Leoam::score(const LayerAbstracts& abstracts, int thread) {
  const auto n_items = [](const Scores& head) {
    return static_cast<int64_t>((head.blocks.size() + kItemBlocks - 1) / kItemBlocks);
  };
  const size_t block_sums = size_t{group_} * kernels::kCodeBlock_pages * page_granules_;
  kernels::KeyCodeScoreParams params;
  params.layout = layout_;
  params.group = group_;
  params.n_blocks = 1;
  params.scores = reinterpret_cast<float*>(scratch_.data() + static_cast<size_t>(thread) * scratch_bytes_);
  params.scratch = reinterpret_cast<uint8_t*>(params.scores + score_floats_);
  int64_t item = means_.pool.next_item(0);
  int64_t first = 0;
  for (uint32_t h = 0; h < scores_.size(); ++h) {
    const Scores& head = scores_[h];
    const int64_t end = first + n_items(head);
    while (item < end) {
      const size_t begin = static_cast<size_t>(item - first) * kItemBlocks;
      item = means_.pool.next_item(0);
      const size_t n = std::min(begin + kItemBlocks, head.blocks.size());
      const size_t next = item < end ? static_cast<size_t>(item - first) * kItemBlocks : n - 1;
      for (size_t i = begin; i < n; ++i) {
        params.q = heads_[h].q;
        params.channels = abstracts.channels(h).data();
        params.blocks = &head.blocks[i];
        params.next_block = head.blocks[i + 1 < n ? i + 1 : next].block;
        params.maximum = head.maximum + i * group_;
        means_.kernels.key_code_score(params, h);
        means_.kernels.granule_sum({layout_.page_tokens, group_, params.blocks, 1, params.scores,
                                    params.maximum, head.sums + i * block_sums, head.totals + i * group_});
      }
    }
    first = end;
  }
}

void Leoam::weigh(const SelectionQuery& query, uint32_t h) {
  Scores& head = scores_[h];
  const size_t at = size_t{h} * group_;
  means_.kernels.granule_mass({layout_.page_tokens, group_, static_cast<uint32_t>(head.blocks.size()),
                               head.sums, head.maximum, head.totals, query.fixed.maximum + at,
                               query.fixed.sum + at, head.mass, head.maxima.data(), head.weights.data()});
}

template <class Visit>
void Leoam::for_each_open_page(uint32_t h, const Visit& visit) const {
  const Scores& head = scores_[h];
  size_t at = 0;
  for (const ChunkSearch::Found& found : heads_[h].search.open()) {
    while (head.block_numbers[at] != found.chunk.block()) ++at;
    for (uint32_t i = 0; i < found.chunk.n_pages(); ++i) {
      const uint32_t page = found.chunk.first_page() + i;
      visit(page,
            head.mass + (at * kernels::kCodeBlock_pages + page % kernels::kCodeBlock_pages) * page_granules_);
    }
  }
}

size_t Leoam::n_most_chosen_pages(const SelectionQuery& query) const {
  const double n_tokens =
      options_.page_spread * static_cast<double>(query.n_granules * kernels::kGranule_tokens);
  const auto n_most = static_cast<size_t>(n_tokens / layout_.page_tokens) + 1;
  return options_.page_spread > 0 && n_most < query.end_page - query.first_page ? n_most : 0;
}

void Leoam::limit_pages(const SelectionQuery& query) {
  const size_t n_most = n_most_chosen_pages(query);
  const size_t n_pages = query.end_page - query.first_page;
  page_mass_.assign(n_pages, 0);
  for (uint32_t h = 0; h < scores_.size(); ++h)
    for_each_open_page(h, [&](uint32_t page, const float* mass) {
      for (uint32_t i = 0; i < page_granules_; ++i) page_mass_[page - query.first_page] += mass[i];
    });
  page_order_.resize(n_pages);
  std::iota(page_order_.begin(), page_order_.end(), 0u);
  std::nth_element(page_order_.begin(), page_order_.begin() + static_cast<std::ptrdiff_t>(n_most),
                   page_order_.end(), [this](uint32_t a, uint32_t b) {
                     return page_mass_[a] != page_mass_[b] ? page_mass_[a] > page_mass_[b] : a < b;
                   });
  for (size_t i = n_most; i < n_pages; ++i) page_mass_[page_order_[i]] = -1;
  for (uint32_t h = 0; h < scores_.size(); ++h)
    for_each_open_page(h, [&](uint32_t page, float* mass) {
      if (page_mass_[page - query.first_page] < 0) std::fill_n(mass, page_granules_, 0.0f);
    });
}

void Leoam::choose(uint32_t h, GranuleShare share) {
  for_each_open_page(h, [&](uint32_t page, const float* mass) {
    heads_[h].masks.set(page, share.take({mass, page_granules_}));
  });
}

bool Leoam::is_open(uint32_t h, Chunk chunk) const {
  const std::span<const ChunkSearch::Found> open = heads_[h].search.open();
  const auto behind = std::ranges::upper_bound(
      open, chunk.first_page(), {}, [](const ChunkSearch::Found& found) { return found.chunk.first_page(); });
  return behind != open.begin() &&
         chunk.first_page() < std::prev(behind)->chunk.first_page() + std::prev(behind)->chunk.n_pages();
}

void Leoam::estimate(uint32_t h, const LayerAbstracts& abstracts, Selection::Head* out) {
  if (!options_.estimates) return;
  const PageMasks& masks = heads_[h].masks;
  Scores& scores = scores_[h];
  heads_[h].remainder.estimate(
      abstracts, h, masks, [&](Chunk chunk) { return !is_open(h, chunk); }, &out->estimates);
  out->log_units = scores.maxima;
  scores.units.resize(group_);
  uint32_t selected[kernels::kCodeBlock_pages];
  for (size_t i = 0; i < scores.blocks.size(); ++i) {
    const uint32_t first_page = scores.block_numbers[i] * kernels::kCodeBlock_pages;
    for (uint32_t slot = 0; slot < kernels::kCodeBlock_pages; ++slot)
      selected[slot] = (scores.blocks[i].pages >> slot & 1) != 0 ? masks[first_page + slot] : 0;
    for (uint32_t g = 0; g < group_; ++g)
      scores.units[g] = std::exp(scores.maximum[i * group_ + g] - scores.maxima[g]);
    const size_t pages = i * group_ * kernels::kCodeBlock_pages;
    means_.kernels.granule_rest({layout_.page_tokens, group_, scores.sums + pages * page_granules_, selected,
                                 scores.units.data(), scores.rest + pages});
    out->rests.push_back({scores.blocks[i].block + layout_.head_offset(h), scores.rest + pages});
  }
}

}  // namespace

std::unique_ptr<Policy> create_leoam(const PolicyOptions& options, const PolicyMeans& means) {
  return std::make_unique<Leoam>(options, means);
}

}  // namespace leoam
