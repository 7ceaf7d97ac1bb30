// What tokens got of attention that was computed before: a second look at their keys.
#include <algorithm>

#include "runtime/device/cpu/cpu_operations.h"

namespace leoam::cpu {
namespace {

// Keys of one work item; enough that bringing queries into form costs little beside them.
constexpr size_t kItemTokens = 256;

}  // namespace

void attention_mass(const Context& context, const AttentionMassParams& params) {
  const StepShape& step = context.step;
  const SequenceSpan& span = step.spans[params.span];
  const size_t width = size_t{step.n_heads} * step.kv.head_dim;
  kernels::AttentionMassParams mass;
  mass.layout = step.kv;
  mass.n_heads = step.n_heads;
  mass.scale = params.scale;
  mass.q = context.workspace.q_ + span.token_begin * width;
  mass.q_stride = width;
  mass.n_tokens = span.n_tokens;
  mass.first_position = span.first_position;
  mass.log_sums = context.workspace.log_sums(step, span.token_begin);
  mass.pages = params.pages.data();
  mass.mass_stride = params.mass_stride;
  const size_t item_pages = kItemTokens / step.kv.page_tokens;
  const auto n_items =
      static_cast<int64_t>((params.pages.size() + item_pages - 1) / item_pages * step.kv.n_kv_heads);
  context.pool.run([&](int thread) {
    for (int64_t item = context.pool.next_item(0); item < n_items; item = context.pool.next_item(0)) {
      if (context.cancelled()) continue;
      const size_t begin = static_cast<size_t>(item) / step.kv.n_kv_heads * item_pages;
      const size_t end = std::min(begin + item_pages, params.pages.size());
      context.kernels.attention_mass(mass, static_cast<uint32_t>(item) % step.kv.n_kv_heads,
                                     static_cast<uint32_t>(begin), static_cast<uint32_t>(end),
                                     context.workspace.attention_scratch(thread));
    }
  });
}

}  // namespace leoam::cpu
