// One query token's attention over strips of 16 tokens, over Simd: what decode over pages and over granules
// share.
//
// Strips are taken in blocks of kBlockStrips. For each block: scores of all its tokens (keys are
// channel-major, so one load of a strip's channel serves every query head of the group and no horizontal sum
// is needed), one step of the online softmax, then the weighted sum of value rows, with the output in
// registers across the whole block. While one strip is computed, the memory of a later one is prefetched:
// pages are scattered, so that the hardware would start anew at each of them.
#pragma once

#include "kernels/attention/attention.h"
#include "kernels/page_rows_simd.h"
#include "kernels/simd/head_parts.h"

namespace leoam::kernels {
namespace {

constexpr uint32_t kStripTokens = 16;
constexpr uint32_t kStripVectors = kStripTokens / Simd::kLanes;
constexpr uint32_t kBlockStrips = 16;
constexpr uint32_t kBlockTokens = kBlockStrips * kStripTokens;
// Query heads computed together; larger groups are cut into equal parts.
constexpr uint32_t kMaxHeads = Simd::kRegisters == 32 ? 8 : 6;

// A strip has `end` tokens from `begin` on that count; what else is loaded with them must not influence any
// result. Its type tells where they stand:
//   Element; kRuns, in how many places; key(run), of channel 0, and value(run), of the run's first token, for
//   prefetching; load_key(row, v): vector v of tokens of the channel that starts `row` elements behind
//   channel 0; run_begin(run), run_end(run): the tokens that count in a run; value_row(run, head_dim): of the
//   first of them; kScaled, whether numbers are codes of an int8 page: then key_scales(row, v), of vector v
//   of tokens and `row` scales behind those of the first channels, value_scales(v), and origin(run) of its
//   page's keys; kMasked, whether of [begin, end) only the tokens with a bit in `mask` count.
template <class Strip>
struct Block {
  Strip strips[kBlockStrips];
  uint32_t n_strips;
};

// How many registers of accumulators a head may have, given the ones that hold loaded rows and factors.
constexpr uint32_t accumulators_per_head(uint32_t n_heads, uint32_t wanted) {
  uint32_t n = wanted;
  while (n > 1 && n * n_heads + (n < n_heads ? n : n_heads) + 1 > Simd::kRegisters) n /= 2;
  return n;
}

// To the second-level cache: the first one has too few requests in flight to keep the memory busy.
template <class Element>
LEOAM_INLINE void prefetch(const Element* p) {
  _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T1);
}

// What comes after a strip.
template <class Strip>
struct Ahead {
  const typename Strip::Element* at[Strip::kRuns];
};

// Adds what channels [begin, end) of kStrips strips come to for kHeads heads; rows of q are head_dim apart.
template <uint32_t kHeads, uint32_t kStrips, class Strip>
LEOAM_INLINE void add_channels(const Strip* strips, const Ahead<Strip>* ahead, uint32_t page_tokens,
                               uint32_t head_dim, const float* q, uint32_t begin, uint32_t end,
                               Simd::Float (&sums)[kHeads][kStrips * kStripVectors]) {
  constexpr uint32_t kVectors = kStrips * kStripVectors;
  size_t row = size_t{begin} * page_tokens;
  for (uint32_t c = begin; c < end; ++c, row += page_tokens) {
    LEOAM_UNROLL
    for (uint32_t s = 0; s < kStrips; s += Strip::kStripsOfLine) {
      LEOAM_UNROLL
      for (uint32_t run = 0; run < Strip::kRuns; ++run) prefetch(ahead[s].at[run] + row);
    }
    if constexpr (kVectors < kHeads) {
      Simd::Float keys[kVectors];
      LEOAM_UNROLL
      for (uint32_t v = 0; v < kVectors; ++v) {
        keys[v] = strips[v / kStripVectors].load_key(row, v % kStripVectors);
      }
      LEOAM_UNROLL
      for (uint32_t h = 0; h < kHeads; ++h) {
        const Simd::Float factor = Simd::broadcast(q[size_t{h} * head_dim + c]);
        LEOAM_UNROLL
        for (uint32_t v = 0; v < kVectors; ++v) sums[h][v] = Simd::fma(keys[v], factor, sums[h][v]);
      }
    } else {
      Simd::Float factors[kHeads];
      LEOAM_UNROLL
      for (uint32_t h = 0; h < kHeads; ++h) factors[h] = Simd::broadcast(q[size_t{h} * head_dim + c]);
      LEOAM_UNROLL
      for (uint32_t v = 0; v < kVectors; ++v) {
        const Simd::Float key = strips[v / kStripVectors].load_key(row, v % kStripVectors);
        LEOAM_UNROLL
        for (uint32_t h = 0; h < kHeads; ++h) sums[h][v] = Simd::fma(key, factors[h], sums[h][v]);
      }
    }
  }
}

template <uint32_t kHeads, uint32_t kVectors>
LEOAM_INLINE void clear(Simd::Float (&sums)[kHeads][kVectors]) {
  LEOAM_UNROLL
  for (uint32_t h = 0; h < kHeads; ++h) {
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v) sums[h][v] = Simd::zero();
  }
}

// Scores of kStrips strips for kHeads heads; q and scores: rows head_dim and kBlockTokens apart. Where keys
// have origins, the scores hold what these come to.
template <uint32_t kHeads, uint32_t kStrips, class Strip>
[[gnu::noinline]] void score_strips(const Strip* strips, const Ahead<Strip>* ahead, uint32_t page_tokens,
                                    uint32_t head_dim, const float* q, float scale, float* scores) {
  constexpr uint32_t kVectors = kStrips * kStripVectors;
  Simd::Float sums[kHeads][kVectors];
  clear(sums);
  if constexpr (Strip::kScaled) {
    LEOAM_UNROLL
    for (uint32_t h = 0; h < kHeads; ++h) {
      LEOAM_UNROLL
      for (uint32_t v = 0; v < kVectors; ++v) {
        sums[h][v] = Simd::load(scores + h * kBlockTokens + v * Simd::kLanes);
      }
    }
    size_t scale_row = 0;
    for (uint32_t c = 0; c < head_dim; c += kKeyScale_channels, scale_row += page_tokens) {
      const uint32_t end = head_dim - c < kKeyScale_channels ? head_dim : c + kKeyScale_channels;
      Simd::Float steps[kHeads][kVectors];
      clear(steps);
      add_channels<kHeads, kStrips>(strips, ahead, page_tokens, head_dim, q, c, end, steps);
      LEOAM_UNROLL
      for (uint32_t v = 0; v < kVectors; ++v) {
        const Simd::Float scales = strips[v / kStripVectors].key_scales(scale_row, v % kStripVectors);
        LEOAM_UNROLL
        for (uint32_t h = 0; h < kHeads; ++h) sums[h][v] = Simd::fma(steps[h][v], scales, sums[h][v]);
      }
    }
  } else {
    add_channels<kHeads, kStrips>(strips, ahead, page_tokens, head_dim, q, 0, head_dim, sums);
  }
  LEOAM_UNROLL
  for (uint32_t h = 0; h < kHeads; ++h) {
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v) {
      Simd::store(scores + h * kBlockTokens + v * Simd::kLanes, sums[h][v] * Simd::broadcast(scale));
    }
  }
}

LEOAM_INLINE float dot_bf16(const float* q, const uint16_t* x, uint32_t n) {
  Simd::Float sums = Simd::zero();
  uint32_t c = 0;
  for (; c + Simd::kLanes <= n; c += Simd::kLanes)
    sums = Simd::fma(Simd::load(q + c), Simd::load_bf16(x + c), sums);
  float sum = Simd::sum(sums);
  for (; c < n; ++c) sum += q[c] * bf16_to_f32(x[c]);
  return sum;
}

// What the origins of keys come to, for each token of a block.
template <uint32_t kHeads, class Strip>
LEOAM_INLINE void score_origins(const Block<Strip>& block, uint32_t head_dim, const float* q, float* scores) {
  const uint16_t* last = nullptr;
  float of_last[kHeads] = {};
  for (uint32_t s = 0; s < block.n_strips; ++s) {
    LEOAM_UNROLL
    for (uint32_t run = 0; run < Strip::kRuns; ++run) {
      const uint16_t* origin = block.strips[s].origin(run);
      if (origin != last) {
        for (uint32_t h = 0; h < kHeads; ++h)
          of_last[h] = dot_bf16(q + size_t{h} * head_dim, origin, head_dim);
        last = origin;
      }
      for (uint32_t h = 0; h < kHeads; ++h) {
        float* to = scores + h * kBlockTokens + s * kStripTokens + run * (kStripTokens / Strip::kRuns);
        for (uint32_t i = 0; i < kStripTokens / Strip::kRuns; i += kGranule_tokens)
          Simd::store_eight(to + i, Simd::broadcast(of_last[h]));
      }
    }
  }
}

// One step of the online softmax: scores of a block -> weights, and the state's maximum and sum. Returns the
// factor for what the state has accumulated.
template <class Strip>
float soften(const Block<Strip>& block, float* scores, float* partial) {
  const Simd::Float lowest = Simd::broadcast(-__builtin_inff());
  Simd::Float largest = Simd::broadcast(partial[kPartialMaximum]);
  for (uint32_t s = 0; s < block.n_strips; ++s) {
    const Strip& strip = block.strips[s];
    if constexpr (Strip::kMasked) {
      for (uint32_t t = 0; t < kStripTokens && strip.mask != 0xffff; ++t)
        if ((strip.mask >> t & 1) == 0) scores[s * kStripTokens + t] = -__builtin_inff();
    }
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kStripVectors; ++v) {
      float* at = scores + s * kStripTokens + v * Simd::kLanes;
      Simd::Float score = Simd::load(at);
      if (strip.end - strip.begin < kStripTokens) {
        const uint32_t first = v * Simd::kLanes;
        const uint32_t begin = strip.begin > first ? strip.begin - first : 0;
        const uint32_t end = strip.end > first ? strip.end - first : 0;
        score = Simd::select_lanes(score, begin < Simd::kLanes ? begin : Simd::kLanes,
                                   end < Simd::kLanes ? end : Simd::kLanes, lowest);
        Simd::store(at, score);
      }
      largest = Simd::max(score, largest);
    }
  }
  const float maximum = Simd::maximum(largest);
  const Simd::Float top = Simd::broadcast(maximum);
  Simd::Float sums[2] = {Simd::zero(), Simd::zero()};
  for (uint32_t i = 0; i < block.n_strips * kStripTokens; i += 2 * Simd::kLanes) {
    LEOAM_UNROLL
    for (uint32_t k = 0; k < 2; ++k) {
      if (kStripVectors == 1 && k == 1 && i + Simd::kLanes >= block.n_strips * kStripTokens) break;
      const Simd::Float weight = exp(Simd::load(scores + i + k * Simd::kLanes) - top);
      Simd::store(scores + i + k * Simd::kLanes, weight);
      sums[k] = sums[k] + weight;
    }
  }
  const float rescale = exp(partial[kPartialMaximum] - maximum);
  partial[kPartialMaximum] = maximum;
  partial[kPartialSum] = partial[kPartialSum] * rescale + Simd::sum(sums[0] + sums[1]);
  return rescale;
}

// Weights become those of the values' codes.
template <class Strip>
LEOAM_INLINE void scale_weights(const Block<Strip>& block, float* weights) {
  for (uint32_t s = 0; s < block.n_strips; ++s) {
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kStripVectors; ++v) {
      float* at = weights + s * kStripTokens + v * Simd::kLanes;
      Simd::store(at, Simd::load(at) * block.strips[s].value_scales(v));
    }
  }
}

// Adds the block's weighted value rows to kVectors vectors of output from `channel` on; `partial`: of head 0.
// kTail: one vector of which only `tail` channels exist.
template <uint32_t kHeads, uint32_t kVectors, bool kTail, class Strip>
[[gnu::noinline]] void add_values(const Block<Strip>& block, uint32_t head_dim, uint32_t channel,
                                  uint32_t tail, const float* weights, const float* rescale, float* partial,
                                  size_t partial_stride, const typename Strip::Element* next_key) {
  using Element = typename Strip::Element;
  Simd::Float sums[kHeads][kVectors];
  float* output = partial + kPartialOutput + channel;
  LEOAM_UNROLL
  for (uint32_t h = 0; h < kHeads; ++h) {
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v) {
      sums[h][v] = Simd::load(output + h * partial_stride + v * Simd::kLanes) * Simd::broadcast(rescale[h]);
    }
  }
  for (uint32_t s = 0; s < block.n_strips; ++s) {
    const Strip& strip = block.strips[s];
    LEOAM_UNROLL
    for (uint32_t run = 0; run < Strip::kRuns; ++run) {
      const Element* row = strip.value_row(run, head_dim) + channel;
      const Element* ahead = s + 2 < block.n_strips
                                 ? block.strips[s + 2].value(run) + channel
                                 : next_key + (s + 2 - block.n_strips) * kStripTokens * head_dim;
      const float* weight = weights + s * kStripTokens + strip.run_begin(run);
      const float* const end = weights + s * kStripTokens + strip.run_end(run);
      for (; weight != end; ++weight, row += head_dim, ahead += head_dim) {
        if constexpr (Strip::kMasked) {
          if ((strip.mask >> (weight - (weights + s * kStripTokens)) & 1) == 0) continue;
        }
        constexpr uint32_t kLines = (kVectors * Simd::kLanes * sizeof(Element) + 63) / 64;
        LEOAM_UNROLL
        for (uint32_t line = 0; line < kLines; ++line) prefetch(ahead + line * (64 / sizeof(Element)));
        if constexpr (kVectors < kHeads) {
          Simd::Float values[kVectors];
          LEOAM_UNROLL
          for (uint32_t v = 0; v < kVectors; ++v) {
            values[v] = kTail ? Simd::load_first(row, tail) : Simd::load(row + v * Simd::kLanes);
          }
          LEOAM_UNROLL
          for (uint32_t h = 0; h < kHeads; ++h) {
            const Simd::Float factor = Simd::broadcast(weight[h * size_t{kBlockTokens}]);
            LEOAM_UNROLL
            for (uint32_t v = 0; v < kVectors; ++v) sums[h][v] = Simd::fma(values[v], factor, sums[h][v]);
          }
        } else {
          Simd::Float factors[kHeads];
          LEOAM_UNROLL
          for (uint32_t h = 0; h < kHeads; ++h)
            factors[h] = Simd::broadcast(weight[h * size_t{kBlockTokens}]);
          LEOAM_UNROLL
          for (uint32_t v = 0; v < kVectors; ++v) {
            const Simd::Float value =
                kTail ? Simd::load_first(row, tail) : Simd::load(row + v * Simd::kLanes);
            LEOAM_UNROLL
            for (uint32_t h = 0; h < kHeads; ++h) sums[h][v] = Simd::fma(value, factors[h], sums[h][v]);
          }
        }
      }
    }
  }
  LEOAM_UNROLL
  for (uint32_t h = 0; h < kHeads; ++h) {
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v) {
      Simd::store(output + h * partial_stride + v * Simd::kLanes, sums[h][v]);
    }
  }
}

// What one block needs beside its strips.
template <class Strip>
struct BlockWork {
  uint32_t head_dim;
  uint32_t page_tokens;
  float scale;
  const float* q;  // of the first head of the part
  float* partials;
  size_t partial_stride;
  const typename Strip::Element* next_key;  // of the strip behind the block, or any readable one
};

template <uint32_t kHeads, class Strip>
void run_block(const Block<Strip>& block, const BlockWork<Strip>& work) {
  alignas(64) float scores[kHeads * kBlockTokens];
  constexpr uint32_t kStrips = accumulators_per_head(kHeads, 4 * kStripVectors) / kStripVectors;
  static_assert(kStrips >= 1);
  uint32_t s = 0;
  const auto score = [&]<uint32_t kCount>() {
    Ahead<Strip> ahead[kCount];
    for (uint32_t k = 0; k < kCount; ++k) {
      const uint32_t next = s + kCount + k;
      for (uint32_t run = 0; run < Strip::kRuns; ++run) {
        ahead[k].at[run] = next < block.n_strips
                               ? block.strips[next].key(run)
                               : block.strips[(next - block.n_strips) % block.n_strips].value(run);
      }
    }
    score_strips<kHeads, kCount>(block.strips + s, ahead, work.page_tokens, work.head_dim, work.q, work.scale,
                                 scores + s * kStripTokens);
    s += kCount;
  };
  if constexpr (Strip::kScaled) score_origins<kHeads>(block, work.head_dim, work.q, scores);
  while (s + kStrips <= block.n_strips) score.template operator()<kStrips>();
  while (s < block.n_strips) score.template operator()<1>();

  float rescale[kHeads];
  for (uint32_t h = 0; h < kHeads; ++h) {
    rescale[h] = soften(block, scores + h * kBlockTokens, work.partials + h * work.partial_stride);
    if constexpr (Strip::kScaled) scale_weights(block, scores + h * kBlockTokens);
  }

  uint32_t channel = 0;
  const auto add = [&]<uint32_t kVectors, bool kTail>() {
    add_values<kHeads, kVectors, kTail>(block, work.head_dim, channel, work.head_dim - channel, scores,
                                        rescale, work.partials, work.partial_stride, work.next_key);
    channel += kVectors * Simd::kLanes;
  };
  constexpr uint32_t kWide = accumulators_per_head(kHeads, kHeads == 1 ? 8 : 4);
  while (channel + kWide * Simd::kLanes <= work.head_dim) add.template operator()<kWide, false>();
  if constexpr (kWide > 4) {
    if (channel + 4 * Simd::kLanes <= work.head_dim) add.template operator()<4, false>();
  }
  if constexpr (kWide > 2) {
    if (channel + 2 * Simd::kLanes <= work.head_dim) add.template operator()<2, false>();
  }
  if (kWide > 1 && channel + Simd::kLanes <= work.head_dim) add.template operator()<1, false>();
  if (channel < work.head_dim) add.template operator()<1, true>();
}

template <class Strip>
void run_group(uint32_t group, const Block<Strip>& block, const BlockWork<Strip>& work) {
  for_each_part<kMaxHeads>(group, [&]<uint32_t kHeads>(uint32_t first_head) {
    BlockWork<Strip> part = work;
    part.q += size_t{first_head} * work.head_dim;
    part.partials += first_head * work.partial_stride;
    run_block<kHeads>(block, part);
  });
}

// Empty partial states of a group.
LEOAM_INLINE void start_partials(uint32_t group, size_t stride, float* partials) {
  for (size_t i = 0; i < group * stride; i += Simd::kLanes) Simd::store(partials + i, Simd::zero());
  for (uint32_t g = 0; g < group; ++g) partials[g * stride + kPartialMaximum] = -__builtin_inff();
}

}  // namespace
}  // namespace leoam::kernels
