#include "runtime/model/tokenizer/merge_table.h"

#include <bit>
#include <string_view>
#include <utility>

namespace leoam {
namespace {

// Files list one or two merges a token; every way to cut each token in two would be some ten.
constexpr size_t kMaxMergesPerToken = 64;
constexpr size_t kMaxMerges = size_t{1} << 26;

struct MergeParts {
  int32_t left = -1, right = -1, joined = -1;
};

Status read_merge(size_t rank, const std::string& merge, const Vocabulary& vocabulary, std::string* joined,
                  MergeParts* parts) {
  // A part is never empty, and its first byte may be a blank.
  const size_t blank = merge.find(' ', 1);
  if (blank == std::string::npos || blank + 1 == merge.size()) {
    return error(ErrorKind::corrupt,
                 "tokenizer.ggml.merges[{}]: expected two parts with a blank between, found {} bytes without",
                 rank, merge.size());
  }
  const std::string_view left = std::string_view(merge).substr(0, blank);
  const std::string_view right = std::string_view(merge).substr(blank + 1);
  joined->assign(left).append(right);
  *parts = {vocabulary.find(left), vocabulary.find(right), vocabulary.find(*joined)};
  const char* unknown = parts->left < 0     ? "left part"
                        : parts->right < 0  ? "right part"
                        : parts->joined < 0 ? "result"
                                            : nullptr;
  if (unknown == nullptr) return {};
  return error(ErrorKind::corrupt,
               "tokenizer.ggml.merges[{}]: expected parts and result among the tokens, its {} is not", rank,
               unknown);
}

}  // namespace

Result<MergeTable> MergeTable::build(const std::vector<std::string>& merges, const Vocabulary& vocabulary,
                                     const CancelFlag* cancel) {
  const size_t limit = std::min(kMaxMerges, kMaxMergesPerToken * vocabulary.size());
  if (merges.size() > limit) {
    return error(ErrorKind::corrupt, "tokenizer.ggml.merges: expected at most {} merges, found {}", limit,
                 merges.size());
  }
  MergeTable table;
  table.slots_.resize(std::bit_ceil(merges.size() + merges.size() / 2 + 1));
  std::string joined;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    if (rank % kTokensPerCancelCheck == 0) LEOAM_RETURN_IF_ERROR(check_cancelled(cancel));
    MergeParts parts;
    LEOAM_RETURN_IF_ERROR(read_merge(rank, merges[rank], vocabulary, &joined, &parts));
    // A special token is never part of text, so such a merge could only smuggle one in.
    if (!vocabulary.is_text(parts.joined)) continue;
    if (!table.insert(pair_of(parts.left, parts.right), static_cast<uint32_t>(rank), parts.joined)) {
      return error(ErrorKind::corrupt, "tokenizer.ggml.merges[{}]: more than {} merges share a hash", rank,
                   kMaxProbes);
    }
  }
  return table;
}

size_t MergeTable::home(uint64_t pair) const {
  const uint64_t hash = (pair ^ (pair >> 31)) * 0x9E3779B97F4A7C15;
  return static_cast<size_t>(hash >> 32) & (slots_.size() - 1);
}

bool MergeTable::insert(uint64_t pair, uint32_t rank, int32_t id) {
  size_t at = home(pair);
  for (uint32_t probe = 0; probe < kMaxProbes; ++probe, at = (at + 1) & (slots_.size() - 1)) {
    Slot& slot = slots_[at];
    if (slot.pair == pair) return true;
    if (slot.pair != kNoPair) continue;
    slot = {pair, rank, id};
    return true;
  }
  return false;
}

Join MergeTable::find(int32_t left, int32_t right) const {
  if (left < 0 || right < 0) return {0, -1};
  const uint64_t pair = pair_of(left, right);
  for (size_t at = home(pair);; at = (at + 1) & (slots_.size() - 1)) {
    const Slot& slot = slots_[at];
    if (slot.pair == pair) return {slot.rank, slot.id};
    if (slot.pair == kNoPair) return {0, -1};
  }
}

}  // namespace leoam
