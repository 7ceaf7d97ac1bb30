// Plain pages to compact ones and back.
#pragma once

#include "kernels/page_codec/page_codec_layout.h"

namespace leoam::kernels {

struct PageCodecParams {
  KvLayout layout;                // of the plain page
  PageCodec codec;                // of the compact page, not `plain`
  const uint8_t* from = nullptr;  // 64-byte aligned, both
  uint8_t* to = nullptr;
};

// A full plain page of f16 or f32 -> a compact page. False, and `to` unspecified, when that cannot be: a
// number is not finite, or the range of what shares a scale does not lie within f16's; int8 pages. Base and
// scale are chosen so that each number has a code at most half a scale away from it, but for a rounding
// (below f16's normal numbers of a scale by 2^-24 a code), and that no code of f16 numbers says more than the
// greatest or less than the least of them.
//
// The bytes are the same on every level: minima, maxima, one difference, one quotient and one inverse are
// single IEEE operations in every variant, f16 is rounded by integer arithmetic, and codes are rounded to
// nearest, ties to even.
using PageEncodeFunction = bool(const PageCodecParams& params);

// One KV head of a compact page -> its place in a plain page of f16 or f32. A product of scale and code fits
// a float, so that only the sum is rounded, and f16's rounding after it: the same bytes on every level.
using PageDecodeFunction = void(const PageCodecParams& params, uint32_t kv_head);

PageEncodeFunction page_encode_scalar, page_encode_avx2, page_encode_avx512;
PageDecodeFunction page_decode_scalar, page_decode_avx2, page_decode_avx512;

}  // namespace leoam::kernels
