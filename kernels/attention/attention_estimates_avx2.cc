#include "kernels/attention/attention.h"

namespace leoam::kernels {

void attention_estimates_avx2(const AttentionEstimatesParams& params, float* partials) {
  attention_estimates_scalar(params, partials);
}

}  // namespace leoam::kernels
