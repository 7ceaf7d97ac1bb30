#include "runtime/model/tokenizer/token_table.h"

#include <bit>
#include <cstring>

namespace leoam {

uint64_t hash_bytes(std::string_view bytes) {
  constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15;
  uint64_t hash = bytes.size() * kMultiplier;
  const auto mix = [&hash](uint64_t word) {
    hash = (hash ^ word) * kMultiplier;
    hash ^= hash >> 29;
  };
  while (bytes.size() >= 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data(), 8);
    mix(word);
    bytes.remove_prefix(8);
  }
  uint64_t rest = 0;
  std::memcpy(&rest, bytes.data(), bytes.size());
  mix(rest);
  return hash ^ (hash >> 32);
}

TokenTable::TokenTable(const std::vector<std::string>& spellings)
    : spellings_(&spellings), slots_(std::bit_ceil(spellings.size() + spellings.size() / 2 + 1)) {}

TokenTable::Insert TokenTable::insert(int32_t* id) {
  const std::string& spelling = (*spellings_)[static_cast<size_t>(*id)];
  const uint32_t hash = static_cast<uint32_t>(hash_bytes(spelling));
  size_t at = hash & (slots_.size() - 1);
  for (uint32_t probe = 0; probe < kMaxProbes; ++probe) {
    Slot& slot = slots_[at];
    if (slot.id < 0) {
      slot = {hash, *id};
      return Insert::added;
    }
    if (slot.hash == hash && (*spellings_)[static_cast<size_t>(slot.id)] == spelling) {
      *id = slot.id;
      return Insert::duplicate;
    }
    at = (at + 1) & (slots_.size() - 1);
  }
  return Insert::degenerate;
}

int32_t TokenTable::find(std::string_view spelling) const {
  const uint32_t hash = static_cast<uint32_t>(hash_bytes(spelling));
  for (size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
    const Slot& slot = slots_[at];
    if (slot.id < 0) return -1;
    if (slot.hash == hash && (*spellings_)[static_cast<size_t>(slot.id)] == spelling) return slot.id;
  }
}

}  // namespace leoam
