#include "runtime/kv/channel_weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace leoam {
namespace {

// Before the layers that are known, each with its number (4 bytes) before its weights.
struct Head {
  uint32_t version;
  uint32_t n_known;
  uint32_t width;
  uint32_t reserved;
  uint64_t end_token;
};
constexpr uint32_t kVersion = 1;

}  // namespace

std::vector<uint8_t> ChannelWeights::encode() const {
  const auto n_known = static_cast<uint32_t>(
      std::ranges::count_if(layers_, [](const std::vector<float>& layer) { return !layer.empty(); }));
  const Head head = {kVersion, n_known, width_, 0, end_token_};
  const size_t each = sizeof(uint32_t) + width_ * sizeof(float);
  std::vector<uint8_t> out(sizeof head + n_known * each);
  std::memcpy(out.data(), &head, sizeof head);
  uint8_t* to = out.data() + sizeof head;
  for (uint32_t layer = 0; layer < layers_.size(); ++layer) {
    if (layers_[layer].empty()) continue;
    std::memcpy(to, &layer, sizeof layer);
    std::memcpy(to + sizeof layer, layers_[layer].data(), width_ * sizeof(float));
    to += each;
  }
  return out;
}

Result<ChannelWeights> ChannelWeights::decode(std::span<const uint8_t> bytes, uint32_t n_layers,
                                              uint32_t width, uint64_t n_most_tokens) {
  Head head = {};
  if (bytes.size() < sizeof head)
    return error(ErrorKind::corrupt, "channel weights: {} bytes expected at least, found {}", sizeof head,
                 bytes.size());
  std::memcpy(&head, bytes.data(), sizeof head);
  const size_t each = sizeof(uint32_t) + size_t{width} * sizeof(float);
  if (head.version != kVersion || head.width != width || head.n_known > n_layers ||
      head.end_token > n_most_tokens || bytes.size() != sizeof head + head.n_known * each)
    return error(ErrorKind::corrupt,
                 "channel weights: version {}, {} channels, at most {} layers and {} tokens expected, found "
                 "{}, {}, {} and {} in {} bytes",
                 kVersion, width, n_layers, n_most_tokens, head.version, head.width, head.n_known,
                 head.end_token, bytes.size());
  ChannelWeights weights(n_layers, width, head.end_token);
  for (uint32_t i = 0; i < head.n_known; ++i) {
    const uint8_t* const from = bytes.data() + sizeof head + i * each;
    uint32_t layer = 0;
    std::memcpy(&layer, from, sizeof layer);
    std::vector<float> values(width);
    std::memcpy(values.data(), from + sizeof layer, width * sizeof(float));
    const auto is_weight = [](float value) { return std::isfinite(value) && value >= 0; };
    if (layer >= n_layers || !std::ranges::all_of(values, is_weight))
      return error(ErrorKind::corrupt, "channel weights: entry {} is of layer {} of {}, or no weights", i,
                   layer, n_layers);
    weights.set(layer, std::move(values));
  }
  return weights;
}

void add_queries(const float* q, uint32_t n_tokens, uint32_t n_heads, uint32_t n_kv_heads, uint32_t head_dim,
                 std::span<float> sums) {
  const uint32_t group = n_heads / n_kv_heads;
  for (uint32_t t = 0; t < n_tokens; ++t)
    for (uint32_t h = 0; h < n_heads; ++h) {
      const float* const from = q + (size_t{t} * n_heads + h) * head_dim;
      float* const to = sums.data() + size_t{h / group} * head_dim;
      for (uint32_t c = 0; c < head_dim; ++c) to[c] += std::isfinite(from[c]) ? std::fabs(from[c]) : 0.0f;
    }
}

void add_reach(const kernels::ChunkLayout& layout, const uint8_t* records, size_t head_stride,
               std::span<float> sums) {
  const uint8_t* record = records;
  for (size_t first = 0; first < sums.size(); first += layout.head_dim, record += head_stride) {
    kernels::ChunkHeader header;
    std::memcpy(&header, record, sizeof header);
    if (header.spread_base == kernels::kUnboundedChunk) continue;
    for (uint32_t c = 0; c < layout.head_dim; ++c) {
      const float reach = kernels::chunk_spread(header.spread_base, record[layout.above_offset() + c]) +
                          kernels::chunk_spread(header.spread_base, record[layout.below_offset() + c]);
      sums[first + c] += std::isfinite(reach) ? reach : 0.0f;
    }
  }
}

void list_heaviest(std::span<const float> weights, std::span<uint32_t> channels) {
  std::vector<uint32_t> order(weights.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::stable_sort(order, std::ranges::greater(), [&](uint32_t c) { return weights[c]; });
  std::copy_n(order.begin(), channels.size(), channels.begin());
  std::ranges::sort(channels);
}

}  // namespace leoam
