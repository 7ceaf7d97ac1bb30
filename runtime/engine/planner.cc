#include "runtime/engine/planner.h"

#include <algorithm>

namespace leoam {
namespace {

uint64_t whole_pages(uint64_t tokens, uint64_t page_tokens) {
  return (tokens + page_tokens - 1) / page_tokens * page_tokens;
}

// KV of a context. A sliding layer holds its window, wherever that starts within a page.
uint64_t kv_bytes(const ModelConfig& config, const kernels::KvLayout& layout, uint64_t context_tokens) {
  const uint64_t token_bytes = layout.page_bytes() / layout.page_tokens;
  const uint64_t full = whole_pages(context_tokens, layout.page_tokens);
  const uint64_t sliding = std::min<uint64_t>(
      full, whole_pages(config.sliding_window_tokens, layout.page_tokens) + layout.page_tokens);
  uint64_t bytes = 0;
  for (uint32_t layer = 0; layer < config.n_layers; ++layer)
    bytes += token_bytes * (config.is_sliding(layer) ? sliding : full);
  return bytes;
}

}  // namespace

Plan make_plan(const ModelHeader& header, const PlanRequest& request) {
  const ModelConfig& config = header.config;
  const kernels::KvLayout layout = {request.kv_type, config.n_kv_heads, config.head_dim, request.page_tokens};
  Plan plan;
  plan.context_tokens = request.context_tokens == 0 ? config.context_tokens : request.context_tokens;
  plan.weight_bytes = header.weight_bytes;
  plan.kv_token_bytes = layout.page_bytes() / layout.page_tokens * config.n_layers;
  plan.kv_bytes = kv_bytes(config, layout, plan.context_tokens);
  // Activations of one piece: the residual stream, queries, keys, values, the branch, gate and up, twice for
  // their converted rows.
  const uint64_t row_floats =
      2 * (uint64_t{3} * config.n_embd + uint64_t{3} * config.n_heads * config.head_dim +
           uint64_t{2} * config.n_ff);
  constexpr uint64_t kPieceTokens = 256;
  plan.workspace_bytes = row_floats * kPieceTokens * sizeof(float) + uint64_t{config.n_vocab} * sizeof(float);
  plan.total_bytes = plan.weight_bytes + plan.kv_bytes + plan.workspace_bytes;
  const uint64_t budget = request.host_kv_budget_bytes == 0 ? UINT64_MAX : request.host_kv_budget_bytes;
  plan.fits = plan.kv_bytes <= budget;
  // KV grows with the context, so the longest that fits is found by halving.
  uint64_t low = 0;
  uint64_t high = std::max<uint64_t>(plan.context_tokens, 1);
  if (plan.fits) low = high;
  while (low < high) {
    const uint64_t middle = low + (high - low + 1) / 2;
    if (kv_bytes(config, layout, middle) <= budget)
      low = middle;
    else
      high = middle - 1;
  }
  plan.fitting_tokens = low;
  return plan;
}

}  // namespace leoam
