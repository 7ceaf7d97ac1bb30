#include "runtime/kv/policy/layer_shares.h"

#include <algorithm>

#include "runtime/store/little_endian.h"

namespace leoam {
namespace {

// From one edge to the next. Their bytes grow with the context: four a token.
constexpr uint64_t kInterval_tokens = 4;
constexpr uint32_t kVersion = 1;
constexpr size_t kHead_bytes = 4;
constexpr size_t kEdge_bytes = 16;
// A step whose attention is flat takes at most so much of its budget, others leave it what they do not need.
constexpr uint64_t most_of(uint64_t budget) {
  return budget + budget / 2;
}
// A layer takes at most so many times its equal part, and leaves to each later one a share of its own:
// queries unlike those that the edge was found with must not starve a layer.
constexpr uint64_t kMostParts = 6;
constexpr uint64_t kLeastOf = 4;

bool is_close(uint64_t a, uint64_t b) {
  return 4 * a >= 3 * b && 4 * b >= 3 * a;
}

}  // namespace

void LayerShares::begin_step(uint64_t position, uint32_t n_layers) {
  position_ = position;
  n_layers_ = n_layers;
  n_done_ = 0;
  n_granules_ = n_taken_ = 0;
  const auto behind = std::ranges::lower_bound(edges_, position, {}, &Edge::position);
  edge_.reset();
  if (behind != edges_.begin()) edge_ = *std::prev(behind);
  counts_.clear();
  if (!edge_ || position - edge_->position >= kInterval_tokens) counts_.resize(GranuleBudget::kClasses);
}

uint64_t LayerShares::share(const GranuleBudget& layer, uint64_t n_granules) const {
  if (!edge_ || n_done_ >= n_layers_ || !is_close(edge_->n_granules, n_granules * n_layers_))
    return n_granules;
  const uint64_t n_later = n_layers_ - n_done_ - 1;
  const uint64_t all = most_of(n_granules * n_layers_);
  const uint64_t kept = n_taken_ + n_later * (n_granules / kLeastOf);
  return std::min({layer.n_from(edge_->mass_class), kMostParts * n_granules, all - std::min(all, kept)});
}

void LayerShares::take(const GranuleBudget& layer, uint64_t n_granules, uint64_t n_taken) {
  ++n_done_;
  n_granules_ += n_granules;
  n_taken_ += n_taken;
  if (edge_ && !is_close(edge_->n_granules, n_granules * n_layers_))
    counts_.resize(GranuleBudget::kClasses);  // of another budget
  if (!counts_.empty()) layer.add_to(counts_);
}

void LayerShares::end_step() {
  if (counts_.empty() || n_done_ == 0) return;
  auto edge = static_cast<uint32_t>(GranuleBudget::kClasses);
  for (uint64_t n = 0; edge > 0; --edge) {
    n += counts_[edge - 1];
    if (n > n_granules_) break;
  }
  truncate(position_);
  // One step alone says little: the edge moves by a quarter.
  if (edge_ && is_close(edge_->n_granules, n_granules_)) edge = (3 * edge_->mass_class + edge + 2) / 4;
  edges_.push_back({position_, n_granules_, edge});
}

void LayerShares::truncate(uint64_t n_tokens) {
  while (!edges_.empty() && edges_.back().position >= n_tokens) edges_.pop_back();
}

std::vector<uint8_t> LayerShares::encode() const {
  std::vector<uint8_t> bytes(kHead_bytes + edges_.size() * kEdge_bytes);
  uint8_t* at = bytes.data();
  store(at, kVersion);
  at += kHead_bytes;
  for (const Edge& edge : edges_) {
    store(at, edge.position);
    store(at + 8, static_cast<uint32_t>(std::min<uint64_t>(edge.n_granules, UINT32_MAX)));
    store(at + 12, edge.mass_class);
    at += kEdge_bytes;
  }
  return bytes;
}

bool LayerShares::decode(std::span<const uint8_t> bytes, uint64_t n_tokens) {
  if (bytes.size() < kHead_bytes || load<uint32_t>(bytes.data()) != kVersion) return false;
  bytes = bytes.subspan(kHead_bytes);
  if (bytes.size() % kEdge_bytes != 0) return false;
  std::vector<Edge> edges;
  for (; !bytes.empty(); bytes = bytes.subspan(kEdge_bytes)) {
    const Edge edge = {load<uint64_t>(bytes.data()), load<uint32_t>(bytes.data() + 8),
                       load<uint32_t>(bytes.data() + 12)};
    if (edge.mass_class > GranuleBudget::kClasses ||
        (!edges.empty() && edge.position <= edges.back().position))
      return false;
    edges.push_back(edge);
  }
  edges_ = std::move(edges);
  truncate(n_tokens);
  return true;
}

}  // namespace leoam
