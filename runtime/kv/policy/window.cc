// The policy that most long-context programs have: sinks and the most recent tokens.
#include <algorithm>

#include "runtime/kv/policy/policies.h"

namespace leoam {
namespace {

class Window final : public Policy {
 public:
  std::unique_ptr<Policy> clone() const override { return std::make_unique<Window>(*this); }

  Status select(const SelectionQuery& query, const LayerAbstracts& abstracts, Selection* out) override {
    const uint32_t page_granules = abstracts.code_layout().page_tokens / kernels::kGranule_tokens;
    const auto n_pages = static_cast<uint32_t>(
        std::min<uint64_t>(query.n_granules / page_granules, query.end_page - query.first_page));
    for (Selection::Head& head : out->heads) {
      head.granules.clear();
      for (uint32_t page = query.end_page - n_pages; page < query.end_page; ++page)
        head.granules.push_back({page, all_granules(page_granules)});
    }
    return {};
  }
};

}  // namespace

std::unique_ptr<Policy> create_window(const PolicyOptions&, const PolicyMeans&) {
  return std::make_unique<Window>();
}

}  // namespace leoam
