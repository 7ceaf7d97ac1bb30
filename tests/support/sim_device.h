// SimDevice: a device with memory of its own, to test three tiers anywhere. It computes on the CPU; its
// buffers have addresses that this process cannot touch, and copies go through a queue of a settable rate.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/device/cpu/cpu_device.h"

namespace leoam::testing {

class SimDevice : public Device, public DeviceLink {
 public:
  struct Options {
    uint64_t memory_bytes = UINT64_MAX;  // for buffers; weights and scratch are the CPU device's
    uint64_t bytes_per_second = 0;       // of copies; 0: at once
    uint32_t latency_us = 0;             // from the turn of a copy to its end, beside its transfer
  };
  SimDevice(std::unique_ptr<Device> cpu, const Options& options);
  ~SimDevice() override;

  // Where the bytes of a device address really are. Ends the test process when no buffer has it.
  uint8_t* real(const uint8_t* address) const;
  uint64_t allocated_bytes() const;
  // The device is lost with the n-th copy from now on.
  void lose_at_copy(uint64_t n) { copies_left_.store(n); }
  uint64_t n_copies() const { return n_copies_.load(); }

  const DeviceInfo& info() const override { return info_; }
  DeviceLink* link() override { return this; }
  Result<std::unique_ptr<DeviceBuffer>> allocate(size_t bytes) override;
  Result<DeviceMatrix> create_matrix(kernels::WeightType type, uint32_t n_rows, uint32_t n_cols) override;
  uint32_t row_granule() const override { return cpu_->row_granule(); }
  Status pack_rows(DeviceMatrix& matrix, uint32_t row_begin, uint32_t row_end,
                   std::span<const uint8_t> src) override;
  Result<std::unique_ptr<DeviceWorkspace>> create_workspace(const WorkspaceShape& shape) override;
  Status embed(const StepShape& step, DeviceWorkspace& workspace, const DeviceMatrix& embedding,
               const int32_t* tokens, float scale) override;
  Status attention_input(const StepShape& step, DeviceWorkspace& workspace,
                         const AttentionInputParams& params) override;
  Status project_query(const StepShape& step, DeviceWorkspace& workspace, const AttentionInputParams& params,
                       float* q) override;
  Result<const float*> queries(const StepShape& step, DeviceWorkspace& workspace) override {
    return cpu_->queries(step, workspace);
  }
  Status attend_selected(const StepShape& step, DeviceWorkspace& workspace, const AttentionParams& params,
                         std::span<AttentionSums> out) override;
  Status attention(const StepShape& step, DeviceWorkspace& workspace, const AttentionParams& params) override;
  Status attention_mass(const StepShape& step, DeviceWorkspace& workspace,
                        const AttentionMassParams& params) override;
  Status feed_forward(const StepShape& step, DeviceWorkspace& workspace,
                      const FeedForwardParams& params) override;
  Status summarize(const kernels::KvLayout& layout, std::span<const PageAbstract> pages) override;
  Status compact(const kernels::KvLayout& layout, std::span<PageCompaction> pages) override;
  Status logits(const StepShape& step, DeviceWorkspace& workspace, const float* norm,
                const DeviceMatrix& head, std::span<const uint32_t> rows, float logit_scale,
                float* logits) override;

  Result<std::unique_ptr<DeviceBuffer>> allocate_host(size_t bytes) override { return cpu_->allocate(bytes); }
  void submit(std::span<DeviceCopy* const> copies) override;

 private:
  class Buffer;
  void work();
  void carry_out(DeviceCopy* copy);
  // The step as the CPU sees it, until the next call.
  const StepShape& translated(const StepShape& step);
  LayerPages translated(const LayerPages& pages);

  const std::unique_ptr<Device> cpu_;
  const Options options_;
  DeviceInfo info_;

  mutable std::mutex buffers_mutex_;
  std::map<uintptr_t, Buffer*> buffers_;  // by first address
  uint64_t allocated_bytes_ = 0;

  StepShape step_;
  std::vector<LayerPages> pages_;
  std::deque<std::vector<kernels::KvPageRef>> refs_;
  std::deque<std::vector<LayerPages>> lists_;
  std::vector<SpanSelection> selections_;
  std::deque<std::vector<SelectedHead>> heads_;
  std::deque<std::vector<kernels::KvGranules>> granules_;

  std::mutex queue_mutex_;
  std::condition_variable wake_;
  std::deque<DeviceCopy*> queue_;
  bool stop_ = false;
  std::atomic<uint64_t> copies_left_{UINT64_MAX};
  std::atomic<uint64_t> n_copies_{0};
  std::thread thread_;
};

// What EngineOptions.create_device takes. `made` (may be null): the device of the last engine.
inline auto sim_device_factory(const SimDevice::Options& options, SimDevice** made = nullptr) {
  return [options, made](ThreadPool& pool, const kernels::CpuTable& kernels) -> std::unique_ptr<Device> {
    auto device = std::make_unique<SimDevice>(create_cpu_device(pool, kernels), options);
    if (made) *made = device.get();
    return device;
  };
}

}  // namespace leoam::testing
