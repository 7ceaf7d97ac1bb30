// Heavy hitters (H2O, arXiv 2306.14048): each KV head keeps a set of single tokens, half of the budget the
// most recent ones, half those with the most attention, added up over all queries so far. What has left the
// set never comes back.
#include <algorithm>

#include "runtime/kv/policy/chunk_policy.h"
#include "runtime/kv/policy/policies.h"

namespace leoam {
namespace {

class H2o final : public ChunkPolicy {
 public:
  using ChunkPolicy::ChunkPolicy;
  std::unique_ptr<Policy> clone() const override { return std::make_unique<H2o>(options_, means_); }
  bool counts_masses() const override { return true; }
  bool follows_query() const override { return false; }

  Status select(const SelectionQuery& query, AbstractReader& reader, Selection* out) override {
    const LayerAbstracts& abstracts = reader.abstracts();
    LEOAM_RETURN_IF_ERROR(prepare(query, abstracts));
    // Nothing is opened: bounds of the largest chunks say how much is missed.
    for (uint32_t h = 0; h < heads_.size(); ++h)
      heads_[h].search.begin(query, abstracts, h, heads_[h].q, 0, 0);
    LEOAM_RETURN_IF_ERROR(search(reader));
    const Share share = divide(query);
    candidates_.resize(heads_.size());
    finish(abstracts, out, [&](uint32_t head) { keep(query, share, head); });
    return {};
  }

 private:
  // Of the candidates of each head.
  struct Share {
    uint64_t n_kept;
    uint64_t first_recent;
  };
  struct Candidate {
    float mass;
    uint64_t token;
  };

  Share divide(const SelectionQuery& query) const {
    const uint64_t begin = uint64_t{query.first_page} * layout_.page_tokens;
    const uint64_t end = uint64_t{query.end_page} * layout_.page_tokens;
    const uint64_t n_fixed = query.n_tokens - (end - begin);
    const uint64_t n_recent_fixed = query.n_tokens - end;
    const uint64_t n_kept = query.budget_tokens - std::min(query.budget_tokens, n_fixed);
    const uint64_t half = query.budget_tokens / 2;
    return {n_kept, end - std::min({half - std::min(half, n_recent_fixed), n_kept, end - begin})};
  }

  template <class Visit>  // visit(token, mass of it, which may change)
  void for_each_kept(const SelectionQuery& query, uint32_t head, const Visit& visit) const {
    for (uint32_t page = query.first_page; page < query.end_page; ++page) {
      float* const masses = query.masses->of_page(head, page);
      for (uint32_t slot = 0; slot < layout_.page_tokens; ++slot)
        if (masses[slot] >= 0) visit(uint64_t{page} * layout_.page_tokens + slot, masses[slot]);
    }
  }

  // Evicts what the budget does not hold, and selects the rest.
  void keep(const SelectionQuery& query, const Share& share, uint32_t head) {
    std::vector<Candidate>& candidates = candidates_[head];
    candidates.clear();
    uint64_t n_recent = 0;
    for_each_kept(query, head, [&](uint64_t token, float mass) {
      if (token < share.first_recent)
        candidates.push_back({mass, token});
      else
        ++n_recent;
    });
    const auto n_heavy = static_cast<size_t>(std::min<uint64_t>(share.n_kept - n_recent, candidates.size()));
    // Of equals the newest stay.
    std::nth_element(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(n_heavy),
                     candidates.end(), [](const Candidate& a, const Candidate& b) {
                       return a.mass != b.mass ? a.mass > b.mass : a.token > b.token;
                     });
    for (size_t i = n_heavy; i < candidates.size(); ++i) {
      const uint64_t token = candidates[i].token;
      query.masses->of_page(head,
                            static_cast<uint32_t>(token / layout_.page_tokens))[token % layout_.page_tokens] =
          LayerMasses::kEvicted;
    }
    for_each_kept(query, head, [&](uint64_t token, float) {
      heads_[head].masks.add_token(static_cast<uint32_t>(token / layout_.page_tokens),
                                   static_cast<uint32_t>(token % layout_.page_tokens));
    });
  }

  std::vector<std::vector<Candidate>> candidates_;  // [n_kv_heads]: not recent
};

}  // namespace

std::unique_ptr<Policy> create_h2o(const PolicyOptions& options, const PolicyMeans& means) {
  return std::make_unique<H2o>(options, means);
}

}  // namespace leoam
