// Making key codes over Simd: ranges of channels in the lanes of vectors of channels, codes in vectors of
// tokens.
#pragma once

#include "kernels/key_codes/code_dot.h"
#include "kernels/key_codes/key_codes.h"
#include "kernels/key_codes/page_means_simd.h"

namespace leoam::kernels {
namespace {

// What the codes of kLanes channels are made with.
struct ChannelCodes {
  alignas(64) float mean[Simd::kLanes];
  alignas(64) float inverse[Simd::kLanes];
  alignas(64) float shift[Simd::kLanes];
  uint8_t mean_code[Simd::kLanes];
  uint8_t scale[Simd::kLanes];
  uint8_t offset[Simd::kLanes];
};

LEOAM_INLINE Simd::Int rounded_within(Simd::Float x, float most) {
  return Simd::to_int(Simd::min(Simd::broadcast(most), Simd::max(x, Simd::zero())));
}

LEOAM_INLINE void quantise_channels(const KeyRanges& ranges, uint32_t first, SignedScale mean_scale,
                                    ChannelCodes* to) {
  const Simd::Float least = Simd::load(ranges.least + first);
  const Simd::Float greatest = Simd::load(ranges.greatest + first);
  const Simd::Int mean_code =
      Simd::to_int(Simd::load(ranges.mean + first) * Simd::broadcast(mean_scale.inverse));
  const Simd::Float mean = Simd::to_float(mean_code) * Simd::broadcast(mean_scale.scale);
  const Simd::Float wanted = (greatest - least) * Simd::broadcast(1.0f / 3);
  const Simd::Int rounded =
      Simd::subtract(Simd::shift_right<20>(Simd::add(Simd::bits(wanted), Simd::broadcast_int(1 << 19))),
                     Simd::broadcast_int(kKeyCodeScale_bias));
  const Simd::Int scale = Simd::min(Simd::max(rounded, Simd::broadcast_int(0)), Simd::broadcast_int(255));
  const Simd::Float step = decoded_scale(scale);
  const Simd::Float inverse = Simd::broadcast(1.0f) / step;
  const Simd::Float half = Simd::broadcast(0.5f);
  const Simd::Float start = (least * half + greatest * half) - Simd::broadcast(1.5f) * step;
  const Simd::Int offset = rounded_within((mean - start) * inverse * Simd::broadcast(85.0f), 255);
  Simd::store(to->mean, mean);
  Simd::store(to->inverse, inverse);
  Simd::store(to->shift, Simd::to_float(offset) * Simd::broadcast(kKeyCodeOffsetUnit));
  Simd::store_bytes(to->mean_code, mean_code);
  Simd::store_bytes(to->scale, scale);
  Simd::store_bytes(to->offset, offset);
}

LEOAM_INLINE void put_mean_values(const KeyCodeLayout& layout, const float* means, uint32_t slot,
                                  uint8_t* head) {
  const SignedScale scale = signed_scale(greatest_magnitude(means, layout.head_dim));
  __builtin_memcpy(head + layout.value_scale_offset() + slot * sizeof(float), &scale.scale, sizeof(float));
  uint8_t* const to = head + layout.mean_value_offset(slot);
  for (uint32_t c = 0; c < layout.value_bytes(); c += Simd::kLanes) {
    const Simd::Float mean = c < layout.head_dim ? Simd::load(means + c) : Simd::zero();
    Simd::store_bytes(to + c, Simd::to_int(mean * Simd::broadcast(scale.inverse)));
  }
}

template <class Element>
LEOAM_INLINE void encode(const KeyCodeEncodeParams& params, uint32_t kv_head) {
  constexpr uint32_t kLanes = Simd::kLanes;
  constexpr uint32_t kVectors = kCodeStrip_tokens / kLanes;
  const KvLayout& kv = params.kv;
  const KeyCodeLayout layout = key_code_layout(kv, params.n_coded);
  const PageVectors<Element> page(kv, params.page, kv_head);
  KeyRanges ranges;
  alignas(64) float mean_values[kMaxChannels];
  if (kv.head_dim > kMaxChannels || !find_key_ranges(page, &ranges) || !find_mean_values(page, mean_values)) {
    return key_code_encode_scalar(params, kv_head);
  }
  const SignedScale mean_scale = signed_scale(greatest_magnitude(ranges.mean, kv.head_dim));
  uint8_t* head = params.block + layout.head_offset(kv_head);
  put_mean_values(layout, mean_values, params.slot, head);
  __builtin_memcpy(head + layout.mean_scale_offset() + params.slot * sizeof(float), &mean_scale.scale,
                   sizeof(float));
  ChannelCodes codes;
  uint32_t coded = 0;
  for (uint32_t c = 0; c < kv.head_dim; ++c) {
    const uint32_t lane = c % kLanes;
    if (lane == 0) quantise_channels(ranges, c, mean_scale, &codes);
    head[layout.mean_offset(c) + params.slot] = codes.mean_code[lane];
    if (coded == layout.n_coded || params.channels[coded] != c) continue;
    head[layout.scale_offset(coded) + params.slot] = codes.scale[lane];
    head[layout.offset_offset(coded) + params.slot] = codes.offset[lane];
    const Simd::Float mean = Simd::broadcast(codes.mean[lane]);
    const Simd::Float inverse = Simd::broadcast(codes.inverse[lane]);
    const Simd::Float shift = Simd::broadcast(codes.shift[lane]);
    uint8_t* out = head + layout.code_offset(coded++);
    for (uint32_t t = 0; t < kv.page_tokens; t += kCodeStrip_tokens) {
      Simd::Int strip[kVectors];
      LEOAM_UNROLL
      for (uint32_t v = 0; v < kVectors; ++v) {
        strip[v] = rounded_within((page.key(c, t + v * kLanes) - mean) * inverse + shift, 3);
      }
      const uint32_t packed = CodeDot::pack(strip);
      __builtin_memcpy(out + layout.code_byte(params.slot, t), &packed, sizeof packed);
    }
  }
}

LEOAM_INLINE void key_code_encode_simd(const KeyCodeEncodeParams& params, uint32_t kv_head) {
  with_element(params.kv.type, [&]<class Element>() { encode<Element>(params, kv_head); });
}

}  // namespace
}  // namespace leoam::kernels
