#include "runtime/device/cpu/cpu_workspace.h"

namespace leoam {
namespace {

size_t round_up_line(size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

// Hands out 64-byte aligned parts of a block; with a null base it only counts.
class Layout {
 public:
  explicit Layout(uint8_t* base) : base_(base) {}
  uint8_t* take(size_t bytes) {
    uint8_t* part = base_ ? base_ + used_ : nullptr;
    used_ += round_up_line(bytes);
    return part;
  }
  float* take_floats(size_t n) { return reinterpret_cast<float*>(take(n * sizeof(float))); }
  size_t used_bytes() const { return used_; }

 private:
  uint8_t* base_;
  size_t used_ = 0;
};

}  // namespace

Result<std::unique_ptr<DeviceWorkspace>> CpuWorkspace::create(const Device::WorkspaceShape& shape,
                                                              int n_threads,
                                                              const kernels::CpuTable& kernels) {
  std::unique_ptr<CpuWorkspace> workspace(new CpuWorkspace);
  CpuWorkspace& w = *workspace;
  const size_t tokens = shape.max_tokens;
  const size_t q_width = size_t{shape.n_heads} * shape.kv.head_dim;
  const size_t kv_width = size_t{shape.kv.n_kv_heads} * shape.kv.head_dim;
  const uint32_t widest =
      static_cast<uint32_t>(std::max({size_t{shape.n_embd}, q_width, size_t{shape.n_ff}}));
  // Rows start on cache lines.
  const size_t x_stride = (size_t{widest} + 15) / 16 * 16;
  const size_t xq_bytes = round_up_line(kernels.matmul->activation_row_bytes((widest + 31) / 32 * 32));
  w.attention_scratch_bytes_ = round_up_line(
      kernels::attention_prefill_scratch_bytes(shape.kv, shape.n_heads, kernels::kPrefillTile_tokens));
  w.own_x_bytes_ = round_up_line(x_stride * sizeof(float));
  w.own_bytes_ = w.own_x_bytes_ + xq_bytes;
  w.shared_.x_stride = x_stride;
  w.max_tokens_ = tokens;
  w.state_floats_ = shape.n_heads * kernels::attention_partial_floats(shape.kv.head_dim);
  // The first pass counts, the second places.
  for (int pass = 0; pass < 2; ++pass) {
    Layout layout(w.block_.data());
    w.x_ = layout.take_floats(tokens * shape.n_embd);
    w.q_ = layout.take_floats(tokens * q_width);
    w.k_ = layout.take_floats(tokens * kv_width);
    w.v_ = layout.take_floats(tokens * kv_width);
    w.mixed_ = layout.take_floats(tokens * q_width);
    w.gate_ = layout.take_floats(tokens * shape.n_ff);
    w.up_ = layout.take_floats(tokens * shape.n_ff);
    w.branch_ = layout.take_floats(tokens * shape.n_embd);
    w.shared_.x = layout.take_floats(tokens * x_stride);
    w.shared_.xq = layout.take(tokens * xq_bytes);
    w.own_rows_ = layout.take(static_cast<size_t>(n_threads) * w.own_bytes_);
    w.attention_scratch_ = layout.take(static_cast<size_t>(n_threads) * w.attention_scratch_bytes_);
    if (pass == 0) {
      LEOAM_ASSIGN_OR_RETURN(w.block_, AlignedBuffer::allocate(layout.used_bytes()));
    }
  }
  return std::unique_ptr<DeviceWorkspace>(std::move(workspace));
}

namespace {

Status reserve(size_t n_floats, AlignedBuffer* buffer) {
  const size_t bytes = n_floats * sizeof(float);
  if (bytes <= buffer->bytes()) return {};
  LEOAM_ASSIGN_OR_RETURN(*buffer, AlignedBuffer::allocate(std::max(bytes, 2 * buffer->bytes())));
  return {};
}

}  // namespace

Status CpuWorkspace::reserve_partials(size_t n_floats) {
  return reserve(n_floats, &partials_);
}

Status CpuWorkspace::reserve_fixed(size_t n_floats) {
  return reserve(n_floats, &fixed_);
}

Status CpuWorkspace::reserve_selected(size_t n_floats) {
  return reserve(n_floats, &selected_);
}

Status CpuWorkspace::reserve_log_sums(const StepShape& step) {
  return reserve(max_tokens_ * step.n_heads, &log_sums_);
}

Status CpuWorkspace::reserve_states() {
  if (states_.bytes() > 0) return {};
  LEOAM_ASSIGN_OR_RETURN(states_, AlignedBuffer::allocate(max_tokens_ * state_floats_ * sizeof(float)));
  return {};
}

ActivationRows CpuWorkspace::own(int thread) const {
  uint8_t* base = own_rows_ + static_cast<size_t>(thread) * own_bytes_;
  ActivationRows rows = shared_;
  rows.x = reinterpret_cast<float*>(base);
  rows.xq = base + own_x_bytes_;
  return rows;
}

}  // namespace leoam
