// Quest (arXiv 2406.10774): whole pages, by the upper bound of their scores from the least and greatest key.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/kv/policy/chunk_policy.h"
#include "runtime/kv/policy/policies.h"

namespace leoam {
namespace {

class Quest final : public ChunkPolicy {
 public:
  using ChunkPolicy::ChunkPolicy;
  std::unique_ptr<Policy> clone() const override { return std::make_unique<Quest>(options_, means_); }

  Status select(const SelectionQuery& query, AbstractReader& reader, Selection* out) override {
    const LayerAbstracts& abstracts = reader.abstracts();
    LEOAM_RETURN_IF_ERROR(prepare(query, abstracts));
    for (uint32_t h = 0; h < heads_.size(); ++h)
      heads_[h].search.begin_with_pages(query, abstracts, h, heads_[h].q);
    LEOAM_RETURN_IF_ERROR(search(reader));
    const auto n_pages = static_cast<size_t>(
        std::min<uint64_t>(query.n_granules / page_granules_, query.end_page - query.first_page));
    orders_.resize(heads_.size());
    finish(abstracts, out, [&](uint32_t head) { choose(n_pages, &heads_[head], &orders_[head]); });
    return {};
  }

 private:
  struct Order {
    std::vector<float> share;     // [pages]
    std::vector<size_t> indices;  // the best first
  };

  void choose(size_t n_taken, Head* head, Order* order) const {
    std::vector<float>& share = order->share;
    std::vector<size_t>& indices = order->indices;
    const std::span<const ChunkSearch::Found> pages = head->search.closed();
    const size_t n = pages.size();
    // One list for the group: the mean of its heads' softmaxed bounds.
    share.assign(n, 0);
    for (uint32_t g = 0; g < group_; ++g) {
      float maximum = -INFINITY;
      for (const ChunkSearch::Found& page : pages) maximum = std::max(maximum, head->search.upper(page)[g]);
      float sum = 0;
      for (const ChunkSearch::Found& page : pages) sum += std::exp(head->search.upper(page)[g] - maximum);
      for (size_t i = 0; i < n; ++i) share[i] += std::exp(head->search.upper(pages[i])[g] - maximum) / sum;
    }
    indices.resize(n);
    std::iota(indices.begin(), indices.end(), size_t{0});
    std::nth_element(indices.begin(), indices.begin() + static_cast<std::ptrdiff_t>(n_taken), indices.end(),
                     [&](size_t a, size_t b) {
                       return share[a] != share[b] ? share[a] > share[b]
                                                   : pages[a].chunk.index < pages[b].chunk.index;
                     });
    for (size_t i = 0; i < n_taken; ++i) head->masks.set_all(pages[indices[i]].chunk.index);
  }

  std::vector<Order> orders_;  // [n_kv_heads]
};

}  // namespace

std::unique_ptr<Policy> create_quest(const PolicyOptions& options, const PolicyMeans& means) {
  return std::make_unique<Quest>(options, means);
}

}  // namespace leoam
