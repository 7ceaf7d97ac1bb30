#include "runtime/kv/policy/policies.h"

#include <fmt/ranges.h>

#include <array>

namespace leoam {
namespace {

struct Entry {
  std::string_view name;
  CreatePolicy* create;
  bool selects_blocks;  // its prompts may
};
constexpr Entry kEntries[] = {{"exact", nullptr, false},
                              {"leoam", create_leoam, true},
                              {"quest", create_quest, true},
                              {"window", create_window, false},
                              {"h2o", create_h2o, false}};

constexpr auto kNames = [] {
  std::array<std::string_view, std::size(kEntries)> names;
  for (size_t i = 0; i < names.size(); ++i) names[i] = kEntries[i].name;
  return names;
}();

Status check(const PolicyOptions& options) {
  if (!(options.importance > 0 && options.importance <= 1))
    return error(ErrorKind::invalid_argument, "importance: expected above 0 and at most 1, found {}",
                 options.importance);
  if (!(options.breadth > 0 && options.breadth <= 1e9))
    return error(ErrorKind::invalid_argument, "breadth: expected above 0 and at most 1e9, found {}",
                 options.breadth);
  if (!(options.page_spread >= 0 && options.page_spread <= 1e9))
    return error(ErrorKind::invalid_argument, "page_spread: expected 0 to 1e9, found {}",
                 options.page_spread);
  if (!(options.coverage_floor >= 0 && options.coverage_floor < 1))
    return error(ErrorKind::invalid_argument, "coverage_floor: expected at least 0 and below 1, found {}",
                 options.coverage_floor);
  return {};
}

}  // namespace

std::span<const std::string_view> policy_names() {
  return kNames;
}

Result<std::unique_ptr<Policy>> create_policy(const PolicyOptions& options, const PolicyMeans& means) {
  LEOAM_RETURN_IF_ERROR(check(options));
  for (const Entry& entry : kEntries) {
    if (entry.name != options.name) continue;
    if (options.sparse_prefill_tokens > 0 && !entry.selects_blocks)
      return error(ErrorKind::invalid_argument, "sparse_prefill_tokens: the policy {} reads prompts exactly",
                   entry.name);
    return entry.create ? entry.create(options, means) : std::unique_ptr<Policy>();
  }
  return error(ErrorKind::unsupported, "policy: expected {}, found {}", fmt::join(kNames, ", "),
               options.name);
}

}  // namespace leoam
