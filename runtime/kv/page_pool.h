// PagePool: KV pages in RAM under one byte budget that holds.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/device/device.h"

namespace leoam {

class PagePool;
struct PageSlab;

// One page: immutable bytes once sealed, shared by counting. Owner: its pool; kept by PageHandles.
struct Page {
  uint8_t* data = nullptr;  // 64-byte aligned
  std::atomic<uint32_t> n_owners{0};
  PagePool* pool = nullptr;
  PageSlab* slab = nullptr;
  Page* next_free = nullptr;
};

// Shared ownership of a page. Thread rule: a value; the page itself is shared freely.
class PageHandle {
 public:
  PageHandle() = default;
  explicit PageHandle(Page* page) : page_(page) {}  // takes over one count
  PageHandle(const PageHandle& other) : page_(other.page_) {
    if (page_) page_->n_owners.fetch_add(1, std::memory_order_relaxed);
  }
  PageHandle(PageHandle&& other) noexcept : page_(other.page_) { other.page_ = nullptr; }
  PageHandle& operator=(PageHandle other) noexcept {
    std::swap(page_, other.page_);
    return *this;
  }
  ~PageHandle();

  uint8_t* data() const { return page_->data; }
  bool unique() const { return page_->n_owners.load(std::memory_order_acquire) == 1; }
  explicit operator bool() const { return page_ != nullptr; }

 private:
  Page* page_ = nullptr;
};

// Thread rule: all calls are thread-safe. Must outlive its pages.
class PagePool {
 public:
  PagePool(Device& device, uint64_t budget_bytes);
  ~PagePool();
  PagePool(const PagePool&) = delete;
  PagePool& operator=(const PagePool&) = delete;

  // Allocates `count` pages of `bytes` each, appending to `out`: all or none. Fails with no_space (needed and
  // available bytes) or out_of_memory. Contents are unspecified.
  Status allocate(uint32_t bytes, size_t count, std::vector<PageHandle>* out);

  uint64_t budget_bytes() const { return budget_bytes_.load(std::memory_order_relaxed); }
  uint64_t used_bytes() const { return used_bytes_.load(std::memory_order_relaxed); }
  uint64_t peak_bytes() const { return peak_bytes_.load(std::memory_order_relaxed); }
  // Fails with no_space below used_bytes(); then nothing changes.
  Status set_budget(uint64_t bytes);

 private:
  friend class PageHandle;
  void release(Page* page);
  // A slab with a free page of that size, a new one if need be.
  Result<PageSlab*> slab_with_room(uint32_t bytes);

  Device& device_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<PageSlab>> slabs_;
  std::atomic<uint64_t> budget_bytes_;
  std::atomic<uint64_t> used_bytes_{0};
  std::atomic<uint64_t> peak_bytes_{0};
};

}  // namespace leoam
