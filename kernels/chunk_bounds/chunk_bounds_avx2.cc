#include "kernels/chunk_bounds/chunk_bounds_simd.h"

namespace leoam::kernels {

void chunk_of_page_avx2(const KvLayout& kv, const uint8_t* page, uint32_t kv_head, uint8_t* record) {
  chunk_of_page_simd(kv, page, kv_head, record);
}

void chunk_merge_avx2(const ChunkLayout& layout, const uint8_t* const* children, uint32_t n_children,
                      uint8_t* record) {
  chunk_merge_simd(layout, children, n_children, record);
}

void chunk_score_avx2(const ChunkScoreParams& params) {
  chunk_score_simd(params);
}

}  // namespace leoam::kernels
