// Encoding and decoding of compact pages over Simd.
#pragma once

#include "kernels/page_codec/code_range.h"
#include "kernels/page_codec/compact_vectors_simd.h"
#include "kernels/page_codec/page_codec.h"
#include "kernels/page_rows_simd.h"

namespace leoam::kernels {
namespace {

// The ranges of 8 runs of numbers whose codes stand in the same lanes. A run that is not there has code 0.
struct EightRanges {
  CodeRange of[8] = {};

  template <uint32_t i>
  [[gnu::always_inline]] inline Simd::Int code(uint32_t first, Simd::Float x, Simd::Float most) const {
    const CodeRange& range = of[first + i];
    const Simd::Float steps = (x - Simd::broadcast(range.base_value)) * Simd::broadcast(range.inverse);
    return Simd::shift_left<kQuadBit<i>>(Simd::to_int(Simd::min(most, steps)));
  }
};

// Least and greatest of a run that comes vector by vector.
struct RunRange {
  Simd::Float least = Simd::broadcast(__builtin_inff());
  Simd::Float greatest = Simd::broadcast(-__builtin_inff());
  Simd::Float difference = Simd::zero();  // NaN in a lane with a number that is not finite

  [[gnu::always_inline]] inline void add(Simd::Float x) {
    least = Simd::min(x, least);
    greatest = Simd::max(x, greatest);
    difference = difference + (x - x);
  }
  [[gnu::always_inline]] inline bool to(float most, CodeRange* range) const {
    if (Simd::lanes_equal(difference, difference) != (1u << Simd::kLanes) - 1) return false;
    return range->set(-Simd::maximum(Simd::zero() - least), Simd::maximum(greatest), most);
  }
};

template <class Element>
struct PageEncoder {
  PageEncoder(const PageCodecParams& params, uint32_t kv_head)
      : rows(params.layout, params.from, kv_head),
        layout{params.layout, params.codec},
        head(params.to + layout.head_offset(kv_head)) {}

  [[gnu::always_inline]] inline bool run() const {
    for (size_t i = 0; i < layout.key_codes_offset(); ++i) head[i] = 0;
    for (uint32_t c = 0; c < layout.channels(); c += 8)
      if (!keys(c)) return false;
    for (uint32_t t = 0; t < layout.plain.page_tokens; t += kGranule_tokens)
      for (uint32_t c = 0; c < layout.plain.head_dim; c += kValueScale_channels)
        if (!values(t, c)) return false;
    const size_t end = layout.value_codes_offset() + layout.granules() * layout.value_granule_bytes();
    for (size_t i = end; i < layout.head_bytes(); ++i) head[i] = 0;
    return true;
  }

  // Channels [first, first + 8).
  [[gnu::always_inline]] inline bool keys(uint32_t first) const {
    const uint32_t bits = layout.key_bits();
    const auto most = static_cast<float>((1u << bits) - 1);
    const uint32_t rest = layout.plain.head_dim - first;
    const uint32_t n = rest < 8 ? rest : 8;
    EightRanges ranges;
    for (uint32_t i = 0; i < n; ++i) {
      RunRange run;
      for (uint32_t t = 0; t < layout.plain.page_tokens; t += Simd::kLanes) run.add(rows.key(first + i, t));
      if (!run.to(most, &ranges.of[i])) return false;
      halves(layout.key_base_offset())[first + i] = ranges.of[i].base;
      halves(layout.key_scale_offset())[first + i] = ranges.of[i].scale;
    }
    const size_t step = layout.key_granule_bytes();
    uint8_t* granule = head + layout.key_codes_offset() + size_t{first} * (bits == 8 ? 8 : 4);
    for (uint32_t t = 0; t < layout.plain.page_tokens; t += Simd::kLanes) {
      Simd::Int quads[2];
      for (uint32_t q = 0; q < 2; ++q) {
        quads[q] = Simd::broadcast_int(0);
        for_each_of_quad([&]<uint32_t i>() {
          const uint32_t c = q * 4 + i;
          const Simd::Float x = c < n ? rows.key(first + c, t) : Simd::zero();
          quads[q] = Simd::bit_or(quads[q], ranges.code<i>(q * 4, x, Simd::broadcast(most)));
        });
      }
      if (bits == 8) {
        Simd::store_int_eights({granule, granule + step}, 0, quads[0]);
        Simd::store_int_eights({granule + 32, granule + step + 32}, 0, quads[1]);
      } else {
        Simd::store_int_eights({granule, granule + step}, 0,
                               Simd::bit_or(quads[0], Simd::shift_left<4>(quads[1])));
      }
      granule += step * (Simd::kLanes / kGranule_tokens);
    }
    return true;
  }

  // A granule's tokens from `token` on, the group of channels from `first` on.
  [[gnu::always_inline]] inline bool values(uint32_t token, uint32_t first) const {
    const uint32_t bits = layout.value_bits();
    const auto most = static_cast<float>((1u << bits) - 1);
    const uint32_t rest = layout.plain.head_dim - first;
    const uint32_t end = first + (rest < kValueScale_channels ? rest : kValueScale_channels);
    EightRanges ranges;
    for (uint32_t i = 0; i < kGranule_tokens; ++i) {
      RunRange run;
      for (uint32_t c = first; c < end; c += Simd::kLanes) {
        const Simd::Float x = rows.value(token + i, c);
        run.add(end - c >= Simd::kLanes ? x
                                        : Simd::select_lanes(x, 0, end - c, Simd::broadcast(Simd::first(x))));
      }
      if (!run.to(most, &ranges.of[i])) return false;
      const size_t at = layout.value_scale_element(first, token + i);
      halves(layout.value_base_offset())[at] = ranges.of[i].base;
      halves(layout.value_scale_offset())[at] = ranges.of[i].scale;
    }
    const size_t bytes = layout.value_granule_bytes();
    uint8_t* granule = head + layout.value_codes_offset() + token / kGranule_tokens * bytes;
    for (uint32_t c = first; c < end; c += Simd::kLanes) {
      const uint32_t there = end - c < Simd::kLanes ? end - c : Simd::kLanes;
      const uint32_t room = layout.channels() - c < Simd::kLanes ? layout.channels() - c : Simd::kLanes;
      Simd::Int quads[2];
      for (uint32_t q = 0; q < 2; ++q) {
        quads[q] = Simd::broadcast_int(0);
        for_each_of_quad([&]<uint32_t i>() {
          const uint32_t t = q * 4 + i;
          const Simd::Float base = Simd::broadcast(ranges.of[t].base_value);
          const Simd::Float x = Simd::select_lanes(rows.value(token + t, c), 0, there, base);
          quads[q] = Simd::bit_or(quads[q], ranges.code<i>(q * 4, x, Simd::broadcast(most)));
        });
      }
      uint8_t* const at = granule + size_t{c} * 4;
      if (bits == 8) {
        Simd::store_int_first(at, room, quads[0]);
        Simd::store_int_first(at + bytes / 2, room, quads[1]);
      } else {
        Simd::store_int_first(at, room, Simd::bit_or(quads[0], Simd::shift_left<4>(quads[1])));
      }
    }
    return true;
  }

  uint16_t* halves(size_t offset) const { return reinterpret_cast<uint16_t*>(head + offset); }

  PageVectors<Element> rows;
  CompactLayout layout;
  uint8_t* head;
};

template <class Element>
bool encode_page(const PageCodecParams& params) {
  for (uint32_t head = 0; head < params.layout.n_kv_heads; ++head)
    if (!PageEncoder<Element>(params, head).run()) return false;
  return true;
}

LEOAM_INLINE bool page_encode_simd(const PageCodecParams& params) {
  if (params.layout.type == KvType::int8) return false;
  return params.layout.type == KvType::f32 ? encode_page<float>(params) : encode_page<uint16_t>(params);
}

template <class Element>
void decode_head(const PageCodecParams& params, uint32_t kv_head) {
  const KvLayout& plain = params.layout;
  const CompactVectors from({plain, params.codec}, params.from, kv_head);
  auto* const keys = reinterpret_cast<Element*>(params.to + plain.key_offset(kv_head));
  auto* const values = reinterpret_cast<Element*>(params.to + plain.value_offset(kv_head));
  for (uint32_t c = 0; c < plain.head_dim; c += 4) {
    for (uint32_t t = 0; t < plain.page_tokens; t += Simd::kLanes) {
      const CompactVectors::Quad quad = from.key_quad(c, t);
      for_each_of_quad([&]<uint32_t i>() {
        if (c + i < plain.head_dim) Simd::store(keys + plain.key_element(c + i, t), from.key<i>(quad, c));
      });
    }
  }
  for (uint32_t t = 0; t < plain.page_tokens; t += 4) {
    for (uint32_t c = 0; c < plain.head_dim; c += Simd::kLanes) {
      const CompactVectors::Quad quad = from.value_quad(t, c);
      const uint32_t rest = plain.head_dim - c;
      for_each_of_quad([&]<uint32_t i>() {
        Element* const to = values + plain.value_element(t + i, c);
        const Simd::Float x = from.value<i>(quad, t, c);
        if (rest >= Simd::kLanes) {
          Simd::store(to, x);
        } else {
          Simd::store_first(to, x, rest);
        }
      });
    }
  }
}

LEOAM_INLINE void page_decode_simd(const PageCodecParams& params, uint32_t kv_head) {
  if (params.layout.type == KvType::f32) return decode_head<float>(params, kv_head);
  decode_head<uint16_t>(params, kv_head);
}

}  // namespace
}  // namespace leoam::kernels
