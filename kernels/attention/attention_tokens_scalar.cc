#include "kernels/attention/attention_listed_scalar.h"

namespace leoam::kernels {

void attention_tokens_scalar(const AttentionGranulesParams& params, uint32_t kv_head, float* partials) {
  const uint32_t page_granules = params.layout.page_tokens / kGranule_tokens;
  attention_listed_scalar(
      params, kv_head,
      [&](uint32_t entry, uint32_t slot) {
        const uint8_t byte = params.token_masks[size_t{entry} * page_granules + slot / kGranule_tokens];
        return (byte >> slot % kGranule_tokens & 1) != 0;
      },
      partials);
}

}  // namespace leoam::kernels
