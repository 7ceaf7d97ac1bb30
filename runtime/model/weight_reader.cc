#include "runtime/model/weight_reader.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <new>

#include "kernels/matmul/matmul.h"
#include "runtime/store/checksum.h"

namespace leoam {
namespace {

// A region of the pool holds up the steps of other sessions, and ends with a report of progress: it stays
// short.
constexpr uint64_t kRegion_bytes = 4u << 20;
// Small enough for several items a thread in a region, large enough that a read's fixed cost does not show.
constexpr uint64_t kMinItem_bytes = 64u << 10;
constexpr uint64_t kMaxItem_bytes = 256u << 10;

struct Item {
  const WeightTransfer* transfer;
  uint32_t row_begin;
  uint32_t row_end;
  uint64_t bytes() const { return (row_end - row_begin) * transfer->row_bytes; }
};

class WeightReader {
 public:
  WeightReader(const File& file, Device& device, ThreadPool& pool, const LoadProgress& progress,
               const CancelFlag* cancel)
      : file_(file), device_(device), pool_(pool), progress_(progress), cancel_(cancel) {}

  WeightDigest digest() const { return {digest_low_.load(), digest_high_.load()}; }

  Status read(std::span<const WeightTransfer> transfers) {
    cut_items(transfers);
    LEOAM_RETURN_IF_ERROR(allocate_staging());
    report(0);
    for (size_t begin = 0; begin < items_.size() && !stopped();) begin = run_region(begin);
    if (out_of_memory_.load()) return error(ErrorKind::out_of_memory, "no memory while reading weights");
    if (!failure_.ok()) return std::move(failure_);
    return check_cancelled(cancel_);
  }

 private:
  bool cancelled() const { return cancel_ && cancel_->cancelled(); }
  bool stopped() const { return failed_.load(std::memory_order_relaxed) || cancelled(); }
  void report(uint64_t done_bytes) const {
    if (progress_) progress_(done_bytes, total_bytes_);
  }

  void cut_items(std::span<const WeightTransfer> transfers) {
    const auto n_threads = static_cast<uint64_t>(pool_.n_threads());
    const uint64_t target_bytes = std::clamp(kRegion_bytes / (4 * n_threads), kMinItem_bytes, kMaxItem_bytes);
    const uint64_t granule = device_.row_granule();
    for (const WeightTransfer& transfer : transfers) {
      const uint64_t n_granules = std::max<uint64_t>(1, target_bytes / (granule * transfer.row_bytes));
      const uint64_t step = transfer.matrix ? n_granules * granule : transfer.n_rows;
      for (uint64_t row = 0; row < transfer.n_rows; row += step) {
        const Item item = {&transfer, static_cast<uint32_t>(row),
                           static_cast<uint32_t>(std::min<uint64_t>(row + step, transfer.n_rows))};
        items_.push_back(item);
        total_bytes_ += item.bytes();
        staging_bytes_ = std::max(staging_bytes_, item.bytes());
      }
    }
  }

  Status allocate_staging() {
    staging_.resize(static_cast<size_t>(pool_.n_threads()));
    for (AlignedBuffer& buffer : staging_) {
      LEOAM_ASSIGN_OR_RETURN(buffer, AlignedBuffer::allocate(staging_bytes_));
    }
    return {};
  }

  // Returns the first item after the region.
  size_t run_region(size_t begin) {
    size_t end = begin + 1;
    for (uint64_t bytes = items_[begin].bytes(); end < items_.size(); ++end) {
      bytes += items_[end].bytes();
      if (bytes > kRegion_bytes) break;
    }
    pool_.run([&](int thread) {
      for (;;) {
        const size_t index = begin + static_cast<size_t>(pool_.next_item(0));
        if (index >= end || stopped()) return;
        read_item(items_[index], thread);
        if (thread == 0) report(done_bytes_.load(std::memory_order_relaxed));
      }
    });
    if (!stopped()) report(done_bytes_.load(std::memory_order_relaxed));
    return end;
  }

  // A task of the pool must not throw.
  void read_item(const Item& item, int thread) {
    try {
      Status status = transfer(item, {staging_[static_cast<size_t>(thread)].data(), item.bytes()});
      if (status.ok()) {
        done_bytes_.fetch_add(item.bytes(), std::memory_order_relaxed);
        return;
      }
      const std::lock_guard lock(failure_mutex_);
      if (failure_.ok()) failure_ = std::move(status).with_context(item.transfer->name);
    } catch (const std::bad_alloc&) {
      out_of_memory_.store(true);
    }
    failed_.store(true, std::memory_order_relaxed);
  }

  void add_to_digest(const Item& item, std::span<const uint8_t> rows) {
    const uint64_t row_bytes = item.transfer->row_bytes;
    WeightDigest sum;
    for (uint64_t at = 0; at < rows.size(); at += row_bytes) {
      const uint64_t place = item.transfer->offset_bytes + item.row_begin * row_bytes + at;
      const XXH128_hash_t hash = XXH3_128bits_withSeed(rows.data() + at, row_bytes, place);
      sum.low += hash.low64;
      sum.high += hash.high64;
    }
    digest_low_.fetch_add(sum.low, std::memory_order_relaxed);
    digest_high_.fetch_add(sum.high, std::memory_order_relaxed);
  }

  Status transfer(const Item& item, std::span<uint8_t> staging) {
    const WeightTransfer& transfer = *item.transfer;
    LEOAM_RETURN_IF_ERROR(
        file_.read_at(transfer.offset_bytes + item.row_begin * transfer.row_bytes, staging));
    add_to_digest(item, staging);
    if (transfer.matrix && transfer.matrix->packed.type == transfer.type)
      return device_.pack_rows(*transfer.matrix, item.row_begin, item.row_end, staging);
    if (transfer.matrix) {
      std::vector<float> rows(size_t{item.row_end - item.row_begin} * transfer.matrix->packed.n_cols);
      kernels::dequantize(transfer.type, staging.data(), rows.size(), rows.data());
      return device_.pack_rows(*transfer.matrix, item.row_begin, item.row_end,
                               {reinterpret_cast<const uint8_t*>(rows.data()), rows.size() * sizeof(float)});
    }
    std::vector<float>& out = *transfer.vector;
    kernels::dequantize(transfer.type, staging.data(), out.size(), out.data());
    for (size_t i = 0; i < out.size(); ++i)
      if (!std::isfinite(out[i]))
        return error(ErrorKind::corrupt,
                     "value {} of the tensor at offset {}: expected a finite number, found {}", i,
                     transfer.offset_bytes, out[i]);
    return {};
  }

  const File& file_;
  Device& device_;
  ThreadPool& pool_;
  const LoadProgress& progress_;
  const CancelFlag* cancel_;
  std::vector<Item> items_;
  std::vector<AlignedBuffer> staging_;
  uint64_t staging_bytes_ = 0;
  uint64_t total_bytes_ = 0;
  std::atomic<uint64_t> done_bytes_{0};
  std::atomic<uint64_t> digest_low_{0};
  std::atomic<uint64_t> digest_high_{0};
  std::atomic<bool> failed_{false};
  std::atomic<bool> out_of_memory_{false};
  std::mutex failure_mutex_;
  Status failure_;
};

}  // namespace

Status read_weights(const File& file, std::span<const WeightTransfer> transfers, Device& device,
                    ThreadPool& pool, const LoadProgress& progress, const CancelFlag* cancel,
                    WeightDigest* digest) {
  WeightReader reader(file, device, pool, progress, cancel);
  LEOAM_RETURN_IF_ERROR(reader.read(transfers));
  *digest = reader.digest();
  return {};
}

}  // namespace leoam
