#include <cmath>

#include "kernels/attention/attention_scalar.h"

namespace leoam::kernels {

// Token by token, with the decode kernel: the plain definition.
void attention_prefill_scalar(const AttentionPrefillParams& params, uint32_t kv_head, uint32_t token_begin,
                              uint32_t token_end, uint8_t* scratch) {
  const uint32_t head_dim = params.layout.head_dim;
  const uint32_t group = params.n_heads / params.layout.n_kv_heads;
  const size_t stride = attention_partial_floats(head_dim);
  for (uint32_t t = token_begin; t < token_end; ++t) {
    AttentionDecodeParams decode;
    decode.layout = params.layout;
    decode.n_heads = params.n_heads;
    decode.scale = params.scale;
    decode.q = params.q + t * params.q_stride;
    decode.position = params.first_position + static_cast<int32_t>(t);
    decode.window = params.window;
    decode.pages = params.pages;
    decode.n_pages = params.n_pages;
    float* partials = params.state ? params.state + (size_t{t} * params.n_heads + kv_head * group) * stride
                                   : reinterpret_cast<float*>(scratch);
    if (!params.resume) attention_start_scalar(group, head_dim, partials);
    attention_add_scalar(decode, kv_head, 0, params.n_pages, partials);
    if (params.suspend) continue;
    float* out = params.out + t * params.out_stride + size_t{kv_head} * group * head_dim;
    for (uint32_t g = 0; g < group; ++g) {
      const float* partial = partials + g * stride;
      attention_merge_scalar(partial, 1, stride, head_dim, out + size_t{g} * head_dim);
      if (params.log_sums)
        params.log_sums[size_t{t} * params.n_heads + kv_head * group + g] =
            partial[kPartialMaximum] + std::log(partial[kPartialSum]);
    }
  }
}

}  // namespace leoam::kernels
