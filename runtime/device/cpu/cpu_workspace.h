// Scratch memory of the cpu device's operations, one block, laid out once.
#pragma once

#include <algorithm>

#include "kernels/cpu_table.h"
#include "runtime/base/aligned_buffer.h"
#include "runtime/device/device.h"

namespace leoam {

// Activations in the forms that matrix products take.
struct ActivationRows {
  float* x = nullptr;     // [n_tokens][x_stride]
  size_t x_stride = 0;    // floats
  uint8_t* xq = nullptr;  // [n_tokens][activation_row_bytes(n_cols)]
};

class CpuWorkspace final : public DeviceWorkspace {
 public:
  static Result<std::unique_ptr<DeviceWorkspace>> create(const Device::WorkspaceShape& shape, int n_threads,
                                                         const kernels::CpuTable& kernels);

  float* x() override { return x_; }
  size_t bytes() const override {
    return block_.bytes() + partials_.bytes() + states_.bytes() + selected_.bytes() + fixed_.bytes() +
           log_sums_.bytes();
  }

  // Room for partial attention states; grows by doubling, so a growing context seldom allocates.
  Status reserve_partials(size_t n_floats);
  float* partials() { return partials_.as<float>(); }
  // Room for the running states of prefill attention whose pages come in several calls.
  Status reserve_states();
  float* state_of(uint32_t token) { return states_.as<float>() + token * state_floats_; }

  // Of attention whose masses are wanted: log of sum exp(score), [max_tokens][n_heads].
  Status reserve_log_sums(const StepShape& step);
  float* log_sums(const StepShape& step, uint32_t token) {
    return log_sums_.as<float>() + size_t{token} * step.n_heads;
  }

  // Of spans that select: states of their fixed pages, which stay while room for the others is taken.
  Status reserve_fixed(size_t n_floats);
  float* fixed() { return fixed_.as<float>(); }
  Status reserve_selected(size_t n_floats);
  float* selected() { return selected_.as<float>(); }

  float* q_ = nullptr;                   // [max_tokens][n_heads * head_dim]
  float* k_ = nullptr;                   // [max_tokens][n_kv_heads * head_dim]
  float* v_ = nullptr;                   // likewise
  float* mixed_ = nullptr;               // [max_tokens][n_heads * head_dim], attention's output
  float* gate_ = nullptr;                // [max_tokens][n_ff]
  float* up_ = nullptr;                  // [max_tokens][n_ff]
  float* branch_ = nullptr;              // [max_tokens][n_embd], a branch before its post norm
  ActivationRows shared_;                // all tokens, of the widest matrix
  ActivationRows own(int thread) const;  // one token, of one thread
  uint8_t* attention_scratch(int thread) { return attention_scratch_ + thread * attention_scratch_bytes_; }

 private:
  float* x_ = nullptr;
  uint8_t* own_rows_ = nullptr;  // [n_threads] of {x, xq} for one token
  size_t own_x_bytes_ = 0;
  size_t own_bytes_ = 0;
  uint8_t* attention_scratch_ = nullptr;  // [n_threads][attention_scratch_bytes_]
  size_t attention_scratch_bytes_ = 0;
  AlignedBuffer block_;
  AlignedBuffer partials_;
  AlignedBuffer fixed_;
  AlignedBuffer selected_;
  AlignedBuffer log_sums_;
  size_t max_tokens_ = 0;
  size_t state_floats_ = 0;  // of one token
  AlignedBuffer states_;     // [max_tokens_][state_floats_]
};

}  // namespace leoam
