#include "kernels/attention/attention_rest_simd.h"

namespace leoam::kernels {

void attention_rest_avx512(const AttentionRestParams& params, float* partials) {
  attention_rest_simd(params, partials);
}

}  // namespace leoam::kernels
