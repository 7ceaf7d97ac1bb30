#include "tests/support/sim_device.h"

#include <sys/mman.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace leoam::testing {

// An address range that nobody can touch, and the memory that stands for it.
class SimDevice::Buffer final : public DeviceBuffer {
 public:
  Buffer(SimDevice& device, std::unique_ptr<DeviceBuffer> memory, void* address)
      : device_(device), memory_(std::move(memory)), address_(static_cast<uint8_t*>(address)) {
    const std::lock_guard lock(device_.buffers_mutex_);
    device_.buffers_[reinterpret_cast<uintptr_t>(address_)] = this;
    device_.allocated_bytes_ += bytes();
  }
  ~Buffer() override {
    {
      const std::lock_guard lock(device_.buffers_mutex_);
      device_.buffers_.erase(reinterpret_cast<uintptr_t>(address_));
      device_.allocated_bytes_ -= bytes();
    }
    munmap(address_, bytes());
  }
  uint8_t* data() override { return address_; }
  size_t bytes() const override { return memory_->bytes(); }
  uint8_t* real() { return memory_->data(); }

 private:
  SimDevice& device_;
  std::unique_ptr<DeviceBuffer> memory_;
  uint8_t* address_;
};

SimDevice::SimDevice(std::unique_ptr<Device> cpu, const Options& options)
    : cpu_(std::move(cpu)), options_(options), thread_(&SimDevice::work, this) {
  info_ = cpu_->info();
  info_.name = "sim";
  info_.memory_bytes = options.memory_bytes;
}

SimDevice::~SimDevice() {
  {
    const std::lock_guard lock(queue_mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

Result<std::unique_ptr<DeviceBuffer>> SimDevice::allocate(size_t bytes) {
  {
    const std::lock_guard lock(buffers_mutex_);
    if (bytes > options_.memory_bytes - std::min(options_.memory_bytes, allocated_bytes_))
      return error(ErrorKind::out_of_memory, "the device has {} bytes, {} are used and {} are asked for",
                   options_.memory_bytes, allocated_bytes_, bytes);
  }
  LEOAM_ASSIGN_OR_RETURN(std::unique_ptr<DeviceBuffer> memory, cpu_->allocate(bytes));
  void* const address =
      mmap(nullptr, memory->bytes(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) return Status(ErrorKind::out_of_memory, "no addresses are left");
  return std::unique_ptr<DeviceBuffer>(new Buffer(*this, std::move(memory), address));
}

uint8_t* SimDevice::real(const uint8_t* address) const {
  const std::lock_guard lock(buffers_mutex_);
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  auto behind = buffers_.upper_bound(wanted);
  if (behind != buffers_.begin()) {
    const auto& [first, buffer] = *--behind;
    if (wanted - first < buffer->bytes()) return buffer->real() + (wanted - first);
  }
  std::fprintf(stderr, "SimDevice: %p is not an address of the device\n", static_cast<const void*>(address));
  std::abort();
}

uint64_t SimDevice::allocated_bytes() const {
  const std::lock_guard lock(buffers_mutex_);
  return allocated_bytes_;
}

Result<DeviceMatrix> SimDevice::create_matrix(kernels::WeightType type, uint32_t n_rows, uint32_t n_cols) {
  return cpu_->create_matrix(type, n_rows, n_cols);
}

Status SimDevice::pack_rows(DeviceMatrix& matrix, uint32_t row_begin, uint32_t row_end,
                            std::span<const uint8_t> src) {
  return cpu_->pack_rows(matrix, row_begin, row_end, src);
}

Result<std::unique_ptr<DeviceWorkspace>> SimDevice::create_workspace(const WorkspaceShape& shape) {
  return cpu_->create_workspace(shape);
}

LayerPages SimDevice::translated(const LayerPages& pages) {
  std::vector<kernels::KvPageRef>& refs = refs_.emplace_back(pages.pages, pages.pages + pages.n_pages);
  for (kernels::KvPageRef& ref : refs) ref.data = real(ref.data);
  return {refs.data(), pages.n_pages};
}

const StepShape& SimDevice::translated(const StepShape& step) {
  step_ = step;
  refs_.clear();
  heads_.clear();
  granules_.clear();
  pages_.assign(step.pages.begin(), step.pages.end());
  lists_.clear();
  for (LayerPages& pages : pages_) {
    const LayerPages from = pages;
    pages = translated(from);
    if (from.n_lists == 0) continue;
    std::vector<LayerPages>& lists = lists_.emplace_back(from.lists, from.lists + from.n_lists);
    for (LayerPages& list : lists) {
      const auto estimates = list.estimates;
      list = translated(list);
      list.estimates = estimates;
    }
    pages.lists = lists.data();
    pages.n_lists = from.n_lists;
  }
  step_.pages = pages_;
  selections_.assign(step.selections.begin(), step.selections.end());
  for (SpanSelection& selection : selections_) {
    selection.fixed = translated(selection.fixed);
    std::vector<SelectedHead>& heads = heads_.emplace_back(selection.heads.begin(), selection.heads.end());
    for (SelectedHead& head : heads) {
      auto& granules = granules_.emplace_back(head.granules.begin(), head.granules.end());
      for (kernels::KvGranules& entry : granules) entry.page = real(entry.page);
      head.granules = granules;
    }
    selection.heads = heads;
  }
  step_.selections = selections_;
  return step_;
}

Status SimDevice::attend_selected(const StepShape& step, DeviceWorkspace& workspace,
                                  const AttentionParams& params, std::span<AttentionSums> out) {
  return cpu_->attend_selected(translated(step), workspace, params, out);
}

Status SimDevice::summarize(const kernels::KvLayout& layout, std::span<const PageAbstract> pages) {
  std::vector<PageAbstract> real_pages(pages.begin(), pages.end());
  for (PageAbstract& page : real_pages) page.page = real(page.page);
  return cpu_->summarize(layout, real_pages);
}

Status SimDevice::compact(const kernels::KvLayout& layout, std::span<PageCompaction> pages) {
  std::vector<PageCompaction> real_pages(pages.begin(), pages.end());
  for (PageCompaction& page : real_pages) {
    page.from = real(page.from);
    page.to = real(page.to);
  }
  LEOAM_RETURN_IF_ERROR(cpu_->compact(layout, real_pages));
  for (size_t i = 0; i < pages.size(); ++i) pages[i].encoded = real_pages[i].encoded;
  return {};
}

Status SimDevice::embed(const StepShape& step, DeviceWorkspace& workspace, const DeviceMatrix& embedding,
                        const int32_t* tokens, float scale) {
  return cpu_->embed(step, workspace, embedding, tokens, scale);
}

Status SimDevice::attention_input(const StepShape& step, DeviceWorkspace& workspace,
                                  const AttentionInputParams& params) {
  return cpu_->attention_input(translated(step), workspace, params);
}

Status SimDevice::project_query(const StepShape& step, DeviceWorkspace& workspace,
                                const AttentionInputParams& params, float* q) {
  return cpu_->project_query(step, workspace, params, q);
}

Status SimDevice::attention(const StepShape& step, DeviceWorkspace& workspace,
                            const AttentionParams& params) {
  return cpu_->attention(translated(step), workspace, params);
}

Status SimDevice::attention_mass(const StepShape& step, DeviceWorkspace& workspace,
                                 const AttentionMassParams& params) {
  std::vector<kernels::AttentionMassPage> pages(params.pages.begin(), params.pages.end());
  for (kernels::AttentionMassPage& page : pages) page.page.data = real(page.page.data);
  AttentionMassParams real_params = params;
  real_params.pages = pages;
  return cpu_->attention_mass(step, workspace, real_params);
}

Status SimDevice::feed_forward(const StepShape& step, DeviceWorkspace& workspace,
                               const FeedForwardParams& params) {
  return cpu_->feed_forward(step, workspace, params);
}

Status SimDevice::logits(const StepShape& step, DeviceWorkspace& workspace, const float* norm,
                         const DeviceMatrix& head, std::span<const uint32_t> rows, float logit_scale,
                         float* logits) {
  return cpu_->logits(step, workspace, norm, head, rows, logit_scale, logits);
}

void SimDevice::submit(std::span<DeviceCopy* const> copies) {
  {
    const std::lock_guard lock(queue_mutex_);
    queue_.insert(queue_.end(), copies.begin(), copies.end());
  }
  wake_.notify_one();
}

void SimDevice::work() {
  using Clock = std::chrono::steady_clock;
  Clock::time_point busy_until = Clock::now();
  for (;;) {
    DeviceCopy* copy = nullptr;
    {
      std::unique_lock lock(queue_mutex_);
      wake_.wait(lock, [this] { return stop_ || !queue_.empty(); });
      if (queue_.empty()) return;
      copy = queue_.front();
      queue_.pop_front();
    }
    if (options_.bytes_per_second > 0) {
      busy_until = std::max(busy_until, Clock::now()) +
                   std::chrono::nanoseconds(copy->bytes * 1000000000 / options_.bytes_per_second);
      std::this_thread::sleep_until(busy_until);
    }
    if (options_.latency_us > 0) std::this_thread::sleep_for(std::chrono::microseconds(options_.latency_us));
    carry_out(copy);
  }
}

void SimDevice::carry_out(DeviceCopy* copy) {
  n_copies_.fetch_add(1);
  uint64_t left = copies_left_.load();
  while (left > 0 && left != UINT64_MAX && !copies_left_.compare_exchange_weak(left, left - 1)) {
  }
  if (left == 0) {
    copy->status = Status(ErrorKind::device_lost, "the device is gone");
  } else {
    const bool from_device = copy->direction != DeviceCopy::Direction::to_device;
    const bool to_device = copy->direction != DeviceCopy::Direction::to_host;
    std::memcpy(to_device ? real(copy->to) : copy->to, from_device ? real(copy->from) : copy->from,
                copy->bytes);
  }
  copy->done(copy);
}

}  // namespace leoam::testing
