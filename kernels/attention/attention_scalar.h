// The plain definition of attention, in the steps that decode and prefill share.
#pragma once

#include "kernels/attention/attention.h"

namespace leoam::kernels {

// Empty partial states, [n_states][partial_floats(head_dim)].
void attention_start_scalar(uint32_t n_states, uint32_t head_dim, float* partials);
// Goes on with the partial states of a KV head's group over pages [page_begin, page_end).
void attention_add_scalar(const AttentionDecodeParams& params, uint32_t kv_head, uint32_t page_begin,
                          uint32_t page_end, float* partials);

}  // namespace leoam::kernels
