#include <cstring>

#include "kernels/key_codes/key_codes.h"
#include "kernels/key_codes/page_means.h"

namespace leoam::kernels {
namespace {

uint8_t nearest_scale(float step) {
  // Half a unit of the last bit of mantissa that is kept, then the cut.
  const int32_t code = static_cast<int32_t>((bits_from_float(step) + (1u << 19)) >> 20) -
                       static_cast<int32_t>(kKeyCodeScale_bias);
  return static_cast<uint8_t>(code < 0 ? 0 : code > 255 ? 255 : code);
}

// The nearest integer, at most `most`; 0 for NaN.
uint8_t rounded_within(float x, float most) {
  const float bounded = !(x > 0) ? 0 : x > most ? most : x;
  return static_cast<uint8_t>(std::nearbyint(bounded));
}

template <class Element>
void encode_values(const KeyCodeLayout& layout, const PageRows<Element>& rows, uint32_t slot, uint8_t* head) {
  float greatest = 0;
  for (uint32_t c = 0; c < layout.head_dim; ++c)
    greatest = std::fmax(greatest, std::fabs(mean_value(rows, c)));
  const SignedScale scale = signed_scale(greatest);
  std::memcpy(head + layout.value_scale_offset() + slot * sizeof(float), &scale.scale, sizeof(float));
  uint8_t* values = head + layout.mean_value_offset(slot);
  std::memset(values, 0, layout.value_bytes());
  for (uint32_t c = 0; c < layout.head_dim; ++c)
    values[c] = static_cast<uint8_t>(signed_code(mean_value(rows, c), scale.inverse));
}

template <class Element>
void encode(const KeyCodeEncodeParams& params, uint32_t kv_head) {
  const KvLayout& kv = params.kv;
  const KeyCodeLayout layout = key_code_layout(kv, params.n_coded);
  const PageRows<Element> rows(kv, params.page, kv_head);
  uint8_t* head = params.block + layout.head_offset(kv_head);
  float greatest = 0;
  for (uint32_t c = 0; c < kv.head_dim; ++c) {
    const float mean = std::fabs(key_range(rows, c).mean);
    greatest = mean > greatest ? mean : greatest;
  }
  const SignedScale mean_scale = signed_scale(greatest);
  std::memcpy(head + layout.mean_scale_offset() + params.slot * sizeof(float), &mean_scale.scale,
              sizeof(float));
  encode_values(layout, rows, params.slot, head);
  for (uint32_t c = 0; c < kv.head_dim; ++c)
    head[layout.mean_offset(c) + params.slot] =
        static_cast<uint8_t>(signed_code(key_range(rows, c).mean, mean_scale.inverse));
  for (uint32_t i = 0; i < layout.n_coded; ++i) {
    const uint32_t c = params.channels[i];
    const KeyRange range = key_range(rows, c);
    const float width = range.greatest - range.least;
    const float mean = static_cast<float>(signed_code(range.mean, mean_scale.inverse)) * mean_scale.scale;
    const uint8_t scale = nearest_scale(width * (1.0f / 3));
    const float step = key_code_scale(scale);
    const float inverse = 1 / step;
    const float first = (range.least * 0.5f + range.greatest * 0.5f) - 1.5f * step;
    const uint8_t offset = rounded_within((mean - first) * inverse * 85, 255);
    const float shift = static_cast<float>(offset) * kKeyCodeOffsetUnit;
    head[layout.scale_offset(i) + params.slot] = scale;
    head[layout.offset_offset(i) + params.slot] = offset;
    uint8_t* codes = head + layout.code_offset(i);
    for (uint32_t t = 0; t < kv.page_tokens; ++t) {
      uint8_t& byte = codes[layout.code_byte(params.slot, t)];
      const uint8_t code = rounded_within((rows.key(c, t) - mean) * inverse + shift, 3);
      const uint32_t at = layout.code_shift(t);
      byte = static_cast<uint8_t>((at == 0 ? 0u : byte) | static_cast<uint32_t>(code) << at);
    }
  }
}

}  // namespace

void key_code_encode_scalar(const KeyCodeEncodeParams& params, uint32_t kv_head) {
  with_element(params.kv.type, [&]<class Element>() { encode<Element>(params, kv_head); });
}

}  // namespace leoam::kernels
