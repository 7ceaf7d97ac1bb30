#include "kernels/page_codec/page_codec_simd.h"

namespace leoam::kernels {

bool page_encode_avx2(const PageCodecParams& params) {
  return page_encode_simd(params);
}

void page_decode_avx2(const PageCodecParams& params, uint32_t kv_head) {
  page_decode_simd(params, kv_head);
}

}  // namespace leoam::kernels
