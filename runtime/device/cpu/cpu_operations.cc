#include "runtime/device/cpu/cpu_operations.h"

#include <algorithm>
#include <cstring>

namespace leoam::cpu {
namespace {

// Rows of one work item: small enough to share evenly, large enough that taking an item costs nothing.
uint32_t item_rows(const Context& context, uint32_t n_rows, uint32_t n_tokens) {
  const uint32_t granule = context.kernels.matmul->row_granule;
  const uint32_t n_threads = static_cast<uint32_t>(context.pool.n_threads());
  const uint32_t items_a_thread = n_tokens == 1 ? 4 : 8;
  const uint32_t wanted = n_rows / (n_threads * items_a_thread);
  return std::max(granule, std::min(wanted, 1024u) / granule * granule);
}

void norm_row(const Context& context, const float* norm, uint32_t token, float* out) {
  const uint32_t n_embd = context.step.n_embd;
  context.kernels.rms_norm(context.workspace.x() + size_t{token} * n_embd, norm, n_embd,
                           context.step.norm_eps, out);
}

// The heads of one token: per-head norm, where there is one, and rope.
void rotate(const Context& context, const AttentionInputParams& params, uint32_t token, uint32_t n_heads,
            const float* head_norm, float* heads) {
  const uint32_t head_dim = context.step.kv.head_dim;
  if (head_norm)
    for (uint32_t h = 0; h < n_heads; ++h)
      context.kernels.rms_norm(heads + h * head_dim, head_norm, head_dim, context.step.norm_eps,
                               heads + h * head_dim);
  const size_t angles = size_t{token} * (params.n_rot / 2);
  const kernels::RopeParams rope = {params.pairing, head_dim, params.n_rot, params.rope_cos + angles,
                                    params.rope_sin + angles};
  context.kernels.rope(rope, n_heads, heads);
}

// Copies the new keys and values of tokens [token, token + n) of a span, all in one page, into it.
void append_run(const Context& context, const SequenceSpan& span, const LayerPages& pages, uint32_t token,
                uint32_t n) {
  const kernels::KvLayout& kv = context.step.kv;
  const size_t width = size_t{kv.n_kv_heads} * kv.head_dim;
  const int32_t position = span.first_position + static_cast<int32_t>(token - span.token_begin);
  const kernels::KvPageRef& page =
      pages.pages[static_cast<uint32_t>(position - pages.pages[0].first_position) / kv.page_tokens];
  kernels::KvAppendParams params;
  params.layout = kv;
  params.page = const_cast<uint8_t*>(page.data);  // this step's own tail
  params.first_slot = static_cast<uint32_t>(position - page.first_position);
  params.n_tokens = n;
  params.k = context.workspace.k_ + token * width;
  params.v = context.workspace.v_ + token * width;
  params.stride = width;
  context.kernels.kv_append(params, 0, kv.n_kv_heads);
}

// Every span cut at page borders; the threads take the runs in turn.
void append_spans(const Context& context, int loop) {
  const uint32_t page_tokens = context.step.kv.page_tokens;
  int64_t item = context.pool.next_item(loop);
  int64_t run = 0;
  for (size_t s = 0; s < context.step.spans.size(); ++s) {
    const SequenceSpan& span = context.step.spans[s];
    for (uint32_t done = 0; done < span.n_tokens; ++run) {
      const uint32_t slot = (static_cast<uint32_t>(span.first_position) + done) % page_tokens;
      const uint32_t n = std::min(page_tokens - slot, span.n_tokens - done);
      if (run == item) {
        append_run(context, span, context.step.pages[s], span.token_begin + done, n);
        item = context.pool.next_item(loop);
      }
      done += n;
    }
  }
}

}  // namespace

void add_normed(const Context& context, int thread, const float* post_norm, int loop) {
  const uint32_t n = context.step.n_embd;
  context.pool.barrier(thread);
  for (int64_t token; (token = context.pool.next_item(loop)) < context.step.n_tokens;) {
    float* branch = context.workspace.branch_ + static_cast<size_t>(token) * n;
    float* x = context.workspace.x() + static_cast<size_t>(token) * n;
    context.kernels.rms_norm(branch, post_norm, n, context.step.norm_eps, branch);
    for (uint32_t i = 0; i < n; ++i) x[i] += branch[i];
  }
}

void multiply(const Context& context, int loop, uint32_t n_tokens, const ActivationRows& rows,
              std::initializer_list<Product> products) {
  int64_t item = context.pool.next_item(loop);
  int64_t first = 0;  // items of the products before
  for (const Product& product : products) {
    const kernels::PackedMatrix& weights = product.matrix->packed;
    const uint32_t step_rows = item_rows(context, weights.n_rows, n_tokens);
    const int64_t n_items = (weights.n_rows + step_rows - 1) / step_rows;
    kernels::MatmulParams params;
    params.weights = weights;
    params.x = rows.x;
    params.x_stride = rows.x_stride;
    params.xq = rows.xq;
    params.n_tokens = n_tokens;
    params.bias = product.bias;
    params.accumulate = product.accumulate;
    params.out = product.out;
    params.out_stride = product.out_stride;
    for (; item < first + n_items; item = context.pool.next_item(loop)) {
      if (context.cancelled()) continue;
      const uint32_t row_begin = static_cast<uint32_t>(item - first) * step_rows;
      context.kernels.matmul->matmul(params, row_begin, std::min(row_begin + step_rows, weights.n_rows));
    }
    first += n_items;
  }
}

void embed(const Context& context, const DeviceMatrix& embedding, const int32_t* tokens, float scale) {
  const uint32_t n = context.step.n_embd;
  context.pool.run([&](int) {
    for (int64_t token; (token = context.pool.next_item(0)) < context.step.n_tokens;) {
      float* x = context.workspace.x() + static_cast<size_t>(token) * n;
      context.kernels.matmul->unpack_row(embedding.packed, static_cast<uint32_t>(tokens[token]), x);
      if (scale != 1.0f)
        for (uint32_t i = 0; i < n; ++i) x[i] *= scale;
    }
  });
}

void attention_input(const Context& context, const AttentionInputParams& params) {
  const StepShape& step = context.step;
  CpuWorkspace& w = context.workspace;
  const size_t q_width = size_t{step.n_heads} * step.kv.head_dim;
  const size_t kv_width = size_t{step.kv.n_kv_heads} * step.kv.head_dim;
  context.pool.run([&](int thread) {
    const ActivationRows rows =
        prepare_rows(context, thread, 3, step.n_tokens, step.n_embd, {params.q, params.k, params.v},
                     [&](uint32_t token, float* out) { norm_row(context, params.norm, token, out); });
    multiply(context, 0, step.n_tokens, rows,
             {{params.q, params.q_bias, w.q_, q_width, false},
              {params.k, params.k_bias, w.k_, kv_width, false},
              {params.v, params.v_bias, w.v_, kv_width, false}});
    context.pool.barrier(thread);
    for (int64_t item; (item = context.pool.next_item(1)) < step.n_tokens;) {
      const uint32_t token = static_cast<uint32_t>(item);
      rotate(context, params, token, step.n_heads, params.q_norm, w.q_ + token * q_width);
      rotate(context, params, token, step.kv.n_kv_heads, params.k_norm, w.k_ + token * kv_width);
    }
    context.pool.barrier(thread);
    append_spans(context, 2);
  });
}

void project_query(const Context& context, const AttentionInputParams& params, float* q) {
  const StepShape& step = context.step;
  const size_t q_width = size_t{step.n_heads} * step.kv.head_dim;
  context.pool.run([&](int thread) {
    const ActivationRows rows =
        prepare_rows(context, thread, 2, step.n_tokens, step.n_embd, {params.q},
                     [&](uint32_t token, float* out) { norm_row(context, params.norm, token, out); });
    multiply(context, 0, step.n_tokens, rows, {{params.q, params.q_bias, q, q_width, false}});
    context.pool.barrier(thread);
    for (int64_t item; (item = context.pool.next_item(1)) < step.n_tokens;) {
      const uint32_t token = static_cast<uint32_t>(item);
      rotate(context, params, token, step.n_heads, params.q_norm, q + token * q_width);
    }
  });
}

void feed_forward(const Context& context, const FeedForwardParams& params) {
  const StepShape& step = context.step;
  CpuWorkspace& w = context.workspace;
  const auto act =
      params.activation == GatedActivation::swiglu ? context.kernels.swiglu : context.kernels.geglu;
  context.pool.run([&](int thread) {
    const ActivationRows rows =
        prepare_rows(context, thread, 3, step.n_tokens, step.n_embd, {params.gate, params.up},
                     [&](uint32_t token, float* out) { norm_row(context, params.norm, token, out); });
    multiply(
        context, 0, step.n_tokens, rows,
        {{params.gate, nullptr, w.gate_, step.n_ff, false}, {params.up, nullptr, w.up_, step.n_ff, false}});
    context.pool.barrier(thread);
    const ActivationRows hidden = prepare_rows(
        context, thread, 4, step.n_tokens, step.n_ff, {params.down}, [&](uint32_t token, float* out) {
          act(w.gate_ + size_t{token} * step.n_ff, w.up_ + size_t{token} * step.n_ff, step.n_ff, out);
        });
    float* out = params.post_norm ? w.branch_ : w.x();
    multiply(context, 1, step.n_tokens, hidden,
             {{params.down, nullptr, out, step.n_embd, params.post_norm == nullptr}});
    if (params.post_norm) add_normed(context, thread, params.post_norm, 2);
  });
}

void logits(const Context& context, const float* norm, const DeviceMatrix& head,
            std::span<const uint32_t> rows, float logit_scale, float* logits) {
  const StepShape& step = context.step;
  const uint32_t n_vocab = head.packed.n_rows;
  const uint32_t n_rows = static_cast<uint32_t>(rows.size());
  context.pool.run([&](int thread) {
    const ActivationRows normed =
        prepare_rows(context, thread, 1, n_rows, step.n_embd, {&head}, [&](uint32_t row, float* out) {
          context.kernels.rms_norm(context.workspace.x() + size_t{rows[row]} * step.n_embd, norm, step.n_embd,
                                   step.norm_eps, out);
        });
    multiply(context, 0, n_rows, normed, {{&head, nullptr, logits, n_vocab, false}});
  });
  if (logit_scale != 1.0f)
    for (size_t i = 0; i < size_t{n_rows} * n_vocab; ++i) logits[i] *= logit_scale;
}

}  // namespace leoam::cpu
