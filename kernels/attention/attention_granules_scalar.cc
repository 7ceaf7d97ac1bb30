#include "kernels/attention/attention_listed_scalar.h"

namespace leoam::kernels {

void attention_granules_scalar(const AttentionGranulesParams& params, uint32_t kv_head, float* partials) {
  attention_listed_scalar(
      params, kv_head, [](uint32_t, uint32_t) { return true; }, partials);
}

}  // namespace leoam::kernels
