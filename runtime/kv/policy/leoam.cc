// The policy of this library: key codes estimate the mass of every granule, granules are taken by mass, and
// what is not taken counts with the mean keys and values of its pages.
#include <algorithm>
#include <cmath>

#include "runtime/base/aligned_buffer.h"
#include "runtime/kv/policy/granule_budget.h"
#include "runtime/kv/policy/policies.h"

namespace leoam {
namespace {

// Blocks of codes that are one work item.
constexpr uint32_t kItemBlocks = 4;

class Leoam final : public Policy {
 public:
  Leoam(const PolicyOptions& options, const PolicyMeans& means) : options_(options), means_(means) {}
  std::unique_ptr<Policy> clone() const override { return std::make_unique<Leoam>(options_, means_); }

  Status select(const SelectionQuery& query, const LayerAbstracts& abstracts, Selection* out) override {
    LEOAM_RETURN_IF_ERROR(prepare(query, abstracts, out->heads.size()));
    score(abstracts, query);
    choose(query, abstracts, out);
    out->n_chunks_evaluated = uint64_t{query.end_page - query.first_page} * heads_.size();
    return {};
  }

 private:
  // All arrays of floats are 64-byte aligned.
  struct Head {
    std::vector<uint32_t> channels;
    float* q = nullptr;               // [group][head_dim], scaled
    float* scores = nullptr;          // [n_blocks][group][16 pages][page_tokens]
    float* sums = nullptr;            // [n_blocks][group][16 pages][page_granules]
    float* maximum = nullptr;         // [n_blocks][group]
    float* totals = nullptr;          // [n_blocks][group]
    float* mass = nullptr;            // [n_blocks][16 pages][page_granules]
    std::vector<float> head_maximum;  // [group]
    std::vector<float> head_sum;      // [group]
  };

  Status prepare(const SelectionQuery& query, const LayerAbstracts& abstracts, size_t n_kv_heads);
  void score(const LayerAbstracts& abstracts, const SelectionQuery& query);
  void choose(const SelectionQuery& query, const LayerAbstracts& abstracts, Selection* out);

  const PolicyOptions options_;
  const PolicyMeans means_;
  uint32_t group_ = 0;
  uint32_t page_granules_ = 0;
  uint32_t first_block_ = 0;
  std::vector<kernels::KeyCodeBlockRef> blocks_;
  std::vector<Head> heads_;
  AlignedBuffer memory_;   // of the heads' arrays
  AlignedBuffer scratch_;  // [n_threads]
  size_t scratch_bytes_ = 0;
  std::vector<GranuleMasses> masses_;  // [n_kv_heads]
  GranuleBudget budget_;
};

Status Leoam::prepare(const SelectionQuery& query, const LayerAbstracts& abstracts, size_t n_kv_heads) {
  const kernels::KeyCodeLayout& layout = abstracts.code_layout();
  group_ = query.n_heads / layout.n_kv_heads;
  page_granules_ = layout.page_tokens / kernels::kGranule_tokens;
  first_block_ = query.first_page / kernels::kCodeBlock_pages;
  blocks_.clear();
  for (uint32_t block = first_block_; block * kernels::kCodeBlock_pages < query.end_page; ++block) {
    const uint32_t begin = block * kernels::kCodeBlock_pages;
    const uint32_t skipped = std::max(query.first_page, begin) - begin;
    const uint32_t end = std::min(query.end_page - begin, kernels::kCodeBlock_pages);
    blocks_.push_back({abstracts.code_block(block), ((1u << end) - 1) & ~((1u << skipped) - 1)});
  }
  const uint32_t n_channels =
      std::min(options_.n_channels == 0 ? layout.head_dim / 4 : options_.n_channels, layout.head_dim);

  const auto padded = [](size_t n_floats) { return (n_floats + 15) / 16 * 16; };
  const size_t pages = blocks_.size() * kernels::kCodeBlock_pages;
  const size_t q = padded(size_t{group_} * layout.head_dim);
  const size_t scores = pages * group_ * layout.page_tokens;
  const size_t sums = pages * group_ * page_granules_;
  const size_t mass = pages * page_granules_;
  const size_t per_block = padded(blocks_.size() * group_);
  const size_t bytes =
      n_kv_heads * (q + scores + padded(sums) + padded(mass) + 2 * per_block) * sizeof(float);
  if (bytes > memory_.bytes()) {
    LEOAM_ASSIGN_OR_RETURN(memory_, AlignedBuffer::allocate(2 * bytes));
  }
  scratch_bytes_ = kernels::key_code_scratch_bytes(layout, group_, n_channels);
  const size_t all_scratch = scratch_bytes_ * static_cast<size_t>(means_.pool.n_threads());
  if (all_scratch > scratch_.bytes()) {
    LEOAM_ASSIGN_OR_RETURN(scratch_, AlignedBuffer::allocate(all_scratch));
  }

  heads_.resize(n_kv_heads);
  float* at = memory_.as<float>();
  const auto take = [&at](size_t n_floats) { return std::exchange(at, at + n_floats); };
  for (uint32_t h = 0; h < n_kv_heads; ++h) {
    Head& head = heads_[h];
    head.q = take(q);
    head.scores = take(scores);
    head.sums = take(padded(sums));
    head.mass = take(padded(mass));
    head.maximum = take(per_block);
    head.totals = take(per_block);
    head.head_maximum.resize(group_);
    head.head_sum.resize(group_);
    head.channels.resize(n_channels);
    const float* from = query.fixed.q + size_t{h} * group_ * layout.head_dim;
    for (size_t i = 0; i < size_t{group_} * layout.head_dim; ++i) head.q[i] = from[i] * query.scale;
    means_.kernels.key_channel_rank(head.q, group_, layout.head_dim, abstracts.ranges(h).data(), n_channels,
                                    head.channels.data());
  }
  return {};
}

void Leoam::score(const LayerAbstracts& abstracts, const SelectionQuery& query) {
  const auto n_blocks = static_cast<uint32_t>(blocks_.size());
  const uint32_t n_ranges = (n_blocks + kItemBlocks - 1) / kItemBlocks;
  const auto n_items = static_cast<int64_t>(heads_.size() * n_ranges);
  means_.pool.run([&](int thread) {
    for (int64_t item = means_.pool.next_item(0); item < n_items; item = means_.pool.next_item(0)) {
      const auto kv_head = static_cast<uint32_t>(item / n_ranges);
      const uint32_t begin = static_cast<uint32_t>(item % n_ranges) * kItemBlocks;
      const Head& head = heads_[kv_head];
      const size_t block_scores = size_t{group_} * kernels::kCodeBlock_pages * page_granules_;
      kernels::KeyCodeScoreParams params;
      params.layout = abstracts.code_layout();
      params.group = group_;
      params.q = head.q;
      params.channels = head.channels.data();
      params.n_channels = static_cast<uint32_t>(head.channels.size());
      params.blocks = blocks_.data() + begin;
      params.n_blocks = std::min(kItemBlocks, n_blocks - begin);
      params.scores = head.scores + begin * block_scores * kernels::kGranule_tokens;
      params.maximum = head.maximum + begin * group_;
      params.scratch = scratch_.data() + static_cast<size_t>(thread) * scratch_bytes_;
      means_.kernels.key_code_score(params, kv_head);
      means_.kernels.granule_sum({params.layout.page_tokens, group_, params.blocks, params.n_blocks,
                                  params.scores, params.maximum, head.sums + begin * block_scores,
                                  head.totals + begin * group_});
    }
    means_.pool.barrier();
    const auto n_heads = static_cast<int64_t>(heads_.size());
    for (int64_t h = means_.pool.next_item(1); h < n_heads; h = means_.pool.next_item(1)) {
      Head& head = heads_[static_cast<size_t>(h)];
      const size_t first = static_cast<size_t>(h) * group_;
      means_.kernels.granule_mass({abstracts.code_layout().page_tokens, group_, n_blocks, head.sums,
                                   head.maximum, head.totals, query.fixed.maximum + first,
                                   query.fixed.sum + first, head.mass, head.head_maximum.data(),
                                   head.head_sum.data()});
    }
  });
}

void Leoam::choose(const SelectionQuery& query, const LayerAbstracts& abstracts, Selection* out) {
  const size_t n_masses = blocks_.size() * kernels::kCodeBlock_pages * page_granules_;
  masses_.resize(heads_.size());
  for (size_t h = 0; h < heads_.size(); ++h) {
    const Head& head = heads_[h];
    float fixed = 0;
    for (uint32_t g = 0; g < group_; ++g)
      fixed += query.fixed.sum[h * group_ + g] *
               std::exp(query.fixed.maximum[h * group_ + g] - head.head_maximum[g]) / head.head_sum[g];
    masses_[h] = {{head.mass, n_masses}, fixed / static_cast<float>(group_)};
  }
  budget_.divide(masses_, query.n_granules * heads_.size(), options_.rest);
  for (size_t h = 0; h < heads_.size(); ++h) {
    Selection::Head& selected = out->heads[h];
    selected.granules.clear();
    selected.estimates.clear();
    for (uint32_t page = query.first_page; page < query.end_page; ++page) {
      const float* mass =
          heads_[h].mass + size_t{page - first_block_ * kernels::kCodeBlock_pages} * page_granules_;
      uint32_t mask = 0;
      for (uint32_t i = 0; i < page_granules_; ++i)
        if (budget_.takes(h, mass[i])) mask |= 1u << i;
      // A page of which something is selected is not estimated: its means are those of the rest and of what
      // stands out of it.
      if (mask != 0)
        selected.granules.push_back({page, mask});
      else if (options_.estimates)
        selected.estimates.push_back({abstracts.record(page, static_cast<uint32_t>(h)),
                                      static_cast<float>(abstracts.code_layout().page_tokens)});
    }
  }
}

}  // namespace

std::unique_ptr<Policy> create_leoam(const PolicyOptions& options, const PolicyMeans& means) {
  return std::make_unique<Leoam>(options, means);
}

}  // namespace leoam
