// Chunk bounds over Simd, with channels in the lanes.
#pragma once

#include "kernels/chunk_bounds/chunk_record.h"
#include "kernels/key_codes/page_means_simd.h"
#include "kernels/simd/head_parts.h"
#include "kernels/simd/simd.h"

namespace leoam::kernels {
namespace {

// A chunk's channels before they are numbers of 8 bits; zeros behind the last, to a whole vector.
struct ChunkChannels {
  KeyRanges key;
  alignas(64) float mean_value[kMaxChannels];
};

// The distance from a bound to the mean, rounded up to 4 bits of mantissa; sign: 1 or -1.
LEOAM_INLINE Simd::Int spread_bits(Simd::Float bound, Simd::Float mean, float sign) {
  const Simd::Float margin = (Simd::abs(bound) + Simd::abs(mean)) * Simd::broadcast(kSpreadMargin);
  const Simd::Float distance = (bound - mean) * Simd::broadcast(sign) + margin;
  const Simd::Int bits =
      Simd::add(Simd::bits(Simd::max(distance, Simd::zero())), Simd::broadcast_int(0x7ffff));
  return Simd::shift_right<19>(bits);
}

LEOAM_INLINE void write_record(const ChunkLayout& layout, bool bounded, uint32_t n_tokens,
                               const ChunkChannels& x, uint8_t* record) {
  constexpr uint32_t kLanes = Simd::kLanes;
  const uint32_t dim = layout.head_dim;
  const SignedScale key_scale = signed_scale(greatest_magnitude(x.key.mean, dim));
  const SignedScale value_scale = signed_scale(greatest_magnitude(x.mean_value, dim));
  const Simd::Float inverse = Simd::broadcast(key_scale.inverse);
  const auto mean_of = [&](uint32_t c) {
    return Simd::to_float(Simd::to_int(Simd::load(x.key.mean + c) * inverse)) *
           Simd::broadcast(key_scale.scale);
  };
  // Channels behind the last are bounds of 0 around 0: their spread is 0, and so what they add to the base.
  int32_t base = kUnboundedChunk;
  if (bounded) {
    Simd::Int most = Simd::broadcast_int(255);
    for (uint32_t c = 0; c < dim; c += kLanes) {
      most = Simd::max(spread_bits(Simd::load(x.key.greatest + c), mean_of(c), 1), most);
      most = Simd::max(spread_bits(Simd::load(x.key.least + c), mean_of(c), -1), most);
    }
    base = Simd::greatest(most) - 255;
  }
  const ChunkHeader header{key_scale.scale, value_scale.scale, base, n_tokens};
  __builtin_memcpy(record, &header, sizeof header);
  // A record's numbers are padded to 16: to whole vectors.
  const Simd::Int lowest = Simd::broadcast_int(bounded ? base : 0);
  for (uint32_t c = 0; c < layout.padded_dim(); c += kLanes) {
    const bool any = c < dim;
    const Simd::Float key = any ? Simd::load(x.key.mean + c) : Simd::zero();
    const Simd::Float value = any ? Simd::load(x.mean_value + c) : Simd::zero();
    Simd::store_bytes(record + layout.mean_key_offset() + c, Simd::to_int(key * inverse));
    Simd::store_bytes(record + layout.mean_value_offset() + c,
                      Simd::to_int(value * Simd::broadcast(value_scale.inverse)));
    const auto spread = [&](const float* bound, float sign) {
      if (!bounded || !any) return Simd::broadcast_int(0);
      const Simd::Int bits = spread_bits(Simd::load(bound + c), mean_of(c), sign);
      return Simd::max(Simd::subtract(bits, lowest), Simd::broadcast_int(0));
    };
    Simd::store_bytes(record + layout.above_offset() + c, spread(x.key.greatest, 1));
    Simd::store_bytes(record + layout.below_offset() + c, spread(x.key.least, -1));
  }
}

template <class Element>
LEOAM_INLINE void record_of_page(const KvLayout& kv, const uint8_t* page, uint32_t kv_head, uint8_t* record) {
  const PageVectors<Element> vectors(kv, page, kv_head);
  ChunkChannels channels;
  if (kv.head_dim > kMaxChannels || !find_key_ranges(vectors, &channels.key) ||
      !find_mean_values(vectors, channels.mean_value)) {
    return chunk_of_page_scalar(kv, page, kv_head, record);
  }
  write_record({kv.head_dim}, true, kv.page_tokens, channels, record);
}

LEOAM_INLINE void chunk_of_page_simd(const KvLayout& kv, const uint8_t* page, uint32_t kv_head,
                                     uint8_t* record) {
  with_element(kv.type, [&]<class Element>() { record_of_page<Element>(kv, page, kv_head, record); });
}

LEOAM_INLINE Simd::Float spreads(const uint8_t* at, Simd::Int base) {
  return Simd::from_bits(Simd::shift_left<19>(Simd::add(Simd::load_bytes(at), base)));
}
LEOAM_INLINE Simd::Float signed_numbers(const uint8_t* at) {
  return Simd::to_float(Simd::load_bytes(reinterpret_cast<const int8_t*>(at)));
}

LEOAM_INLINE void chunk_merge_simd(const ChunkLayout& layout, const uint8_t* const* children,
                                   uint32_t n_children, uint8_t* record) {
  if (layout.head_dim > kMaxChannels) return chunk_merge_scalar(layout, children, n_children, record);
  const ChunkTotals totals = chunk_totals(children, n_children);
  const Simd::Float margin = Simd::broadcast(kSpreadMargin);
  ChunkChannels x;
  for (uint32_t c = 0; c < layout.head_dim; c += Simd::kLanes) {
    Simd::Float mean_key = Simd::zero();
    Simd::Float mean_value = Simd::zero();
    Simd::Float greatest = Simd::broadcast(-__builtin_inff());
    Simd::Float least = Simd::broadcast(__builtin_inff());
    for (uint32_t i = 0; i < n_children; ++i) {
      const uint8_t* child = children[i] + c;
      const ChunkHeader header = chunk_header(children[i]);
      const Simd::Float share =
          Simd::broadcast(static_cast<float>(header.n_tokens) / static_cast<float>(totals.n_tokens));
      const Simd::Float mean =
          signed_numbers(child + layout.mean_key_offset()) * Simd::broadcast(header.key_scale);
      const Simd::Float value =
          signed_numbers(child + layout.mean_value_offset()) * Simd::broadcast(header.value_scale);
      mean_key = mean_key + mean * share;
      mean_value = mean_value + value * share;
      if (!totals.bounded) continue;
      const Simd::Int base = Simd::broadcast_int(header.spread_base);
      const Simd::Float above = spreads(child + layout.above_offset(), base);
      const Simd::Float below = spreads(child + layout.below_offset(), base);
      greatest = Simd::max((mean + above) + (Simd::abs(mean) + above) * margin, greatest);
      least = Simd::min((mean - below) - (Simd::abs(mean) + below) * margin, least);
    }
    // What is behind the last channel must not count for the base.
    const uint32_t n = layout.head_dim - c < Simd::kLanes ? layout.head_dim - c : Simd::kLanes;
    Simd::store(x.key.mean + c, mean_key);
    Simd::store(x.mean_value + c, mean_value);
    Simd::store(x.key.greatest + c, Simd::select_lanes(greatest, 0, n, Simd::zero()));
    Simd::store(x.key.least + c, Simd::select_lanes(least, 0, n, Simd::zero()));
  }
  write_record(layout, totals.bounded, totals.n_tokens, x, record);
}

// Query heads computed together; larger groups are cut into equal parts.
constexpr uint32_t kMaxBoundHeads = 4;

template <uint32_t kHeads>
[[gnu::noinline]] void score_chunks(const ChunkScoreParams& params, uint32_t first_head, const float* sizes) {
  constexpr uint32_t kLanes = Simd::kLanes;
  const ChunkLayout& layout = params.layout;
  const uint32_t dim = layout.head_dim;
  const float* queries = params.q + size_t{first_head} * dim;
  for (uint32_t i = 0; i < params.n_chunks; ++i) {
    const uint8_t* record = params.records[i];
    if (i + kRecordsAhead < params.n_chunks) {
      prefetch_record(params.records[i + kRecordsAhead], layout.mean_value_offset());
    }
    const ChunkHeader header = chunk_header(record);
    const bool bounded = header.spread_base != kUnboundedChunk;
    const Simd::Int base = Simd::broadcast_int(bounded ? header.spread_base : 0);
    const Simd::Float key_scale = Simd::broadcast(header.key_scale);
    const Simd::Float half = Simd::broadcast(0.5f);
    // Middles of the bounds, and how far they reach to either side.
    Simd::Float middles[kHeads], reaches[kHeads];
    LEOAM_UNROLL
    for (uint32_t h = 0; h < kHeads; ++h) middles[h] = reaches[h] = Simd::zero();
    for (uint32_t c = 0; c < dim; c += kLanes) {
      const Simd::Float mean = signed_numbers(record + layout.mean_key_offset() + c);
      const Simd::Float above = spreads(record + layout.above_offset() + c, base);
      const Simd::Float below = spreads(record + layout.below_offset() + c, base);
      const Simd::Float middle = Simd::fma(mean, key_scale, (above - below) * half);
      const Simd::Float reach = (above + below) * half;
      LEOAM_UNROLL
      for (uint32_t h = 0; h < kHeads; ++h) {
        const float* at = queries + size_t{h} * dim + c;
        const Simd::Float q = dim - c < kLanes ? Simd::load_first(at, dim - c) : Simd::load(at);
        middles[h] = Simd::fma(q, middle, middles[h]);
        reaches[h] = Simd::fma(Simd::abs(q), reach, reaches[h]);
      }
    }
    LEOAM_UNROLL
    for (uint32_t h = 0; h < kHeads; ++h) {
      const float middle = Simd::sum(middles[h]);
      const float reach = Simd::sum(reaches[h]);
      const float outer = reach + chunk_score_slack(dim, header.key_scale, sizes[h], reach);
      const size_t at = size_t{i} * params.group + first_head + h;
      params.upper[at] = bounded ? middle + outer : __builtin_inff();
      if (params.lower != nullptr) params.lower[at] = bounded ? middle - outer : -__builtin_inff();
    }
  }
}

LEOAM_INLINE void chunk_score_simd(const ChunkScoreParams& params) {
  const uint32_t dim = params.layout.head_dim;
  for_each_part<kMaxBoundHeads>(params.group, [&]<uint32_t kHeads>(uint32_t first_head) {
    float sizes[kHeads];
    for (uint32_t h = 0; h < kHeads; ++h) {
      const float* q = params.q + size_t{first_head + h} * dim;
      Simd::Float sum = Simd::zero();
      for (uint32_t c = 0; c < dim; c += Simd::kLanes) {
        sum = sum + Simd::abs(dim - c < Simd::kLanes ? Simd::load_first(q + c, dim - c) : Simd::load(q + c));
      }
      sizes[h] = Simd::sum(sum);
    }
    score_chunks<kHeads>(params, first_head, sizes);
  });
}

}  // namespace
}  // namespace leoam::kernels
