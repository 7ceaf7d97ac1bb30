// The cpu device's operations, each one region of the thread pool, and the two steps that they share:
// bringing activations into the form that matrix products take, and products with rows handed out among the
// threads.
//
// With one token, norms and conversions are repeated by every thread into rows of its own: that is cheaper
// than meeting at a barrier.
#pragma once

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <span>

#include "kernels/cpu_table.h"
#include "runtime/base/thread_pool.h"
#include "runtime/device/cpu/cpu_workspace.h"
#include "runtime/device/device.h"

namespace leoam::cpu {

struct Context {
  ThreadPool& pool;
  const kernels::CpuTable& kernels;
  const StepShape& step;
  CpuWorkspace& workspace;
  bool cancelled() const { return step.cancel && step.cancel->cancelled(); }
};

void embed(const Context& context, const DeviceMatrix& embedding, const int32_t* tokens, float scale);
void attention_input(const Context& context, const AttentionInputParams& params);
void project_query(const Context& context, const AttentionInputParams& params, float* q);
Status attention(const Context& context, const AttentionParams& params);
Status attend_selected(const Context& context, const AttentionParams& params, std::span<AttentionSums> out);
void attention_mass(const Context& context, const AttentionMassParams& params);
void feed_forward(const Context& context, const FeedForwardParams& params);
void logits(const Context& context, const float* norm, const DeviceMatrix& head,
            std::span<const uint32_t> rows, float logit_scale, float* logits);

// Of full pages, as Device says.
Status summarize(ThreadPool& pool, const kernels::CpuTable& kernels, const kernels::KvLayout& layout,
                 std::span<const PageAbstract> pages);
void compact(ThreadPool& pool, const kernels::CpuTable& kernels, const kernels::KvLayout& layout,
             std::span<PageCompaction> pages);

// A query head's sum of exp(score) and the maximum that it is relative to, of several partial states.
struct HeadSum {
  float maximum = -INFINITY;
  float sum = 0;

  void add(const float* state) {
    const float other = state[kernels::kPartialMaximum];
    if (state[kernels::kPartialSum] == 0) return;
    const float greatest = std::max(maximum, other);
    sum = sum * std::exp(maximum - greatest) + state[kernels::kPartialSum] * std::exp(other - greatest);
    maximum = greatest;
  }
  float log() const { return maximum + std::log(sum); }
};

// Of spans that select. In a region: work items of what was selected, then the merge of all parts of a
// token's heads into out [n_heads][head_dim].
inline bool selects(const StepShape& step, size_t span) {
  return !step.selections.empty() && step.selections[span].selects;
}
Status reserve_selected(const Context& context);
void attend_lists(const Context& context, const AttentionParams& params, int loop);
void sum_selected(const Context& context, const AttentionParams& params);
void merge_selected(const Context& context, size_t span, float* out);

// Activations of n_tokens rows for `matrices`, made by make_row(token, float* out [n_cols]) on the threads of
// a region, whose counter for it is `loop`. Ends with a barrier unless n_tokens == 1, where every thread
// makes its own.
template <class MakeRow>
ActivationRows prepare_rows(const Context& context, int thread, int loop, uint32_t n_tokens, uint32_t n_cols,
                            std::initializer_list<const DeviceMatrix*> matrices, const MakeRow& make_row) {
  bool quantised = false;
  for (const DeviceMatrix* matrix : matrices)
    quantised = quantised || !kernels::takes_float_activations(matrix->packed.type);
  const ActivationRows rows = n_tokens == 1 ? context.workspace.own(thread) : context.workspace.shared_;
  const size_t xq_bytes = context.kernels.matmul->activation_row_bytes(n_cols);
  const auto prepare = [&](uint32_t token) {
    float* x = rows.x + token * rows.x_stride;
    make_row(token, x);
    if (quantised) context.kernels.matmul->quantize(x, n_cols, rows.xq + token * xq_bytes);
  };
  if (n_tokens == 1) {
    prepare(0);
    return rows;
  }
  for (int64_t token; (token = context.pool.next_item(loop)) < n_tokens;)
    prepare(static_cast<uint32_t>(token));
  context.pool.barrier(thread);
  return rows;
}

// One product of a group: out[t][r] = weights x rows (+ bias).
struct Product {
  const DeviceMatrix* matrix;
  const float* bias;
  float* out;
  size_t out_stride;
  bool accumulate;
};

// Adds w.branch_, normed, to x; `loop` as below. Starts with a barrier.
void add_normed(const Context& context, int thread, const float* post_norm, int loop);

// All products of a group over the same activations; `loop` is the region's counter for it. Returns without a
// barrier.
void multiply(const Context& context, int loop, uint32_t n_tokens, const ActivationRows& rows,
              std::initializer_list<Product> products);

}  // namespace leoam::cpu
