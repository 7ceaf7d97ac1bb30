#include "runtime/model/tokenizer/token_trie.h"

#include <algorithm>

namespace leoam {
namespace {

// The spellings ids[begin, end) share their first `depth` bytes, which lead to `node`.
struct Branch {
  uint32_t node;
  size_t begin, end, depth;
};

}  // namespace

TokenTrie::TokenTrie(const std::vector<std::string>& spellings, std::vector<int32_t> ids) {
  const auto spelling = [&](int32_t id) -> const std::string& { return spellings[static_cast<size_t>(id)]; };
  std::sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) { return spelling(a) < spelling(b); });

  nodes_.emplace_back();
  std::vector<Branch> branches = {{0, 0, ids.size(), 0}};
  while (!branches.empty()) {
    Branch branch = branches.back();
    branches.pop_back();
    if (branch.begin < branch.end && spelling(ids[branch.begin]).size() == branch.depth) {
      nodes_[branch.node].id = ids[branch.begin++];
    }
    const uint32_t first_child = static_cast<uint32_t>(nodes_.size());
    for (size_t begin = branch.begin; begin < branch.end;) {
      const char label = spelling(ids[begin])[branch.depth];
      size_t end = begin + 1;
      while (end < branch.end && spelling(ids[end])[branch.depth] == label) ++end;
      branches.push_back({static_cast<uint32_t>(nodes_.size()), begin, end, branch.depth + 1});
      nodes_.push_back({0, 0, static_cast<uint8_t>(label), -1});
      begin = end;
    }
    nodes_[branch.node].first_child = first_child;
    nodes_[branch.node].n_children = static_cast<uint16_t>(nodes_.size() - first_child);
  }
  for (uint32_t i = 0; i < nodes_[0].n_children; ++i) roots_[nodes_[1 + i].label] = 1 + i;
}

uint32_t TokenTrie::child(const Node& node, uint8_t label) const {
  const Node* first = nodes_.data() + node.first_child;
  const Node* last = first + node.n_children;
  const Node* at =
      std::lower_bound(first, last, label, [](const Node& n, uint8_t wanted) { return n.label < wanted; });
  return at != last && at->label == label ? static_cast<uint32_t>(at - nodes_.data()) : kNone;
}

}  // namespace leoam
