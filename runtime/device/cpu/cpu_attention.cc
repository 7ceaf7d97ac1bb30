#include <algorithm>

#include "runtime/device/cpu/cpu_operations.h"

namespace leoam::cpu {
namespace {

// Fixed, so that the order of sums depends neither on the number of threads nor on how the pages are handed
// over.
constexpr uint32_t kPartTokens = kernels::kAttentionCut_tokens;

// With the context split among the threads.
bool is_decode(const SequenceSpan& span) {
  return span.n_tokens <= kNarrowSpan_tokens;
}

// Parts are numbered from the one that holds the first visible position.
struct PartRange {
  uint32_t begin;
  uint32_t end;
};

// The decode tokens of a step, with where each one's partial states lie.
struct DecodeToken {
  uint32_t token;
  uint32_t span;
  int32_t position;
  uint32_t first_part;  // position of the first visible token / kPartTokens
  uint32_t n_parts;     // of the whole context
  PartRange parts;      // those that lie in the pages of this call
  size_t partials;      // in floats; [n_parts][n_heads][partial_floats]
};

// The parts of a token that pages hold; whole parts, but for the first and the last visible one.
PartRange parts_of_pages(const LayerPages& pages, const DecodeToken& token) {
  if (pages.n_pages == 0) return {0, 0};
  const kernels::KvPageRef& last = pages.pages[pages.n_pages - 1];
  const uint32_t begin = static_cast<uint32_t>(pages.pages[0].first_position) / kPartTokens;
  const uint32_t end = static_cast<uint32_t>(last.first_position) / kPartTokens + 1;
  const auto visible = [&token](uint32_t part) {
    return std::min(std::max(part, token.first_part) - token.first_part, token.n_parts);
  };
  return {visible(begin), visible(end)};
}

template <class Visit>
size_t for_each_decode_token(const Context& context, int32_t window, const Visit& visit) {
  const StepShape& step = context.step;
  const size_t state = kernels::attention_partial_floats(step.kv.head_dim) * step.n_heads;
  size_t used = 0;
  for (uint32_t s = 0; s < step.spans.size(); ++s) {
    const SequenceSpan& span = step.spans[s];
    if (!is_decode(span) || selects(step, s)) continue;
    for (uint32_t i = 0; i < span.n_tokens; ++i) {
      const int32_t position = span.first_position + static_cast<int32_t>(i);
      const int32_t lowest = window > 0 ? std::max(0, position - window + 1) : 0;
      DecodeToken token{
          span.token_begin + i, s, position, static_cast<uint32_t>(lowest) / kPartTokens, 0, {}, used};
      token.n_parts = static_cast<uint32_t>(position) / kPartTokens - token.first_part + 1;
      token.parts = parts_of_pages(step.pages[s], token);
      visit(token);
      used += token.n_parts * state;
    }
  }
  return used;
}

// Page indices of a part within the pages of this call.
PartRange pages_of_part(const kernels::KvLayout& kv, const LayerPages& pages, const DecodeToken& token,
                        uint32_t part) {
  const uint32_t base = static_cast<uint32_t>(pages.pages[0].first_position) / kv.page_tokens;
  const uint32_t first = (token.first_part + part) * kPartTokens / kv.page_tokens;
  const uint32_t end = first + kPartTokens / kv.page_tokens;
  return {std::max(first, base) - base, std::min(end - base, pages.n_pages)};
}

void decode_part(const Context& context, const AttentionParams& params, const DecodeToken& token,
                 uint32_t part, uint32_t kv_head) {
  const StepShape& step = context.step;
  const LayerPages& pages = step.pages[token.span];
  kernels::AttentionDecodeParams decode;
  decode.layout = step.kv;
  decode.n_heads = step.n_heads;
  decode.scale = params.scale;
  decode.q = context.workspace.q_ + size_t{token.token} * step.n_heads * step.kv.head_dim;
  decode.position = token.position;
  decode.window = params.window;
  decode.pages = pages.pages;
  decode.n_pages = pages.n_pages;
  const PartRange range = pages_of_part(step.kv, pages, token, part);
  const size_t state = kernels::attention_partial_floats(step.kv.head_dim);
  const uint32_t group = step.n_heads / step.kv.n_kv_heads;
  context.kernels.attention_decode(decode, kv_head, range.begin, range.end,
                                   context.workspace.partials() + token.partials +
                                       (size_t{part} * step.n_heads + kv_head * group) * state);
}

// Work that is done before a second thread would have woken up.
constexpr size_t kOneThread_bytes = size_t{1} << 20;

bool worth_a_region(const Context& context) {
  size_t bytes = 0;
  for (size_t s = 0; s < context.step.spans.size(); ++s) {
    if (!is_decode(context.step.spans[s])) return true;
    if (selects(context.step, s)) continue;
    bytes += context.step.pages[s].n_pages * context.step.kv.page_bytes() * context.step.spans[s].n_tokens;
  }
  return bytes > kOneThread_bytes;
}

void decode_spans_alone(const Context& context, const AttentionParams& params) {
  for_each_decode_token(context, params.window, [&](const DecodeToken& token) {
    for (uint32_t part = token.parts.begin; part < token.parts.end; ++part)
      for (uint32_t kv_head = 0; kv_head < context.step.kv.n_kv_heads; ++kv_head)
        if (!context.cancelled()) decode_part(context, params, token, part, kv_head);
  });
}

void decode_spans(const Context& context, const AttentionParams& params, int loop) {
  int64_t item = context.pool.next_item(loop);
  int64_t first = 0;
  for_each_decode_token(context, params.window, [&](const DecodeToken& token) {
    const uint32_t n_kv_heads = context.step.kv.n_kv_heads;
    const int64_t n_items = int64_t{token.parts.end - token.parts.begin} * n_kv_heads;
    for (; item < first + n_items; item = context.pool.next_item(loop)) {
      if (context.cancelled()) continue;
      const uint32_t index = static_cast<uint32_t>(item - first);
      decode_part(context, params, token, token.parts.begin + index / n_kv_heads, index % n_kv_heads);
    }
    first += n_items;
  });
}

void merge_token(const Context& context, const DecodeToken& token, float* out) {
  const StepShape& step = context.step;
  const size_t state = kernels::attention_partial_floats(step.kv.head_dim);
  const float* partials = context.workspace.partials() + token.partials;
  for (uint32_t head = 0; head < step.n_heads; ++head)
    context.kernels.attention_merge(partials + head * state, token.n_parts, step.n_heads * state,
                                    step.kv.head_dim, out + size_t{head} * step.kv.head_dim);
}

// To the attention of tokens [begin, end) of a span, which is done: what a list's estimates add.
void add_estimates(const Context& context, const kernels::AttentionPrefillParams& prefill,
                   std::span<const kernels::AttentionEstimate> estimates, uint32_t kv_head, uint32_t begin,
                   uint32_t end, float* states) {
  const uint32_t head_dim = prefill.layout.head_dim;
  const uint32_t group = prefill.n_heads / prefill.layout.n_kv_heads;
  for (uint32_t token = begin; token < end; ++token) {
    const size_t first_head = size_t{kv_head} * group;
    context.kernels.attention_estimates(
        {head_dim, group, prefill.scale, prefill.q + token * prefill.q_stride + first_head * head_dim,
         estimates.data(), static_cast<uint32_t>(estimates.size())},
        states);
    for (uint32_t g = 0; g < group; ++g) {
      const float* const state = states + g * kernels::attention_partial_floats(head_dim);
      HeadSum estimated;
      estimated.add(state);
      if (estimated.sum == 0) continue;
      const float attended = prefill.log_sums[size_t{token} * prefill.n_heads + first_head + g];
      const float share = 1 / (1 + std::exp(attended - estimated.log()));
      float* const out = prefill.out + token * prefill.out_stride + (first_head + g) * head_dim;
      for (uint32_t c = 0; c < head_dim; ++c)
        out[c] += share * (state[kernels::kPartialOutput + c] / estimated.sum - out[c]);
    }
  }
}

void prefill_spans(const Context& context, const AttentionParams& params, int thread, int loop) {
  const StepShape& step = context.step;
  const size_t width = size_t{step.n_heads} * step.kv.head_dim;
  int64_t item = context.pool.next_item(loop);
  int64_t first = 0;
  for (size_t s = 0; s < step.spans.size(); ++s) {
    const SequenceSpan& span = step.spans[s];
    if (is_decode(span)) continue;
    kernels::AttentionPrefillParams prefill;
    prefill.layout = step.kv;
    prefill.n_heads = step.n_heads;
    prefill.scale = params.scale;
    prefill.q = context.workspace.q_ + span.token_begin * width;
    prefill.q_stride = width;
    prefill.n_tokens = span.n_tokens;
    prefill.first_position = span.first_position;
    prefill.window = params.window;
    prefill.pages = step.pages[s].pages;
    prefill.n_pages = step.pages[s].n_pages;
    prefill.out = context.workspace.mixed_ + span.token_begin * width;
    prefill.out_stride = width;
    prefill.state = params.first && params.last ? nullptr : context.workspace.state_of(span.token_begin);
    prefill.resume = !params.first;
    prefill.suspend = !params.last;
    if (params.keeps_sums || step.pages[s].lists)
      prefill.log_sums = context.workspace.log_sums(step, span.token_begin);
    const uint32_t tile = kernels::kPrefillTile_tokens;
    const int64_t n_tiles = (span.n_tokens + tile - 1) / tile;
    const int64_t n_items = n_tiles * step.kv.n_kv_heads;
    for (; item < first + n_items; item = context.pool.next_item(loop)) {
      if (context.cancelled()) continue;
      const int64_t index = item - first;
      const uint32_t kv_head = static_cast<uint32_t>(index % step.kv.n_kv_heads);
      // The last tiles see most keys: start with them, so that the threads end together.
      const uint32_t begin = static_cast<uint32_t>(n_tiles - 1 - index / step.kv.n_kv_heads) * tile;
      std::span<const kernels::AttentionEstimate> estimates;
      if (step.pages[s].lists) {
        const LayerPages& list =
            step.pages[s].lists[size_t{begin / kQueryBlock_tokens} * step.kv.n_kv_heads + kv_head];
        prefill.pages = list.pages;
        prefill.n_pages = list.n_pages;
        estimates = list.estimates;
      }
      context.kernels.attention_prefill(prefill, kv_head, begin, std::min(begin + tile, span.n_tokens),
                                        context.workspace.attention_scratch(thread));
      // The kernel's scratch, free again, is larger than the states of one token.
      if (params.last && !estimates.empty())
        add_estimates(context, prefill, estimates, kv_head, begin, std::min(begin + tile, span.n_tokens),
                      reinterpret_cast<float*>(context.workspace.attention_scratch(thread)));
    }
    first += n_items;
  }
}

// Of the tokens that were attended to token by token.
void keep_decode_sums(const Context& context, int32_t window) {
  const StepShape& step = context.step;
  const size_t state = kernels::attention_partial_floats(step.kv.head_dim);
  for_each_decode_token(context, window, [&](const DecodeToken& token) {
    const float* partials = context.workspace.partials() + token.partials;
    for (uint32_t head = 0; head < step.n_heads; ++head) {
      HeadSum total;
      for (uint32_t part = 0; part < token.n_parts; ++part)
        total.add(partials + (size_t{part} * step.n_heads + head) * state);
      context.workspace.log_sums(step, token.token)[head] = total.log();
    }
  });
}

}  // namespace

Status attention(const Context& context, const AttentionParams& params) {
  const StepShape& step = context.step;
  CpuWorkspace& w = context.workspace;
  const size_t width = size_t{step.n_heads} * step.kv.head_dim;
  // One block for the whole context: it must not move between the calls.
  if (params.first)
    LEOAM_RETURN_IF_ERROR(
        w.reserve_partials(for_each_decode_token(context, params.window, [](const DecodeToken&) {})));
  if (params.first && !params.last) LEOAM_RETURN_IF_ERROR(w.reserve_states());
  if (params.keeps_sums || std::ranges::any_of(step.pages, [](const LayerPages& p) { return p.lists; }))
    LEOAM_RETURN_IF_ERROR(w.reserve_log_sums(step));
  if (params.last) LEOAM_RETURN_IF_ERROR(reserve_selected(context));
  if (!params.last && !worth_a_region(context)) {
    decode_spans_alone(context, params);
    return {};
  }
  context.pool.run([&](int thread) {
    decode_spans(context, params, 0);
    prefill_spans(context, params, thread, 1);
    if (!params.last) return;
    attend_lists(context, params, 5);
    context.pool.barrier(thread);
    // A step of one token merges it in every thread's own row; others into mixed_ first.
    if (step.n_tokens != 1) {
      int64_t item = context.pool.next_item(2);
      int64_t index = 0;
      for_each_decode_token(context, params.window, [&](const DecodeToken& token) {
        if (index++ != item) return;
        merge_token(context, token, w.mixed_ + token.token * width);
        item = context.pool.next_item(2);
      });
      const auto n_spans = static_cast<int64_t>(step.spans.size());
      for (int64_t next; (next = context.pool.next_item(6)) < n_spans;) {
        const auto span = static_cast<size_t>(next);
        if (selects(step, span))
          merge_selected(context, span, w.mixed_ + step.spans[span].token_begin * width);
      }
      context.pool.barrier(thread);
    }
    const ActivationRows rows = prepare_rows(
        context, thread, 7, step.n_tokens, static_cast<uint32_t>(width), {params.o},
        [&](uint32_t token, float* out) {
          if (step.n_tokens == 1 && selects(step, 0))
            merge_selected(context, 0, out);
          else if (step.n_tokens == 1)
            for_each_decode_token(context, params.window,
                                  [&](const DecodeToken& only) { merge_token(context, only, out); });
          else
            std::copy_n(w.mixed_ + token * width, width, out);
        });
    float* out = params.post_norm ? w.branch_ : w.x();
    multiply(context, 3, step.n_tokens, rows,
             {{params.o, params.o_bias, out, step.n_embd, params.post_norm == nullptr}});
    if (params.post_norm) add_normed(context, thread, params.post_norm, 4);
  });
  if (params.last && !params.selected.empty()) sum_selected(context, params);
  if (params.last && params.keeps_sums) keep_decode_sums(context, params.window);
  return {};
}

}  // namespace leoam::cpu
