// One query token's attention over strips of compact pages, over Simd: what decode over pages and over
// granules share. Blocks and their softmax are those of attention_block_simd.h; a block holds strips of one
// codec.
//
// Codes are multiplied as integers, two 16-bit products to a lane. What they are multiplied with is f32
// rounded to 16 bits, with one unit for each head: for keys q * scale over a page's channels, for values
// weight * scale over kSegmentStrips strips and a group of channels. That is an error of at most 2^-16 of the
// greatest of them, for each; bases are summed in f32.
#pragma once

#include "kernels/attention/attention_block_simd.h"
#include "kernels/page_codec/page_codec_layout.h"

namespace leoam::kernels {
namespace {

// Wider heads are left to the scalar kernels: their weights have no room on the stack.
constexpr uint32_t kMaxCompact_channels = 1024;
// 32767 * 255 for each of 256 products is below 2^31; more channels get a smaller greatest weight.
constexpr uint32_t kGreatestWord = 32767;
constexpr uint32_t kGreatestSum = 0x7fffffff / 255;
// A scale of weights below this is none: what it would come to is less than any rounding.
constexpr float kLeastWeight = 0x1p-100f;

// Strips of a block whose weights share a unit.
constexpr uint32_t kSegmentStrips = 4;
constexpr uint32_t kSegmentTokens = kSegmentStrips * kStripTokens;

// One or two granules of a page; of one granule both are the same, and the mask is without the second.
struct CompactStrip {
  static constexpr bool kMasked = true;
  static constexpr uint32_t begin = 0;
  static constexpr uint32_t end = kStripTokens;

  const uint8_t* head;  // the KV head's bytes in the page
  uint32_t granules[2];
  uint32_t mask;  // bit t: token t of the strip counts
};
using CompactBlock = Block<CompactStrip>;

// What does not change from block to block, but for the codec.
struct CompactWork {
  CompactLayout layout;
  float scale;
  const float* q;  // of the first head of the part, rows head_dim apart
  float* partials;
  size_t partial_stride;
};

// Places of the two granules of a strip.
struct GranulePlaces {
  const uint8_t* at[2];
};
LEOAM_INLINE GranulePlaces places_of(const CompactStrip& strip, size_t offset, size_t granule_bytes) {
  const uint8_t* const codes = strip.head + offset;
  return {{codes + strip.granules[0] * granule_bytes, codes + strip.granules[1] * granule_bytes}};
}

LEOAM_INLINE void prefetch_bytes(const uint8_t* p, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 64) prefetch(p + i);
}
// Pages are scattered. Values come to the second-level cache while the block's keys are computed with, the
// keys of the next block while its values are; those of a first block while the page before them is.
LEOAM_INLINE void prefetch_values(const CompactStrip& strip, const CompactLayout& layout) {
  const size_t bytes = layout.value_granule_bytes();
  for (const uint8_t* at : places_of(strip, layout.value_codes_offset(), bytes).at) prefetch_bytes(at, bytes);
}
LEOAM_INLINE void prefetch_keys(const CompactStrip& strip, const CompactLayout& layout) {
  const size_t bytes = layout.key_granule_bytes();
  for (const uint8_t* at : places_of(strip, layout.key_codes_offset(), bytes).at) prefetch_bytes(at, bytes);
  // What is beside the codes; once more for each strip of the page.
  prefetch_bytes(strip.head, layout.key_codes_offset());
}

// Pair p (of 4) of 8 numbers, from the bytes of the first 4 and of the next 4; of 4 bits these are the same.
template <uint32_t kBits, uint32_t p>
LEOAM_INLINE Simd::Int code_pair(Simd::Int bytes) {
  if constexpr (kBits == 8) {
    if constexpr (p % 2 == 0) return Simd::bit_and(bytes, Simd::broadcast_int(0x00ff00ff));
    return Simd::shift_right_words<8>(bytes);
  } else {
    if constexpr (p == 3) return Simd::shift_right_words<12>(bytes);
    constexpr int kShift = p == 0 ? 0 : p == 1 ? 8 : 4;
    return Simd::bit_and(Simd::shift_right_words<kShift>(bytes), Simd::broadcast_int(0x000f000f));
  }
}

LEOAM_INLINE Simd::Int broadcast_pair(const int16_t* words) {
  int32_t pair;
  __builtin_memcpy(&pair, words, sizeof pair);
  return Simd::broadcast_int(pair);
}

// Adds 8 numbers of each lane times their weights. load(quad, v): the bytes of vector v; words: of head 0,
// those of other heads `stride` behind.
template <uint32_t kBits, uint32_t kHeads, uint32_t kVectors, class Load>
LEOAM_INLINE void add_eight(const Load& load, const int16_t* words, size_t stride,
                            Simd::Int (&sums)[kHeads][kVectors]) {
  const auto add = [&]<uint32_t p>() {
    Simd::Int codes[kVectors];
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v) codes[v] = code_pair<kBits, p>(load(p / 2, v));
    LEOAM_UNROLL
    for (uint32_t h = 0; h < kHeads; ++h) {
      const Simd::Int factor = broadcast_pair(words + h * stride + 2 * p);
      LEOAM_UNROLL
      for (uint32_t v = 0; v < kVectors; ++v)
        sums[h][v] = Simd::add_word_products(sums[h][v], codes[v], factor);
    }
  };
  add.template operator()<0>();
  add.template operator()<1>();
  add.template operator()<2>();
  add.template operator()<3>();
}

// Vectors that a pass takes at once: accumulators, codes, a factor and a product.
constexpr uint32_t compact_vectors(uint32_t n_heads, uint32_t wanted) {
  uint32_t n = wanted;
  while (n > 1 && n * n_heads + n + 2 > Simd::kRegisters) n /= 2;
  return n;
}

template <uint32_t kHeads, uint32_t kVectors>
LEOAM_INLINE void clear(Simd::Int (&sums)[kHeads][kVectors]) {
  LEOAM_UNROLL
  for (uint32_t h = 0; h < kHeads; ++h) {
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v) sums[h][v] = Simd::broadcast_int(0);
  }
}

// Of weights of one head: what they are multiplied with to become words, and what a word is worth.
struct WordUnit {
  Simd::Float inverse;
  float unit;

  LEOAM_INLINE WordUnit of(Simd::Float greatest, uint32_t greatest_word) {
    const float most = Simd::maximum(greatest);
    const auto word = static_cast<float>(greatest_word);
    if (!(most > kLeastWeight)) return {Simd::zero(), 0};
    return {Simd::broadcast(word / most), most / word};
  }
};
constexpr uint32_t kWordVectors = 16 / Simd::kLanes;
LEOAM_INLINE void store_words(int16_t* to, const Simd::Float* x, Simd::Float inverse) {
  Simd::Int words[kWordVectors];
  LEOAM_UNROLL
  for (uint32_t v = 0; v < kWordVectors; ++v) words[v] = Simd::to_int(x[v] * inverse);
  Simd::store_words(to, words);
}

// What the keys of a page are multiplied with.
template <uint32_t kHeads>
struct KeyWeights {
  alignas(64) int16_t words[kHeads * kMaxCompact_channels];  // rows key_stride apart
  float unit[kHeads];
  float start[kHeads];  // what the bases come to
};
LEOAM_INLINE uint32_t key_stride(const CompactLayout& layout) {
  return (layout.channels() + 15) / 16 * 16;
}

template <uint32_t kHeads>
[[gnu::noinline]] void weigh_keys(const CompactWork& work, const uint8_t* head, KeyWeights<kHeads>* to) {
  const uint32_t head_dim = work.layout.plain.head_dim;
  const uint32_t stride = key_stride(work.layout);
  const auto* base = reinterpret_cast<const uint16_t*>(head + work.layout.key_base_offset());
  const auto* scale = reinterpret_cast<const uint16_t*>(head + work.layout.key_scale_offset());
  alignas(64) float weights[kHeads * kMaxCompact_channels];
  Simd::Float bases[kHeads], greatest[kHeads];
  LEOAM_UNROLL
  for (uint32_t h = 0; h < kHeads; ++h) bases[h] = greatest[h] = Simd::zero();
  const auto add = [&](uint32_t c, const auto& load) {
    const Simd::Float bases_of = load(base + c);
    const Simd::Float scales_of = load(scale + c);
    LEOAM_UNROLL
    for (uint32_t h = 0; h < kHeads; ++h) {
      const Simd::Float q = load(work.q + size_t{h} * head_dim + c);
      bases[h] = Simd::fma(q, bases_of, bases[h]);
      const Simd::Float weight = q * scales_of;
      greatest[h] = Simd::max(Simd::abs(weight), greatest[h]);
      Simd::store(weights + h * stride + c, weight);
    }
  };
  uint32_t c = 0;
  for (; c + Simd::kLanes <= head_dim; c += Simd::kLanes) add(c, [](const auto* p) { return Simd::load(p); });
  for (; c < stride; c += Simd::kLanes) {
    const uint32_t n = head_dim > c ? head_dim - c : 0;
    add(c, [n](const auto* p) { return Simd::load_first(p, n); });
  }
  const uint32_t most = kGreatestSum / work.layout.channels();
  WordUnit units[kHeads];
  LEOAM_UNROLL
  for (uint32_t h = 0; h < kHeads; ++h) {
    units[h] = WordUnit::of(greatest[h], most < kGreatestWord ? most : kGreatestWord);
    to->unit[h] = units[h].unit;
    to->start[h] = Simd::sum(bases[h]);
  }
  for (c = 0; c < stride; c += 16) {
    LEOAM_UNROLL
    for (uint32_t h = 0; h < kHeads; ++h) {
      Simd::Float of_16[kWordVectors];
      LEOAM_UNROLL
      for (uint32_t v = 0; v < kWordVectors; ++v)
        of_16[v] = Simd::load(weights + h * stride + c + v * Simd::kLanes);
      store_words(to->words + h * stride + c, of_16, units[h].inverse);
    }
  }
}

// Scores of kStrips strips of a page.
template <uint32_t kHeads, uint32_t kStrips, uint32_t kBits>
[[gnu::noinline]] void score_compact(const CompactStrip* strips, const CompactLayout& layout,
                                     const KeyWeights<kHeads>& weights, float scale, float* scores) {
  constexpr uint32_t kVectors = kStrips * kStripVectors;
  const size_t offset = layout.key_codes_offset();
  const size_t granule_bytes = layout.key_granule_bytes();
  GranulePlaces places[kStrips];
  for (uint32_t s = 0; s < kStrips; ++s) places[s] = places_of(strips[s], offset, granule_bytes);
  const uint32_t channels = layout.channels();
  const size_t stride = key_stride(layout);
  Simd::Int sums[kHeads][kVectors];
  clear(sums);
  for (uint32_t c = 0; c < channels; c += 8) {
    const size_t at = size_t{c} * kBits;
    add_eight<kBits>(
        [&](uint32_t quad, uint32_t v) {
          return Simd::load_int_eights(places[v / kStripVectors].at, at + (kBits == 8 ? quad * 32 : 0),
                                       v % kStripVectors);
        },
        weights.words + c, stride, sums);
  }
  LEOAM_UNROLL
  for (uint32_t h = 0; h < kHeads; ++h) {
    const Simd::Float unit = Simd::broadcast(weights.unit[h] * scale);
    const Simd::Float start = Simd::broadcast(weights.start[h] * scale);
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v) {
      Simd::store(scores + h * kBlockTokens + v * Simd::kLanes,
                  Simd::fma(Simd::to_float(sums[h][v]), unit, start));
    }
  }
}

template <uint32_t kHeads, uint32_t kBits>
void score_block(const CompactBlock& block, const CompactWork& work, bool cold, float* scores) {
  constexpr uint32_t kVectors = compact_vectors(kHeads, 4);
  constexpr uint32_t kStrips = kVectors > kStripVectors ? kVectors / kStripVectors : 1;
  const CompactLayout& layout = work.layout;
  KeyWeights<kHeads> weights;
  uint32_t s = 0;
  while (s < block.n_strips) {
    const uint8_t* const head = block.strips[s].head;
    uint32_t end = s;
    for (; end < block.n_strips && block.strips[end].head == head; ++end)
      prefetch_values(block.strips[end], layout);
    for (uint32_t next = end; cold && next < 2 * end - s && next < block.n_strips; ++next)
      prefetch_keys(block.strips[next], layout);
    weigh_keys<kHeads>(work, head, &weights);
    for (; s + kStrips <= end; s += kStrips)
      score_compact<kHeads, kStrips, kBits>(block.strips + s, layout, weights, work.scale,
                                            scores + s * kStripTokens);
    for (; s < end; ++s)
      score_compact<kHeads, 1, kBits>(block.strips + s, layout, weights, work.scale,
                                      scores + s * kStripTokens);
  }
}

// What the values of a segment are multiplied with, in one group of channels.
template <uint32_t kHeads>
struct ValueWeights {
  alignas(64) int16_t words[kHeads][kSegmentTokens];
  float unit[kHeads];
};

// Halves at `offset` of the tokens of a strip's vector.
LEOAM_INLINE Simd::Float token_halves(const CompactStrip& strip, size_t offset, uint32_t v) {
  const auto* halves = reinterpret_cast<const uint16_t*>(strip.head + offset);
  return Simd::load_eights(
      {halves + strip.granules[0] * kGranule_tokens, halves + strip.granules[1] * kGranule_tokens}, 0, v);
}

// Weights of a segment, of which behind the last strip 0; adds what the bases of the group come to.
template <uint32_t kHeads>
LEOAM_INLINE void weigh_values(const CompactStrip* strips, uint32_t n_strips, const CompactLayout& layout,
                               uint32_t channel, const float* weights, Simd::Float (&bases)[kHeads],
                               ValueWeights<kHeads>* to) {
  constexpr uint32_t kVectors = kSegmentTokens / Simd::kLanes;
  const size_t element = layout.value_scale_element(channel, 0) * sizeof(uint16_t);
  Simd::Float base[kVectors], scale[kVectors];
  for (uint32_t s = 0; s < kSegmentStrips; ++s) {
    const CompactStrip& strip = strips[s < n_strips ? s : 0];
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kStripVectors; ++v) {
      base[s * kStripVectors + v] = token_halves(strip, layout.value_base_offset() + element, v);
      scale[s * kStripVectors + v] = token_halves(strip, layout.value_scale_offset() + element, v);
    }
  }
  for (uint32_t h = 0; h < kHeads; ++h) {
    const float* const of_head = weights + h * kBlockTokens;
    Simd::Float scaled[kVectors];
    Simd::Float greatest = Simd::zero();
    Simd::Float sum = bases[h];
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v) {
      const Simd::Float weight = Simd::load(of_head + v * Simd::kLanes);
      sum = Simd::fma(weight, base[v], sum);
      scaled[v] = weight * scale[v];
      greatest = Simd::max(scaled[v], greatest);
    }
    bases[h] = sum;
    const WordUnit unit = WordUnit::of(greatest, kGreatestWord);
    to->unit[h] = unit.unit;
    LEOAM_UNROLL
    for (uint32_t i = 0; i < kSegmentTokens / 16; ++i)
      store_words(to->words[h] + i * 16, scaled + i * kWordVectors, unit.inverse);
  }
}

// Adds a segment's weighted codes to kVectors vectors of output from `channel` on; `partial`: of head 0.
// kTail: one vector of which only 8 channels exist.
template <uint32_t kHeads, uint32_t kVectors, bool kTail, uint32_t kBits>
[[gnu::noinline]] void add_compact(const CompactStrip* strips, uint32_t n_strips, const CompactLayout& layout,
                                   uint32_t channel, const ValueWeights<kHeads>& weights, float* partial,
                                   size_t partial_stride) {
  const size_t offset = layout.value_codes_offset() + size_t{channel} * 4;
  const size_t granule_bytes = layout.value_granule_bytes();
  Simd::Int sums[kHeads][kVectors];
  clear(sums);
  for (uint32_t s = 0; s < n_strips; ++s) {
    const GranulePlaces places = places_of(strips[s], offset, granule_bytes);
    LEOAM_UNROLL
    for (uint32_t run = 0; run < 2; ++run) {
      const uint8_t* const at = places.at[run];
      add_eight<kBits>(
          [&](uint32_t quad, uint32_t v) {
            const uint8_t* p = at + (kBits == 8 ? quad * granule_bytes / 2 : 0) + v * Simd::kLanes * 4;
            return kTail ? Simd::load_int_first(p, 8) : Simd::load_int(p);
          },
          weights.words[0] + s * kStripTokens + run * kGranule_tokens, kSegmentTokens, sums);
    }
  }
  float* output = partial + kPartialOutput + channel;
  LEOAM_UNROLL
  for (uint32_t h = 0; h < kHeads; ++h) {
    const Simd::Float unit = Simd::broadcast(weights.unit[h]);
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v) {
      float* to = output + h * partial_stride + v * Simd::kLanes;
      Simd::store(to, Simd::fma(Simd::to_float(sums[h][v]), unit, Simd::load(to)));
    }
  }
}

// A segment's values of one group of channels.
template <uint32_t kHeads, uint32_t kBits>
void add_group(const CompactStrip* strips, uint32_t n_strips, const CompactWork& work, uint32_t channel,
               const ValueWeights<kHeads>& weights) {
  constexpr uint32_t kWide = compact_vectors(kHeads, 4);
  const uint32_t channels = work.layout.channels();
  const uint32_t end = channels - channel < kValueScale_channels ? channels : channel + kValueScale_channels;
  const auto add = [&]<uint32_t kVectors, bool kTail>() {
    add_compact<kHeads, kVectors, kTail, kBits>(strips, n_strips, work.layout, channel, weights,
                                                work.partials, work.partial_stride);
    channel += kVectors * Simd::kLanes;
  };
  while (channel + kWide * Simd::kLanes <= end) add.template operator()<kWide, false>();
  if constexpr (kWide > 2) {
    if (channel + 2 * Simd::kLanes <= end) add.template operator()<2, false>();
  }
  if (kWide > 1 && channel + Simd::kLanes <= end) add.template operator()<1, false>();
  if constexpr (Simd::kLanes > 8) {
    if (channel < end) add.template operator()<1, true>();
  }
}

template <uint32_t kHeads, uint32_t kBits>
void add_block(const CompactBlock& block, const CompactBlock* next, const CompactWork& work,
               const float* weights, const float* rescale) {
  const CompactLayout& layout = work.layout;
  ValueWeights<kHeads> words;
  for (uint32_t first = 0; first < layout.channels(); first += kValueScale_channels) {
    const uint32_t rest = layout.channels() - first;
    const uint32_t n_channels = rest < kValueScale_channels ? rest : kValueScale_channels;
    for (uint32_t h = 0; h < kHeads; ++h) {
      float* output = work.partials + h * work.partial_stride + kPartialOutput + first;
      for (uint32_t c = 0; c < n_channels; c += Simd::kLanes)
        Simd::store(output + c, Simd::load(output + c) * Simd::broadcast(rescale[h]));
    }
    Simd::Float bases[kHeads];
    LEOAM_UNROLL
    for (uint32_t h = 0; h < kHeads; ++h) bases[h] = Simd::zero();
    for (uint32_t s = 0; s < block.n_strips; s += kSegmentStrips) {
      const CompactStrip* strips = block.strips + s;
      const uint32_t left = block.n_strips - s;
      const uint32_t n_strips = left < kSegmentStrips ? left : kSegmentStrips;
      for (uint32_t k = s; first == 0 && next && k < s + n_strips && k < next->n_strips; ++k)
        prefetch_keys(next->strips[k], layout);
      weigh_values<kHeads>(strips, n_strips, layout, first, weights + s * kStripTokens, bases, &words);
      add_group<kHeads, kBits>(strips, n_strips, work, first, words);
    }
    for (uint32_t h = 0; h < kHeads; ++h) {
      float* output = work.partials + h * work.partial_stride + kPartialOutput + first;
      const Simd::Float base = Simd::broadcast(Simd::sum(bases[h]));
      for (uint32_t c = 0; c < n_channels; c += Simd::kLanes)
        Simd::store(output + c, Simd::load(output + c) + base);
    }
  }
}

template <uint32_t kHeads>
void run_compact(const CompactBlock& block, const CompactBlock* next, bool cold, const CompactWork& work) {
  alignas(64) float scores[kHeads * kBlockTokens];
  if (work.layout.key_bits() == 8) {
    score_block<kHeads, 8>(block, work, cold, scores);
  } else {
    score_block<kHeads, 4>(block, work, cold, scores);
  }
  float rescale[kHeads];
  for (uint32_t h = 0; h < kHeads; ++h) {
    float* const weights = scores + h * kBlockTokens;
    rescale[h] = soften(block, weights, work.partials + h * work.partial_stride);
    for (uint32_t s = block.n_strips; s % kSegmentStrips != 0; ++s)
      for (uint32_t t = 0; t < kStripTokens; t += Simd::kLanes)
        Simd::store(weights + s * kStripTokens + t, Simd::zero());
  }
  if (work.layout.value_bits() == 8) {
    add_block<kHeads, 8>(block, next, work, scores, rescale);
  } else {
    add_block<kHeads, 4>(block, next, work, scores, rescale);
  }
}

// The strips of compact pages in the order of a call, in blocks of one codec.
class CompactRun {
 public:
  CompactRun(const KvLayout& layout, uint32_t kv_head, uint32_t group, float scale, const float* q,
             float* partials)
      : kv_head_(kv_head),
        group_(group),
        work_{{layout, PageCodec::k8v8},
              scale,
              q + size_t{kv_head} * group * layout.head_dim,
              partials,
              attention_partial_floats(layout.head_dim)} {
    blocks_[0].n_strips = blocks_[1].n_strips = 0;
  }

  // What follows is of a page of this codec; `plain`: is added elsewhere.
  void turn_to(PageCodec codec) {
    if (codec == work_.layout.codec) return;
    flush();
    if (codec != PageCodec::plain) work_.layout.codec = codec;
  }
  const uint8_t* head_of(const uint8_t* page) const { return page + work_.layout.head_offset(kv_head_); }
  void add(const CompactStrip& strip) {
    if (blocks_[filling_].n_strips == kBlockStrips) {
      run_other(&blocks_[filling_]);
      filling_ ^= 1;
    }
    CompactBlock& block = blocks_[filling_];
    block.strips[block.n_strips++] = strip;
  }
  void flush() {
    run_other(&blocks_[filling_]);
    filling_ ^= 1;
    run_other(nullptr);
    cold_ = true;
  }

 private:
  // The block that is complete, if any; the other one comes next.
  void run_other(const CompactBlock* next) {
    CompactBlock& block = blocks_[filling_ ^ 1];
    if (block.n_strips == 0) return;
    for_each_part<kMaxHeads>(group_, [&]<uint32_t kHeads>(uint32_t first_head) {
      CompactWork part = work_;
      part.q += size_t{first_head} * work_.layout.plain.head_dim;
      part.partials += first_head * work_.partial_stride;
      run_compact<kHeads>(block, next, cold_ && first_head == 0, part);
    });
    block.n_strips = 0;
    cold_ = false;
  }

  uint32_t kv_head_;
  uint32_t group_;
  CompactWork work_;
  CompactBlock blocks_[2];  // one that is complete, while the next one is filled
  uint32_t filling_ = 0;
  bool cold_ = true;  // nobody has prefetched keys of the next block
};

}  // namespace
}  // namespace leoam::kernels
