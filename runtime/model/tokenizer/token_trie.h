// Finds tokens spelt out in running text: the longest one that starts at a place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace leoam {

class TokenTrie {
 public:
  TokenTrie() = default;
  // `ids`: distinct, non-empty spellings.
  TokenTrie(const std::vector<std::string>& spellings, std::vector<int32_t> ids);

  struct Match {
    int32_t id = -1;  // -1: none
    size_t begin = 0;
    size_t length = 0;
  };
  // The leftmost match at or after `from`, there the longest, among those that accepts(match) takes.
  // Cost: (text.size() - from) times the longest spelling, at most.
  template <class Accepts>
  Match find(std::string_view text, size_t from, const Accepts& accepts) const {
    for (size_t begin = from; begin < text.size(); ++begin) {
      uint32_t node = roots_[static_cast<uint8_t>(text[begin])];
      if (node == kNone) continue;
      Match match;
      for (size_t at = begin + 1;; ++at) {
        const Node& here = nodes_[node];
        const Match found = {here.id, begin, at - begin};
        if (found.id >= 0 && accepts(found)) match = found;
        if (at == text.size()) break;
        node = child(here, static_cast<uint8_t>(text[at]));
        if (node == kNone) break;
      }
      if (match.id >= 0) return match;
    }
    return {};
  }

 private:
  static constexpr uint32_t kNone = 0xFFFFFFFF;
  struct Node {
    uint32_t first_child = 0;  // children are adjacent, ascending by label
    uint16_t n_children = 0;
    uint8_t label = 0;
    int32_t id = -1;  // the token that ends here
  };

  uint32_t child(const Node& node, uint8_t label) const;

  std::vector<Node> nodes_;
  std::vector<uint32_t> roots_ = std::vector<uint32_t>(256, kNone);
};

}  // namespace leoam
