#include "kernels/attention/attention_rest_simd.h"

namespace leoam::kernels {

void attention_rest_avx2(const AttentionRestParams& params, float* partials) {
  attention_rest_simd(params, partials);
}

}  // namespace leoam::kernels
