#include <cmath>
#include <cstring>

#include "kernels/chunk_bounds/chunk_record.h"
#include "kernels/key_codes/page_means.h"

namespace leoam::kernels {
namespace {

// A chunk's channels one by one, before they are numbers of 8 bits.
struct Channel {
  float least;
  float greatest;
  float mean_key;
  float mean_value;
};

// The distance from a bound to the mean, rounded up to 4 bits of mantissa.
uint32_t spread_bits(float bound, float mean, float sign) {
  const float distance = (bound - mean) * sign + (std::fabs(bound) + std::fabs(mean)) * kSpreadMargin;
  return distance > 0 ? (bits_from_float(distance) + 0x7ffffu) >> 19 : 0;
}

// channel(c) gives the Channel c.
template <class GetChannel>
void write_record(const ChunkLayout& layout, bool bounded, uint32_t n_tokens, const GetChannel& channel,
                  uint8_t* record) {
  std::memset(record, 0, layout.record_bytes());
  float greatest_key = 0;
  float greatest_value = 0;
  for (uint32_t c = 0; c < layout.head_dim; ++c) {
    const Channel x = channel(c);
    greatest_key = std::fmax(greatest_key, std::fabs(x.mean_key));
    greatest_value = std::fmax(greatest_value, std::fabs(x.mean_value));
  }
  const SignedScale key_scale = signed_scale(greatest_key);
  const SignedScale value_scale = signed_scale(greatest_value);
  ChunkHeader header{key_scale.scale, value_scale.scale, kUnboundedChunk, n_tokens};
  const auto mean_of = [&](const Channel& x) {
    return static_cast<float>(signed_code(x.mean_key, key_scale.inverse)) * key_scale.scale;
  };
  if (bounded) {
    uint32_t most = 255;
    for (uint32_t c = 0; c < layout.head_dim; ++c) {
      const Channel x = channel(c);
      const uint32_t above = spread_bits(x.greatest, mean_of(x), 1);
      const uint32_t below = spread_bits(x.least, mean_of(x), -1);
      most = above > most ? above : most;
      most = below > most ? below : most;
    }
    header.spread_base = static_cast<int32_t>(most) - 255;
  }
  std::memcpy(record, &header, sizeof header);
  for (uint32_t c = 0; c < layout.head_dim; ++c) {
    const Channel x = channel(c);
    record[layout.mean_key_offset() + c] = static_cast<uint8_t>(signed_code(x.mean_key, key_scale.inverse));
    record[layout.mean_value_offset() + c] =
        static_cast<uint8_t>(signed_code(x.mean_value, value_scale.inverse));
    if (!bounded) continue;
    const auto code = [&](uint32_t bits) {
      const int32_t spread = static_cast<int32_t>(bits) - header.spread_base;
      return static_cast<uint8_t>(spread > 0 ? spread : 0);
    };
    record[layout.above_offset() + c] = code(spread_bits(x.greatest, mean_of(x), 1));
    record[layout.below_offset() + c] = code(spread_bits(x.least, mean_of(x), -1));
  }
}

template <class Element>
void record_of_page(const KvLayout& kv, const uint8_t* page, uint32_t kv_head, uint8_t* record) {
  const PageRows<Element> rows(kv, page, kv_head);
  bool bounded = true;
  for (uint32_t c = 0; c < kv.head_dim; ++c) {
    bounded = bounded && key_range(rows, c).bounded;
  }
  const auto channel = [&](uint32_t c) {
    const KeyRange key = key_range(rows, c);
    return Channel{key.least, key.greatest, key.mean, mean_value(rows, c)};
  };
  write_record({kv.head_dim}, bounded, kv.page_tokens, channel, record);
}

}  // namespace

void chunk_of_page_scalar(const KvLayout& kv, const uint8_t* page, uint32_t kv_head, uint8_t* record) {
  with_element(kv.type, [&]<class Element>() { record_of_page<Element>(kv, page, kv_head, record); });
}

void chunk_merge_scalar(const ChunkLayout& layout, const uint8_t* const* children, uint32_t n_children,
                        uint8_t* record) {
  const ChunkTotals totals = chunk_totals(children, n_children);
  const auto channel = [&](uint32_t c) {
    Channel x{INFINITY, -INFINITY, 0, 0};
    for (uint32_t i = 0; i < n_children; ++i) {
      const uint8_t* child = children[i];
      const ChunkHeader header = chunk_header(child);
      const float share = static_cast<float>(header.n_tokens) / static_cast<float>(totals.n_tokens);
      const float mean =
          static_cast<float>(static_cast<int8_t>(child[layout.mean_key_offset() + c])) * header.key_scale;
      const float value =
          static_cast<float>(static_cast<int8_t>(child[layout.mean_value_offset() + c])) * header.value_scale;
      x.mean_key += mean * share;
      x.mean_value += value * share;
      if (!totals.bounded) continue;
      const float above = chunk_spread(header.spread_base, child[layout.above_offset() + c]);
      const float below = chunk_spread(header.spread_base, child[layout.below_offset() + c]);
      const float greatest = (mean + above) + (std::fabs(mean) + above) * kSpreadMargin;
      const float least = (mean - below) - (std::fabs(mean) + below) * kSpreadMargin;
      x.greatest = greatest > x.greatest ? greatest : x.greatest;
      x.least = least < x.least ? least : x.least;
    }
    return x;
  };
  write_record(layout, totals.bounded, totals.n_tokens, channel, record);
}

void chunk_score_scalar(const ChunkScoreParams& params) {
  const ChunkLayout& layout = params.layout;
  for (uint32_t i = 0; i < params.n_chunks; ++i) {
    const uint8_t* record = params.records[i];
    const ChunkHeader header = chunk_header(record);
    const bool bounded = header.spread_base != kUnboundedChunk;
    const int32_t base = bounded ? header.spread_base : 0;
    for (uint32_t g = 0; g < params.group; ++g) {
      const float* q = params.q + size_t{g} * layout.head_dim;
      float middle = 0;
      float reach = 0;
      float size = 0;
      for (uint32_t c = 0; c < layout.head_dim; ++c) {
        const auto mean = static_cast<float>(static_cast<int8_t>(record[layout.mean_key_offset() + c]));
        const float above = chunk_spread(base, record[layout.above_offset() + c]);
        const float below = chunk_spread(base, record[layout.below_offset() + c]);
        middle += q[c] * (mean * header.key_scale + (above - below) * 0.5f);
        reach += std::fabs(q[c]) * ((above + below) * 0.5f);
        size += std::fabs(q[c]);
      }
      const float outer = reach + chunk_score_slack(layout.head_dim, header.key_scale, size, reach);
      const size_t at = size_t{i} * params.group + g;
      params.upper[at] = bounded ? middle + outer : INFINITY;
      if (params.lower != nullptr) params.lower[at] = bounded ? middle - outer : -INFINITY;
    }
  }
}

}  // namespace leoam::kernels
