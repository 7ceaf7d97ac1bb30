#include "runtime/device/cpu/cpu_device.h"

#include <cstring>

#include "runtime/device/cpu/cpu_operations.h"

namespace leoam {
namespace {

class CpuBuffer final : public DeviceBuffer {
 public:
  explicit CpuBuffer(AlignedBuffer memory) : memory_(std::move(memory)) {}
  uint8_t* data() override { return memory_.data(); }
  size_t bytes() const override { return memory_.bytes(); }

 private:
  AlignedBuffer memory_;
};

class CpuDevice final : public Device {
 public:
  CpuDevice(ThreadPool& pool, const kernels::CpuTable& kernels) : pool_(pool), kernels_(kernels) {
    info_.name = "cpu";
    info_.detail = fmt::format("{}, {} threads", kernels::cpu_level_name(kernels.level), pool.n_threads());
  }

  const DeviceInfo& info() const override { return info_; }

  Result<std::unique_ptr<DeviceBuffer>> allocate(size_t bytes) override {
    LEOAM_ASSIGN_OR_RETURN(AlignedBuffer memory, AlignedBuffer::allocate(bytes));
    return std::unique_ptr<DeviceBuffer>(new CpuBuffer(std::move(memory)));
  }

  Result<DeviceMatrix> create_matrix(kernels::WeightType type, uint32_t n_rows, uint32_t n_cols) override {
    DeviceMatrix matrix;
    LEOAM_ASSIGN_OR_RETURN(matrix.storage, allocate(kernels_.matmul->packed_bytes(type, n_rows, n_cols)));
    matrix.packed = {type, n_rows, n_cols, matrix.storage->data()};
    return matrix;
  }

  uint32_t row_granule() const override { return kernels_.matmul->row_granule; }

  Status pack_rows(DeviceMatrix& matrix, uint32_t row_begin, uint32_t row_end,
                   std::span<const uint8_t> src) override {
    const kernels::PackedMatrix& packed = matrix.packed;
    const kernels::WeightTypeTraits* traits = kernels::weight_type_traits(static_cast<int32_t>(packed.type));
    const size_t row_bytes = size_t{packed.n_cols} / traits->block_values * traits->block_bytes;
    if (row_begin % row_granule() != 0 || row_begin > row_end || row_end > packed.n_rows ||
        src.size() != row_bytes * (row_end - row_begin))
      return error(ErrorKind::internal, "pack_rows: rows [{}, {}) of {} with {} bytes", row_begin, row_end,
                   packed.n_rows, src.size());
    kernels_.matmul->pack(packed.type, packed.n_rows, packed.n_cols, row_begin, row_end, src.data(),
                          matrix.storage->data());
    return {};
  }

  Result<std::unique_ptr<DeviceWorkspace>> create_workspace(const WorkspaceShape& shape) override {
    return CpuWorkspace::create(shape, pool_.n_threads(), kernels_);
  }

  Status embed(const StepShape& step, DeviceWorkspace& workspace, const DeviceMatrix& embedding,
               const int32_t* tokens, float scale) override {
    cpu::embed(context(step, workspace), embedding, tokens, scale);
    return {};
  }
  Status attention_input(const StepShape& step, DeviceWorkspace& workspace,
                         const AttentionInputParams& params) override {
    cpu::attention_input(context(step, workspace), params);
    return {};
  }
  Status project_query(const StepShape& step, DeviceWorkspace& workspace, const AttentionInputParams& params,
                       float* q) override {
    cpu::project_query(context(step, workspace), params, q);
    return {};
  }
  Result<const float*> queries(const StepShape&, DeviceWorkspace& workspace) override {
    return static_cast<const float*>(static_cast<CpuWorkspace&>(workspace).q_);
  }
  Status attend_selected(const StepShape& step, DeviceWorkspace& workspace, const AttentionParams& params,
                         std::span<AttentionSums> out) override {
    return cpu::attend_selected(context(step, workspace), params, out);
  }
  Status attention(const StepShape& step, DeviceWorkspace& workspace,
                   const AttentionParams& params) override {
    return cpu::attention(context(step, workspace), params);
  }
  Status attention_mass(const StepShape& step, DeviceWorkspace& workspace,
                        const AttentionMassParams& params) override {
    cpu::attention_mass(context(step, workspace), params);
    return {};
  }
  Status feed_forward(const StepShape& step, DeviceWorkspace& workspace,
                      const FeedForwardParams& params) override {
    cpu::feed_forward(context(step, workspace), params);
    return {};
  }
  Status summarize(const kernels::KvLayout& layout, std::span<const PageAbstract> pages) override {
    return cpu::summarize(pool_, kernels_, layout, pages);
  }
  Status compact(const kernels::KvLayout& layout, std::span<PageCompaction> pages) override {
    cpu::compact(pool_, kernels_, layout, pages);
    return {};
  }
  Status logits(const StepShape& step, DeviceWorkspace& workspace, const float* norm,
                const DeviceMatrix& head, std::span<const uint32_t> rows, float logit_scale,
                float* logits) override {
    cpu::logits(context(step, workspace), norm, head, rows, logit_scale, logits);
    return {};
  }

 private:
  cpu::Context context(const StepShape& step, DeviceWorkspace& workspace) {
    return {pool_, kernels_, step, static_cast<CpuWorkspace&>(workspace)};
  }

  ThreadPool& pool_;
  const kernels::CpuTable& kernels_;
  DeviceInfo info_;
};

}  // namespace

std::unique_ptr<Device> create_cpu_device(ThreadPool& pool, const kernels::CpuTable& kernels) {
  return std::make_unique<CpuDevice>(pool, kernels);
}

}  // namespace leoam
