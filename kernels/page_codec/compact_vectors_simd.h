// The keys and values of one KV head of a compact page as vectors of floats: what compact_rows.h gives, to
// the bit.
#pragma once

#include "kernels/f16.h"
#include "kernels/page_codec/page_codec_layout.h"
#include "kernels/simd/simd.h"

namespace leoam::kernels {
namespace {

// Where number i of a lane's 4 bytes begins.
template <uint32_t i>
constexpr int kQuadBit = i == 1   ? 16
                         : i == 2 ? 8
                                  : i * 8;

struct CompactVectors {
  // Codes of 4 numbers a lane, a byte each.
  using Quad = Simd::Int;

  CompactVectors(const CompactLayout& compact, const uint8_t* page, uint32_t kv_head)
      : layout(compact), head(page + compact.head_offset(kv_head)) {}

  // Of channels [channel, channel + 4), kLanes tokens from a multiple of it on.
  [[gnu::always_inline]] inline Quad key_quad(uint32_t channel, uint32_t token) const {
    const size_t step = layout.key_granule_bytes();
    const uint8_t* granule = head + layout.key_codes_offset() + token / kGranule_tokens * step;
    if (layout.key_bits() == 8)
      return Simd::load_int_eights({granule, granule + step}, size_t{channel / 4} * 32, 0);
    return half_bytes(Simd::load_int_eights({granule, granule + step}, size_t{channel / 8} * 32, 0),
                      channel / 4 % 2);
  }
  // Of tokens [token, token + 4), kLanes channels from a multiple of it on; zeros behind the last.
  [[gnu::always_inline]] inline Quad value_quad(uint32_t token, uint32_t channel) const {
    const size_t bytes = layout.value_granule_bytes();
    const uint8_t* codes =
        head + layout.value_codes_offset() + token / kGranule_tokens * bytes + size_t{channel} * 4;
    const uint32_t rest = layout.channels() - channel;
    const uint32_t n = rest < Simd::kLanes ? rest : Simd::kLanes;
    const uint32_t second = token / 4 % 2;
    if (layout.value_bits() == 8) return Simd::load_int_first(codes + second * bytes / 2, n);
    return half_bytes(Simd::load_int_first(codes, n), second);
  }
  template <uint32_t i>
  [[gnu::always_inline]] inline Simd::Float key(Quad quad, uint32_t channel) const {
    return Simd::fma(number<i>(quad), half(layout.key_scale_offset(), channel + i),
                     half(layout.key_base_offset(), channel + i));
  }
  template <uint32_t i>
  [[gnu::always_inline]] inline Simd::Float value(Quad quad, uint32_t token, uint32_t channel) const {
    const size_t at = layout.value_scale_element(channel, token + i);
    return Simd::fma(number<i>(quad), half(layout.value_scale_offset(), at),
                     half(layout.value_base_offset(), at));
  }

  CompactLayout layout;
  const uint8_t* head;

 private:
  template <uint32_t i>
  LEOAM_INLINE Simd::Float number(Quad quad) {
    return Simd::to_float(Simd::bit_and(Simd::shift_right<kQuadBit<i>>(quad), Simd::broadcast_int(0xff)));
  }
  LEOAM_INLINE Quad half_bytes(Quad bytes, uint32_t upper) {
    const Quad mask = Simd::broadcast_int(0x0f0f0f0f);
    return Simd::bit_and(upper != 0 ? Simd::shift_right<4>(bytes) : bytes, mask);
  }
  [[gnu::always_inline]] inline Simd::Float half(size_t offset, size_t element) const {
    uint16_t bits;
    __builtin_memcpy(&bits, head + offset + element * sizeof bits, sizeof bits);
    return Simd::broadcast(_cvtsh_ss(bits));
  }
};

// Calls f.operator()<i>() for i of [0, 4).
template <class F>
LEOAM_INLINE void for_each_of_quad(const F& f) {
  f.template operator()<0>();
  f.template operator()<1>();
  f.template operator()<2>();
  f.template operator()<3>();
}

}  // namespace
}  // namespace leoam::kernels
