// A flat hash table from a token's spelling to its id.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace leoam {

uint64_t hash_bytes(std::string_view bytes);

// A file can be made so that its tokens collide; longer probe sequences than this are refused, which bounds
// the cost of building and of every look-up. Chance does not reach it at the load that the tables keep.
inline constexpr uint32_t kMaxProbes = 512;

// Keeps no copy of the spellings: the vector outlives the table and does not change.
class TokenTable {
 public:
  enum class Insert { added, duplicate, degenerate };

  explicit TokenTable(const std::vector<std::string>& spellings);
  // `duplicate`: *id is the one already there.
  Insert insert(int32_t* id);
  // -1 when no such token.
  int32_t find(std::string_view spelling) const;

 private:
  struct Slot {
    uint32_t hash = 0;
    int32_t id = -1;
  };

  const std::vector<std::string>* spellings_;
  std::vector<Slot> slots_;  // a power of two, at most two thirds full
};

}  // namespace leoam
