// Quest (arXiv 2406.10774): whole pages, by the upper bound of their scores from the least and greatest key.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/kv/policy/policies.h"

namespace leoam {
namespace {

class Quest final : public Policy {
 public:
  explicit Quest(const PolicyMeans& means) : means_(means) {}
  std::unique_ptr<Policy> clone() const override { return std::make_unique<Quest>(means_); }

  Status select(const SelectionQuery& query, const LayerAbstracts& abstracts, Selection* out) override {
    heads_.resize(out->heads.size());
    means_.pool.run([&](int) {
      const auto n = static_cast<int64_t>(heads_.size());
      for (int64_t head = means_.pool.next_item(0); head < n; head = means_.pool.next_item(0))
        select_head(query, abstracts, static_cast<uint32_t>(head), &heads_[static_cast<size_t>(head)],
                    &out->heads[static_cast<size_t>(head)]);
    });
    out->n_chunks_evaluated = uint64_t{query.end_page - query.first_page} * heads_.size();
    return {};
  }

 private:
  struct Scratch {
    std::vector<float> q;
    std::vector<const uint8_t*> records;
    std::vector<float> upper;  // [pages][group]
    std::vector<float> share;  // [pages]
    std::vector<uint32_t> order;
  };

  void select_head(const SelectionQuery& query, const LayerAbstracts& abstracts, uint32_t kv_head, Scratch* s,
                   Selection::Head* out) const {
    const kernels::KeyCodeLayout& layout = abstracts.code_layout();
    const uint32_t group = query.n_heads / layout.n_kv_heads;
    const uint32_t n = query.end_page - query.first_page;
    s->q.assign(query.fixed.q + size_t{kv_head} * group * layout.head_dim,
                query.fixed.q + size_t{kv_head + 1} * group * layout.head_dim);
    for (float& value : s->q) value *= query.scale;
    s->records.clear();
    for (uint32_t page = query.first_page; page < query.end_page; ++page)
      s->records.push_back(abstracts.record(page, kv_head));
    s->upper.resize(size_t{n} * group);
    kernels::ChunkScoreParams params;
    params.layout = abstracts.chunk_layout();
    params.group = group;
    params.q = s->q.data();
    params.records = s->records.data();
    params.n_chunks = n;
    params.upper = s->upper.data();
    means_.kernels.chunk_score(params);
    // One list for the group: the mean of its heads' softmaxed bounds.
    s->share.assign(n, 0);
    for (uint32_t g = 0; g < group; ++g) {
      float maximum = -INFINITY;
      for (uint32_t i = 0; i < n; ++i) maximum = std::max(maximum, s->upper[size_t{i} * group + g]);
      float sum = 0;
      for (uint32_t i = 0; i < n; ++i) sum += std::exp(s->upper[size_t{i} * group + g] - maximum);
      for (uint32_t i = 0; i < n; ++i)
        s->share[i] += std::exp(s->upper[size_t{i} * group + g] - maximum) / sum;
    }
    const uint32_t page_granules = layout.page_tokens / kernels::kGranule_tokens;
    const auto n_taken = static_cast<uint32_t>(std::min<uint64_t>(query.n_granules / page_granules, n));
    s->order.resize(n);
    std::iota(s->order.begin(), s->order.end(), 0u);
    std::nth_element(s->order.begin(), s->order.begin() + n_taken, s->order.end(),
                     [s](uint32_t a, uint32_t b) {
                       return s->share[a] != s->share[b] ? s->share[a] > s->share[b] : a < b;
                     });
    std::sort(s->order.begin(), s->order.begin() + n_taken);
    out->granules.clear();
    for (uint32_t i = 0; i < n_taken; ++i)
      out->granules.push_back({query.first_page + s->order[i], all_granules(page_granules)});
  }

  const PolicyMeans means_;
  std::vector<Scratch> heads_;
};

}  // namespace

std::unique_ptr<Policy> create_quest(const PolicyOptions&, const PolicyMeans& means) {
  return std::make_unique<Quest>(means);
}

}  // namespace leoam
