#include "runtime/kv/policy/remainder.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <queue>

namespace leoam {
namespace {

// For x <= 0 at least exp(x), at most 1 % more: 2^f is not above 1 + f ln 2 + f^2 (1 - ln 2) from 0 to 1.
float exp_from_above(float x) {
  const float y = std::max(x, -87.0f) * 0x1.715478p+0f + 127;
  const auto whole = static_cast<int32_t>(y);
  const float f = y - static_cast<float>(whole);
  return std::bit_cast<float>(whole << 23) * (1 + f * (0.69315f + f * 0.30686f));
}

}  // namespace

void Remainder::begin(const ChunkSearch& search, uint32_t group) {
  group_ = group;
  chunks_.assign(search.closed().begin(), search.closed().end());
  chunks_.insert(chunks_.end(), search.open().begin(), search.open().end());
}

void Remainder::estimate(const LayerAbstracts& abstracts, uint32_t kv_head, Chunk chunk,
                         const PageMasks& masks, std::vector<kernels::AttentionEstimate>* out) const {
  if (masks.n_tokens(chunk) == 0) {
    const uint32_t n_tokens = chunk.n_pages() * abstracts.code_layout().page_tokens;
    out->push_back({abstracts.record(chunk, kv_head), static_cast<float>(n_tokens)});
    return;
  }
  for (uint32_t i = 0; i < Chunk::kChildren && chunk.level > 0; ++i)
    estimate(abstracts, kv_head, chunk.child(i), masks, out);
}

void Remainder::bound(const ChunkSearch& search, const PageMasks& masks, uint32_t page_tokens,
                      std::span<float> outside) {
  left_.clear();
  for (const ChunkSearch::Found& found : chunks_)
    left_.push_back(static_cast<float>(n_left(found.chunk, masks, page_tokens)));
  for (uint32_t g = 0; g < group_; ++g) {
    float greatest = -INFINITY;
    for (size_t i = 0; i < chunks_.size(); ++i)
      if (left_[i] > 0) greatest = std::max(greatest, search.upper(chunks_[i])[g]);
    outside[g] = greatest;
    if (!std::isfinite(greatest)) continue;
    float sum = 0;
    for (size_t i = 0; i < chunks_.size(); ++i)
      if (left_[i] > 0)
        sum += left_[i] * exp_from_above(std::min(search.upper(chunks_[i])[g] - greatest, 0.0f));
    // Rounded outward: exponentials, their sum and its logarithm are no further off than this.
    outside[g] = greatest + std::log(sum) + 1e-4f + 1e-6f * std::fabs(greatest);
  }
}

void Remainder::widen(const kernels::CpuTable& kernels, std::span<const float> inside, double floor,
                      uint32_t page_tokens, ChunkSearch& search, PageMasks* masks) {
  // A little more than is asked for: `bound` rounds outward, exponentials most of all.
  const double target = (1 - floor) / floor * 0.99;
  // Beyond this a chunk is taken before all others anyway; sums stay numbers.
  constexpr double kMost = 300;
  std::vector<double> total(group_);
  const auto weight = [&](const ChunkSearch::Found& found, uint32_t g) {
    const double bound = double{search.upper(found)[g]} - double{inside[g]};
    return n_left(found.chunk, *masks, page_tokens) * std::exp(std::min(bound, kMost));
  };
  struct Entry {
    double most;
    size_t index;
    bool operator<(const Entry& other) const {
      return most != other.most ? most < other.most : index > other.index;
    }
  };
  std::priority_queue<Entry> queue;
  // Of chunks_: replaced by children, or taken.
  std::vector<bool> gone(chunks_.size());
  const auto put = [&](size_t index) {
    double most = 0;
    for (uint32_t g = 0; g < group_; ++g) {
      const double one = weight(chunks_[index], g);
      total[g] += one;
      most = std::max(most, one);
    }
    queue.push({most, index});
  };
  for (size_t i = 0; i < chunks_.size(); ++i) put(i);
  const auto is_enough = [&] {
    return std::ranges::all_of(total, [&](double rest) { return rest <= target; });
  };
  // Differences of numbers that are far apart say nothing about what is left: it is summed anew.
  const auto is_certain = [&] {
    if (!is_enough()) return false;
    std::ranges::fill(total, 0.0);
    for (size_t i = 0; i < chunks_.size(); ++i)
      for (uint32_t g = 0; g < group_ && !gone[i]; ++g) total[g] += weight(chunks_[i], g);
    return is_enough();
  };
  while (!queue.empty() && !is_certain()) {
    const Entry entry = queue.top();
    queue.pop();
    if (entry.most == 0) break;
    for (uint32_t g = 0; g < group_; ++g) total[g] -= weight(chunks_[entry.index], g);
    gone[entry.index] = true;
    const ChunkSearch::Found found = chunks_[entry.index];
    if (found.chunk.level == 0) {
      masks->set_all(found.chunk.index);
      continue;
    }
    children_.clear();
    search.split(kernels, found, &children_);
    for (const ChunkSearch::Found& child : children_) {
      chunks_.push_back(child);
      gone.push_back(false);
      put(chunks_.size() - 1);
    }
  }
  size_t n = 0;
  for (size_t i = 0; i < chunks_.size(); ++i)
    if (!gone[i]) chunks_[n++] = chunks_[i];
  chunks_.resize(n);
}

}  // namespace leoam
