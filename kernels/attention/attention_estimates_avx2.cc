#include "kernels/attention/attention_estimates_simd.h"

namespace leoam::kernels {

void attention_estimates_avx2(const AttentionEstimatesParams& params, float* partials) {
  attention_estimates_simd(params, partials);
}

}  // namespace leoam::kernels
