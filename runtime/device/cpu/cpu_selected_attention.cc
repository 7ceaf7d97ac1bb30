// Attention of spans that select: first over their fixed pages, then over what was selected.
#include <algorithm>

#include "runtime/device/cpu/cpu_operations.h"

namespace leoam::cpu {
namespace {

// Entries of a list that are one work item; fixed, so that the order of sums does not depend on threads.
constexpr size_t kPartEntries = 32;
// Likewise parts of the fixed pages: few KV heads are too few items for two threads.
constexpr size_t kFixedParts = 2;

size_t state_floats(const StepShape& step) {
  return kernels::attention_partial_floats(step.kv.head_dim);
}

// Of all heads of a token.
size_t part_floats(const StepShape& step) {
  return state_floats(step) * step.n_heads;
}

// maximum and sum of all heads, for AttentionSums, padded to whole cache lines.
size_t summary_floats(const StepShape& step) {
  return (size_t{2} * step.n_heads + 15) / 16 * 16;
}

// A span's states of its fixed pages, room for another state of each head, the summary.
size_t fixed_floats(const StepShape& step) {
  return (kFixedParts + 1) * part_floats(step) + summary_floats(step);
}

float* fixed_states(const Context& context, size_t span) {
  return context.workspace.fixed() + span * fixed_floats(context.step);
}

float* summary_of(const Context& context, size_t span) {
  return fixed_states(context, span) + (kFixedParts + 1) * part_floats(context.step);
}

void summarize_head(const Context& context, size_t span, uint32_t head, const HeadSum& total) {
  float* const summary = summary_of(context, span);
  summary[head] = total.maximum;
  summary[context.step.n_heads + head] = total.sum;
}

// The states of a token: the parts of its fixed pages, those of its lists, the estimates.
size_t n_list_parts(const SpanSelection& selection) {
  size_t most = 0;
  for (const SelectedHead& head : selection.heads)
    most = std::max(most, (head.granules.size() + kPartEntries - 1) / kPartEntries);
  return most;
}

size_t n_parts(const SpanSelection& selection) {
  return kFixedParts + n_list_parts(selection) + 1;
}

// Where a span's states begin, in floats.
size_t selected_offset(const StepShape& step, size_t span) {
  size_t offset = 0;
  for (size_t s = 0; s < span; ++s)
    if (selects(step, s)) offset += n_parts(step.selections[s]) * part_floats(step);
  return offset;
}

const float* q_of(const Context& context, size_t span) {
  const StepShape& step = context.step;
  return context.workspace.q_ + size_t{step.spans[span].token_begin} * step.n_heads * step.kv.head_dim;
}

AttentionSums sums_of(const Context& context, size_t span) {
  const float* const summary = summary_of(context, span);
  return {q_of(context, span), summary, summary + context.step.n_heads};
}

// One KV head over n entries of its list.
void attend_list(const Context& context, const AttentionParams& params, size_t span, uint32_t kv_head,
                 size_t begin, size_t n, float* state) {
  const StepShape& step = context.step;
  const SelectedHead& head = step.selections[span].heads[kv_head];
  kernels::AttentionGranulesParams list = {step.kv,
                                           step.n_heads,
                                           params.scale,
                                           q_of(context, span),
                                           head.granules.data() + begin,
                                           static_cast<uint32_t>(n)};
  if (head.token_masks.empty()) return context.kernels.attention_granules(list, kv_head, state);
  list.token_masks = head.token_masks.data() + begin * (step.kv.page_tokens / kernels::kGranule_tokens);
  context.kernels.attention_tokens(list, kv_head, state);
}

// One KV head over one part of its list, or over its estimates, which are the last part.
void attend_part(const Context& context, const AttentionParams& params, size_t span, size_t part,
                 uint32_t kv_head, float* states) {
  const StepShape& step = context.step;
  const SpanSelection& selection = step.selections[span];
  const SelectedHead& head = selection.heads[kv_head];
  const uint32_t group = step.n_heads / step.kv.n_kv_heads;
  float* const state = states + part * part_floats(step) + kv_head * group * state_floats(step);
  if (part == n_parts(selection) - 1) {
    const float* q = q_of(context, span) + size_t{kv_head} * group * step.kv.head_dim;
    context.kernels.attention_estimates({step.kv.head_dim, group, params.scale, q, head.estimates.data(),
                                         static_cast<uint32_t>(head.estimates.size())},
                                        state);
    context.kernels.attention_rest({kernels::key_code_layout(step.kv, 0), group, head.rests.data(),
                                    static_cast<uint32_t>(head.rests.size()), head.log_units},
                                   state);
    return;
  }
  const size_t begin = std::min((part - kFixedParts) * kPartEntries, head.granules.size());
  const size_t n = std::min(kPartEntries, head.granules.size() - begin);
  attend_list(context, params, span, kv_head, begin, n, state);
}

}  // namespace

Status attend_selected(const Context& context, const AttentionParams& params, std::span<AttentionSums> out) {
  const StepShape& step = context.step;
  LEOAM_RETURN_IF_ERROR(context.workspace.reserve_fixed(step.spans.size() * fixed_floats(step)));
  const uint32_t group = step.n_heads / step.kv.n_kv_heads;
  context.pool.run([&](int) {
    const auto n_items = static_cast<int64_t>(step.spans.size() * step.kv.n_kv_heads * kFixedParts);
    for (int64_t item = context.pool.next_item(0); item < n_items; item = context.pool.next_item(0)) {
      const size_t part = static_cast<size_t>(item) % kFixedParts;
      const size_t span = static_cast<size_t>(item) / kFixedParts / step.kv.n_kv_heads;
      const uint32_t kv_head = static_cast<uint32_t>(item / kFixedParts) % step.kv.n_kv_heads;
      if (!selects(step, span)) continue;
      const SpanSelection& selection = step.selections[span];
      kernels::AttentionDecodeParams decode;
      decode.layout = step.kv;
      decode.n_heads = step.n_heads;
      decode.scale = params.scale;
      decode.q = q_of(context, span);
      decode.position = step.spans[span].first_position;
      decode.pages = selection.fixed.pages;
      decode.n_pages = selection.fixed.n_pages;
      const size_t first = size_t{kv_head} * group * state_floats(step);
      float* const fixed = fixed_states(context, span) + first;
      const auto page = [&](size_t i) {
        return static_cast<uint32_t>(selection.fixed.n_pages * i / kFixedParts);
      };
      context.kernels.attention_decode(decode, kv_head, page(part), page(part + 1),
                                       fixed + part * part_floats(step));
      if (part == 0 && !selection.heads.empty())
        attend_list(context, params, span, kv_head, 0, selection.heads[kv_head].granules.size(),
                    fixed + kFixedParts * part_floats(step));
    }
  });
  for (size_t span = 0; span < step.spans.size(); ++span) {
    if (!selects(step, span)) continue;
    const size_t n_states = kFixedParts + (step.selections[span].heads.empty() ? 0 : 1);
    for (uint32_t head = 0; head < step.n_heads; ++head) {
      HeadSum total;
      for (size_t part = 0; part < n_states; ++part)
        total.add(fixed_states(context, span) + part * part_floats(step) + head * state_floats(step));
      summarize_head(context, span, head, total);
    }
    out[span] = sums_of(context, span);
  }
  return {};
}

Status reserve_selected(const Context& context) {
  const StepShape& step = context.step;
  if (step.selections.empty()) return {};
  LEOAM_RETURN_IF_ERROR(context.workspace.reserve_selected(selected_offset(step, step.spans.size())));
  for (size_t span = 0; span < step.spans.size(); ++span)
    if (selects(step, span))
      std::copy_n(fixed_states(context, span), kFixedParts * part_floats(step),
                  context.workspace.selected() + selected_offset(step, span));
  return {};
}

void attend_lists(const Context& context, const AttentionParams& params, int loop) {
  const StepShape& step = context.step;
  if (step.selections.empty()) return;
  int64_t item = context.pool.next_item(loop);
  int64_t first = 0;
  for (size_t span = 0; span < step.spans.size(); ++span) {
    if (!selects(step, span)) continue;
    const auto n = static_cast<int64_t>((n_parts(step.selections[span]) - kFixedParts) * step.kv.n_kv_heads);
    float* const states = context.workspace.selected() + selected_offset(step, span);
    for (; item < first + n; item = context.pool.next_item(loop)) {
      const auto index = static_cast<size_t>(item - first);
      attend_part(context, params, span, kFixedParts + index / step.kv.n_kv_heads,
                  static_cast<uint32_t>(index % step.kv.n_kv_heads), states);
    }
    first += n;
  }
}

void sum_selected(const Context& context, const AttentionParams& params) {
  const StepShape& step = context.step;
  for (size_t span = 0; span < step.spans.size(); ++span) {
    if (!selects(step, span)) continue;
    const float* const states = context.workspace.selected() + selected_offset(step, span);
    for (uint32_t head = 0; head < step.n_heads; ++head) {
      HeadSum total;
      for (size_t part = 0; part + 1 < n_parts(step.selections[span]); ++part)
        total.add(states + part * part_floats(step) + head * state_floats(step));
      summarize_head(context, span, head, total);
      if (params.keeps_sums)
        context.workspace.log_sums(step, step.spans[span].token_begin)[head] = total.log();
    }
    params.selected[span] = sums_of(context, span);
  }
}

void merge_selected(const Context& context, size_t span, float* out) {
  const StepShape& step = context.step;
  const float* states = context.workspace.selected() + selected_offset(step, span);
  for (uint32_t head = 0; head < step.n_heads; ++head)
    context.kernels.attention_merge(states + head * state_floats(step),
                                    static_cast<uint32_t>(n_parts(step.selections[span])), part_floats(step),
                                    step.kv.head_dim, out + size_t{head} * step.kv.head_dim);
}

}  // namespace leoam::cpu
