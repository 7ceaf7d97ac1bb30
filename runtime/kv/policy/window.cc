// The policy that most long-context programs have: sinks and the most recent tokens.
#include <algorithm>

#include "runtime/kv/policy/chunk_policy.h"
#include "runtime/kv/policy/policies.h"

namespace leoam {
namespace {

class Window final : public ChunkPolicy {
 public:
  using ChunkPolicy::ChunkPolicy;
  std::unique_ptr<Policy> clone() const override { return std::make_unique<Window>(options_, means_); }

  bool follows_query() const override { return false; }

  Status select(const SelectionQuery& query, AbstractReader& reader, Selection* out) override {
    const LayerAbstracts& abstracts = reader.abstracts();
    LEOAM_RETURN_IF_ERROR(prepare(query, abstracts));
    // Nothing is opened: bounds of the largest chunks say how much is missed.
    for (uint32_t h = 0; h < heads_.size(); ++h)
      heads_[h].search.begin(query, abstracts, h, heads_[h].q, 0, 0);
    LEOAM_RETURN_IF_ERROR(search(reader));
    const auto n_pages = static_cast<uint32_t>(
        std::min<uint64_t>(query.n_granules / page_granules_, query.end_page - query.first_page));
    finish(abstracts, out, [&](uint32_t head) {
      for (uint32_t page = query.end_page - n_pages; page < query.end_page; ++page)
        heads_[head].masks.set_all(page);
    });
    return {};
  }
};

}  // namespace

std::unique_ptr<Policy> create_window(const PolicyOptions& options, const PolicyMeans& means) {
  return std::make_unique<Window>(options, means);
}

}  // namespace leoam
