// KV append over Simd. Values are rows of the page as they come; keys become columns: a run of tokens is
// transposed in registers, so that a channel's tokens are stored together.
#pragma once

#include "kernels/kv_append/kv_append.h"
#include "kernels/page_rows_simd.h"

namespace leoam::kernels {
namespace {

template <class Element>
void append_values(const float* v, size_t stride, uint32_t n_tokens, uint32_t head_dim, Element* rows) {
  constexpr uint32_t kLanes = Simd::kLanes;
  for (uint32_t t = 0; t < n_tokens; ++t, v += stride, rows += head_dim) {
    uint32_t c = 0;
    for (; c + kLanes <= head_dim; c += kLanes) Simd::store(rows + c, Simd::load(v + c));
    if (c < head_dim) Simd::store_first(rows + c, Simd::load_first(v + c, head_dim - c), head_dim - c);
  }
}

// n <= kLanes channels of one token to a column of the page.
template <class Element>
void append_key_column(const float* k, uint32_t n, uint32_t page_tokens, Element* column) {
  constexpr uint32_t kLanes = Simd::kLanes;
  Element values[kLanes];
  Simd::store(values, n < kLanes ? Simd::load_first(k, n) : Simd::load(k));
  for (uint32_t c = 0; c < n; ++c) column[size_t{c} * page_tokens] = values[c];
}

// n_channels <= kLanes channels of n_tokens <= kLanes tokens.
template <class Element>
void append_key_block(const float* k, size_t stride, uint32_t n_tokens, uint32_t n_channels,
                      uint32_t page_tokens, Element* column) {
  constexpr uint32_t kLanes = Simd::kLanes;
  Simd::Float rows[kLanes];
  for (uint32_t t = 0; t < kLanes; ++t) {
    rows[t] = t >= n_tokens          ? Simd::zero()
              : n_channels == kLanes ? Simd::load(k + t * stride)
                                     : Simd::load_first(k + t * stride, n_channels);
  }
  Simd::transpose(rows);
  for (uint32_t c = 0; c < n_channels; ++c, column += page_tokens) {
    if (n_tokens == kLanes) {
      Simd::store(column, rows[c]);
    } else {
      Simd::store_first(column, rows[c], n_tokens);
    }
  }
}

template <class Element>
void append_keys(const float* k, size_t stride, uint32_t n_tokens, uint32_t head_dim, uint32_t page_tokens,
                 Element* column) {
  constexpr uint32_t kLanes = Simd::kLanes;
  for (uint32_t t = 0; t < n_tokens; t += kLanes) {
    const uint32_t tokens = n_tokens - t < kLanes ? n_tokens - t : kLanes;
    for (uint32_t c = 0; c < head_dim; c += kLanes) {
      const uint32_t channels = head_dim - c < kLanes ? head_dim - c : kLanes;
      const float* block = k + t * stride + c;
      Element* to = column + size_t{c} * page_tokens + t;
      if (tokens == 1) {
        append_key_column(block, channels, page_tokens, to);
      } else {
        append_key_block(block, stride, tokens, channels, page_tokens, to);
      }
    }
  }
}

// Codes of n numbers, part(c) giving those of a vector from c on; `put` is given at most kLanes of them at a
// time. Returns their scale.
template <class Part, class Put>
LEOAM_INLINE uint16_t encode(uint32_t n, const Part& part, const Put& put) {
  constexpr uint32_t kLanes = Simd::kLanes;
  Simd::Int greatest = Simd::broadcast_int(0);
  for (uint32_t c = 0; c < n; c += kLanes) greatest = Simd::max(Simd::bits(Simd::abs(part(c))), greatest);
  const uint16_t scale = scale_of(static_cast<uint32_t>(Simd::greatest(greatest)));
  const Simd::Float inverse = Simd::broadcast(scale_inverse(scale));
  for (uint32_t c = 0; c < n; c += kLanes) {
    alignas(16) int8_t codes[kLanes];
    // What is no number becomes the least integer, whose lowest byte is 0.
    Simd::store_bytes(codes, Simd::to_int(part(c) * inverse));
    put(c, codes, n - c < kLanes ? n - c : kLanes);
  }
  return scale;
}

LEOAM_INLINE Simd::Float load_part(const float* x, uint32_t n, uint32_t c) {
  return n - c < Simd::kLanes ? Simd::load_first(x + c, n - c) : Simd::load(x + c);
}

LEOAM_INLINE void append_codes(const KvAppendParams& params, uint32_t head) {
  const KvLayout& layout = params.layout;
  const uint32_t dim = layout.head_dim;
  auto* keys = reinterpret_cast<int8_t*>(params.page + layout.key_offset(head));
  auto* values = reinterpret_cast<int8_t*>(params.page + layout.value_offset(head));
  const auto beside = BesideCodes<uint16_t>::of(layout, params.page, head);
  for (uint32_t t = 0; t < params.n_tokens; ++t) {
    const float* k = params.k + t * params.stride + size_t{head} * dim;
    const float* v = params.v + t * params.stride + size_t{head} * dim;
    const uint32_t slot = params.first_slot + t;
    for (uint32_t c = 0; slot == 0 && c < dim; ++c) beside.key_origin[c] = origin_of(k[c]);
    for (uint32_t first = 0; first < dim; first += kKeyScale_channels) {
      const uint32_t n = dim - first < kKeyScale_channels ? dim - first : kKeyScale_channels;
      alignas(64) float moved[kKeyScale_channels] = {};
      for (uint32_t i = 0; i < n; ++i) moved[i] = k[first + i] - bf16_to_f32(beside.key_origin[first + i]);
      beside.key_scales[layout.key_scale_element(first) + slot] = encode(
          n, [&](uint32_t c) { return Simd::load(moved + c); },
          [&](uint32_t c, const int8_t* codes, uint32_t n_codes) {
            int8_t* column = keys + layout.key_element(first + c, slot);
            for (uint32_t i = 0; i < n_codes; ++i) column[size_t{i} * layout.page_tokens] = codes[i];
          });
    }
    beside.value_scales[slot] = encode(
        dim, [&](uint32_t c) { return load_part(v, dim, c); },
        [&](uint32_t c, const int8_t* codes, uint32_t n_codes) {
          __builtin_memcpy(values + layout.value_element(slot, c), codes, n_codes);
        });
  }
}

template <class Element>
void append_heads(const KvAppendParams& params, uint32_t head_begin, uint32_t head_end) {
  const KvLayout& layout = params.layout;
  for (uint32_t head = head_begin; head < head_end; ++head) {
    const size_t source = size_t{head} * layout.head_dim;
    auto* key = reinterpret_cast<Element*>(params.page + layout.key_offset(head));
    auto* value = reinterpret_cast<Element*>(params.page + layout.value_offset(head));
    append_keys(params.k + source, params.stride, params.n_tokens, layout.head_dim, layout.page_tokens,
                key + layout.key_element(0, params.first_slot));
    append_values(params.v + source, params.stride, params.n_tokens, layout.head_dim,
                  value + layout.value_element(params.first_slot, 0));
  }
}

LEOAM_INLINE void kv_append_simd(const KvAppendParams& params, uint32_t head_begin, uint32_t head_end) {
  switch (params.layout.type) {
    case KvType::f32:
      return append_heads<float>(params, head_begin, head_end);
    case KvType::f16:
      return append_heads<uint16_t>(params, head_begin, head_end);
    case KvType::int8:
      for (uint32_t head = head_begin; head < head_end; ++head) append_codes(params, head);
  }
}

}  // namespace
}  // namespace leoam::kernels
