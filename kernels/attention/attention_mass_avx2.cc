#include "kernels/attention/attention_mass_simd.h"

namespace leoam::kernels {

void attention_mass_avx2(const AttentionMassParams& params, uint32_t kv_head, uint32_t page_begin,
                         uint32_t page_end, uint8_t* scratch) {
  attention_mass_simd(params, kv_head, page_begin, page_end, scratch);
}

}  // namespace leoam::kernels
