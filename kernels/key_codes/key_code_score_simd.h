// Scores of key codes over Simd.
//
// What a page has one number of (mean scores, factors, their units) is computed with pages in the lanes, from
// channels as they stand in the block. The codes of the listed channels are then brought together by fours,
// 16 pages at once, so that a lane has four channels of one token: two operations unpack them for all query
// heads, and one more a head multiplies and adds (two without VNNI).
#pragma once

#include "kernels/key_codes/code_dot.h"
#include "kernels/key_codes/key_code_scratch.h"
#include "kernels/key_codes/key_codes.h"
#include "kernels/simd/head_parts.h"

namespace leoam::kernels {
namespace {

// Vectors of tokens computed together.
constexpr uint32_t kStripVectors = kCodeStrip_tokens / Simd::kLanes;

// A block, and the query heads of the group that are computed together.
struct ScoreWork {
  const KeyCodeScoreParams* params;
  const uint8_t* head;       // of the block
  const uint8_t* next_head;  // of the block that is next
  uint32_t pages;
  uint32_t n_quads;
  const float* q;    // of the first query head of the part
  uint8_t* weights;  // likewise
  float* units;      // likewise
  float* bases;      // likewise
  float* factors;
  uint8_t* codes;  // of the block
  float* scores;   // of the first query head of the part
  float* mean_scores;
  float* maximum;
};

// Means, factors and their units for kLanes pages from page `first` on.
template <uint32_t kHeads>
[[gnu::noinline]] void prepare_pages(const ScoreWork& work, uint32_t first) {
  const KeyCodeScoreParams& params = *work.params;
  const KeyCodeLayout& layout = params.layout;
  const uint32_t dim = layout.head_dim;
  // Two chains a head: one would wait for itself.
  Simd::Float means[kHeads][2];
  LEOAM_UNROLL
  for (uint32_t h = 0; h < kHeads; ++h) means[h][0] = means[h][1] = Simd::zero();
  const auto* mean = reinterpret_cast<const int8_t*>(work.head + layout.mean_offset(0) + first);
  uint32_t c = 0;
  for (; c + 2 <= dim; c += 2, mean += 2 * kCodeBlock_pages) {
    LEOAM_UNROLL
    for (uint32_t k = 0; k < 2; ++k) {
      const Simd::Float row = Simd::to_float(Simd::load_bytes(mean + k * kCodeBlock_pages));
      LEOAM_UNROLL
      for (uint32_t h = 0; h < kHeads; ++h) {
        means[h][k] = Simd::fma(row, Simd::broadcast(work.q[size_t{h} * dim + c + k]), means[h][k]);
      }
    }
  }
  if (c < dim) {
    const Simd::Float row = Simd::to_float(Simd::load_bytes(mean));
    LEOAM_UNROLL
    for (uint32_t h = 0; h < kHeads; ++h) {
      means[h][0] = Simd::fma(row, Simd::broadcast(work.q[size_t{h} * dim + c]), means[h][0]);
    }
  }
  const Simd::Float mean_scale =
      Simd::load(reinterpret_cast<const float*>(work.head + layout.mean_scale_offset()) + first);
  Simd::Float bases[kHeads];
  Simd::Float greatest[kHeads];
  LEOAM_UNROLL
  for (uint32_t h = 0; h < kHeads; ++h) {
    bases[h] = (means[h][0] + means[h][1]) * mean_scale;
    Simd::store(work.units + h * kCodeBlock_pages + first, bases[h]);
    greatest[h] = Simd::zero();
  }
  if (work.mean_scores != nullptr) {
    for (uint32_t page = first; page < first + Simd::kLanes; ++page) {
      if ((work.pages >> page & 1) == 0) continue;
      LEOAM_UNROLL
      for (uint32_t h = 0; h < kHeads; ++h) {
        const uint32_t at = h * kCodeBlock_pages + page;
        work.mean_scores[at] = work.units[at];
      }
    }
  }
  const Simd::Float offset_unit = Simd::broadcast(-kKeyCodeOffsetUnit);
  float* factors = work.factors;
  for (uint32_t i = 0; i < layout.n_coded; ++i) {
    const uint32_t channel = params.channels[i];
    const Simd::Float scale = decoded_scale(Simd::load_bytes(work.head + layout.scale_offset(i) + first));
    const Simd::Float offset =
        Simd::to_float(Simd::load_bytes(work.head + layout.offset_offset(i) + first)) * offset_unit;
    LEOAM_UNROLL
    for (uint32_t h = 0; h < kHeads; ++h, factors += Simd::kLanes) {
      const Simd::Float factor = scale * Simd::broadcast(work.q[size_t{h} * dim + channel]);
      Simd::store(factors, factor);
      bases[h] = Simd::fma(factor, offset, bases[h]);
      greatest[h] = Simd::max(Simd::abs(factor), greatest[h]);
    }
  }
  Simd::Float inverses[kHeads];
  LEOAM_UNROLL
  for (uint32_t h = 0; h < kHeads; ++h) {
    Simd::store(work.bases + h * kCodeBlock_pages + first, bases[h]);
    Simd::store(work.units + h * kCodeBlock_pages + first, greatest[h] * Simd::broadcast(1.0f / 127));
    inverses[h] = Simd::zero_where_less(Simd::broadcast(127.0f) / greatest[h], greatest[h], kLeastFactor);
  }
  const Simd::Int lowest = Simd::broadcast_int(0xff);
  for (uint32_t quad = 0; quad < work.n_quads; ++quad) {
    const uint32_t begin = quad * kQuad_channels;
    const uint32_t n = layout.n_coded - begin < kQuad_channels ? layout.n_coded - begin : kQuad_channels;
    LEOAM_UNROLL
    for (uint32_t h = 0; h < kHeads; ++h) {
      Simd::Int weights = Simd::broadcast_int(0);
      // The first channel is the lowest byte.
      LEOAM_UNROLL
      for (uint32_t i = 1; i <= kQuad_channels; ++i) {
        const uint32_t k = kQuad_channels - i;
        if (k >= n) continue;
        const Simd::Float factor = Simd::load(work.factors + ((begin + k) * kHeads + h) * Simd::kLanes);
        weights = Simd::add_bits(Simd::shift_left<8>(weights), Simd::to_int(factor * inverses[h]), lowest);
      }
      uint8_t* to =
          work.weights + ((size_t{h} * work.n_quads + quad) * kCodeBlock_pages + first) * kQuad_channels;
      Simd::store(reinterpret_cast<float*>(to), Simd::from_bits(weights));
    }
  }
}

// The codes by fours of channels: [quads][strips] of 256 bytes. Those of the next block are prefetched.
LEOAM_INLINE void gather_codes(const ScoreWork& work) {
  const KeyCodeLayout& layout = work.params->layout;
  const uint32_t n_strips = layout.n_strips();
  const size_t channel_bytes = layout.channel_bytes();
  uint8_t* out = work.codes;
  for (uint32_t quad = 0; quad < work.n_quads; ++quad) {
    const uint8_t* channels[kQuad_channels];
    for (uint32_t k = 0; k < kQuad_channels; ++k) {
      // Channels that are missing have weights of zero.
      const uint32_t i = quad * kQuad_channels + k;
      const size_t offset = layout.code_offset(i < layout.n_coded ? i : quad * kQuad_channels);
      channels[k] = work.head + offset;
      for (size_t line = 0; line < channel_bytes; line += 64) {
        _mm_prefetch(reinterpret_cast<const char*>(work.next_head + offset + line), _MM_HINT_T0);
      }
    }
    for (uint32_t strip = 0; strip < n_strips; ++strip, out += 256)
      CodeDot::interleave(channels, strip * size_t{64}, out);
  }
  const auto prefetch = [&](size_t begin, size_t end) {
    for (size_t line = begin; line < end; line += 64)
      _mm_prefetch(reinterpret_cast<const char*>(work.next_head + line), _MM_HINT_T0);
  };
  prefetch(0, layout.value_scale_offset());
  prefetch(layout.mean_offset(0), layout.mean_offset(layout.head_dim));
}

// kStrips strips of a page from `strip` on.
template <uint32_t kHeads, uint32_t kStrips>
LEOAM_INLINE void score_strips(const ScoreWork& work, uint32_t page, uint32_t strip, Simd::Float* maxima) {
  constexpr uint32_t kVectors = kStrips * kStripVectors;
  const KeyCodeLayout& layout = work.params->layout;
  const size_t quad_bytes = size_t{layout.n_strips()} * 256;
  const size_t head_weights = size_t{work.n_quads} * kCodeBlock_pages * kQuad_channels;
  const uint8_t* codes = work.codes + strip * size_t{256} + page % 4 * 64 + page / 4 * 16;
  const uint8_t* weights = work.weights + page * size_t{kQuad_channels};
  // As many quads as one sum can take.
  uint32_t quad = 0;
  const auto sum_run = [&](Simd::Int(&totals)[kHeads][kVectors]) __attribute__((always_inline)) {
    CodeDot::Sum sums[kHeads][kVectors];
    LEOAM_UNROLL
    for (uint32_t h = 0; h < kHeads; ++h) {
      LEOAM_UNROLL
      for (uint32_t v = 0; v < kVectors; ++v) sums[h][v] = CodeDot::zero();
    }
    const uint32_t end =
        work.n_quads - quad < CodeDot::kRun_quads ? work.n_quads : quad + CodeDot::kRun_quads;
    for (; quad < end; ++quad, codes += quad_bytes, weights += kCodeBlock_pages * kQuad_channels) {
      LEOAM_UNROLL
      for (uint32_t v = 0; v < kVectors; ++v) {
        const CodeDot::Codes tokens = CodeDot::codes(codes + v / kStripVectors * 256, v % kStripVectors);
        LEOAM_UNROLL
        for (uint32_t h = 0; h < kHeads; ++h) {
          sums[h][v] = CodeDot::multiply_add(sums[h][v], tokens, weights + h * head_weights);
        }
      }
    }
    LEOAM_UNROLL
    for (uint32_t h = 0; h < kHeads; ++h) {
      LEOAM_UNROLL
      for (uint32_t v = 0; v < kVectors; ++v) totals[h][v] = CodeDot::total(sums[h][v]);
    }
  };
  Simd::Int totals[kHeads][kVectors];
  sum_run(totals);
  while (quad < work.n_quads) {
    Simd::Int more[kHeads][kVectors];
    sum_run(more);
    LEOAM_UNROLL
    for (uint32_t h = 0; h < kHeads; ++h) {
      LEOAM_UNROLL
      for (uint32_t v = 0; v < kVectors; ++v) totals[h][v] = Simd::add(totals[h][v], more[h][v]);
    }
  }
  LEOAM_UNROLL
  for (uint32_t h = 0; h < kHeads; ++h) {
    const Simd::Float unit = Simd::broadcast(work.units[h * kCodeBlock_pages + page]);
    const Simd::Float base = Simd::broadcast(work.bases[h * kCodeBlock_pages + page]);
    float* to =
        work.scores + (size_t{h} * kCodeBlock_pages + page) * layout.page_tokens + strip * kCodeStrip_tokens;
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v) {
      const Simd::Float score = Simd::fma(Simd::to_float(totals[h][v]), unit, base);
      Simd::store(to + v * Simd::kLanes, score);
      maxima[h] = Simd::max(score, maxima[h]);
    }
  }
}

template <uint32_t kHeads>
[[gnu::noinline]] void score_pages(const ScoreWork& work) {
  constexpr uint32_t kStrips = Simd::kRegisters == 32 ? 2 : 1;
  const uint32_t n_strips = work.params->layout.n_strips();
  Simd::Float maxima[kHeads];
  LEOAM_UNROLL
  for (uint32_t h = 0; h < kHeads; ++h) maxima[h] = Simd::broadcast(-__builtin_inff());
  for (uint32_t pages = work.pages; pages != 0; pages &= pages - 1) {
    const auto page = static_cast<uint32_t>(__builtin_ctz(pages));
    uint32_t strip = 0;
    for (; strip + kStrips <= n_strips; strip += kStrips)
      score_strips<kHeads, kStrips>(work, page, strip, maxima);
    if constexpr (kStrips > 1) {
      if (strip < n_strips) score_strips<kHeads, 1>(work, page, strip, maxima);
    }
  }
  LEOAM_UNROLL
  for (uint32_t h = 0; h < kHeads; ++h) work.maximum[h] = Simd::maximum(maxima[h]);
}

template <uint32_t kHeads>
void score_heads(const ScoreWork& work) {
  constexpr uint32_t kLanesMask = (1u << Simd::kLanes) - 1;
  for (uint32_t first = 0; first < kCodeBlock_pages; first += Simd::kLanes)
    if ((work.pages >> first & kLanesMask) != 0) prepare_pages<kHeads>(work, first);
  score_pages<kHeads>(work);
}

LEOAM_INLINE void key_code_score_simd(const KeyCodeScoreParams& params, uint32_t kv_head) {
  const KeyCodeLayout& layout = params.layout;
  const size_t offset = layout.head_offset(kv_head);
  const KeyCodeScratch scratch = key_code_scratch(layout, params.group);
  ScoreWork work;
  work.params = &params;
  work.n_quads = (layout.n_coded + kQuad_channels - 1) / kQuad_channels;
  work.weights = params.scratch + scratch.weights;
  work.units = reinterpret_cast<float*>(params.scratch + scratch.units);
  work.bases = reinterpret_cast<float*>(params.scratch + scratch.bases);
  work.factors = reinterpret_cast<float*>(params.scratch + scratch.factors);
  work.codes = params.scratch + scratch.codes;
  for (uint32_t b = 0; b < params.n_blocks; ++b) {
    work.head = params.blocks[b].block + offset;
    const uint8_t* const next = b + 1 < params.n_blocks ? params.blocks[b + 1].block : params.next_block;
    work.next_head = next == nullptr ? work.head : next + offset;
    work.pages = params.blocks[b].pages;
    if (work.pages != 0) gather_codes(work);
    for_each_part<kMaxScoreHeads>(params.group, [&]<uint32_t kHeads>(uint32_t first_head) {
      const size_t row = size_t{b} * params.group + first_head;
      work.q = params.q + size_t{first_head} * layout.head_dim;
      work.scores = params.scores + row * kCodeBlock_pages * layout.page_tokens;
      work.mean_scores =
          params.mean_scores == nullptr ? nullptr : params.mean_scores + row * kCodeBlock_pages;
      work.maximum = params.maximum + row;
      if (work.pages != 0) {
        score_heads<kHeads>(work);
      } else {
        for (uint32_t h = 0; h < kHeads; ++h) work.maximum[h] = -__builtin_inff();
      }
    });
  }
}

}  // namespace
}  // namespace leoam::kernels
