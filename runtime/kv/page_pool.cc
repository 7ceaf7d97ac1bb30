#include "runtime/kv/page_pool.h"

#include <algorithm>

namespace leoam {
namespace {

// A huge page of x86: fewer TLB misses when attention streams over pages.
constexpr size_t kSlab_bytes = size_t{2} << 20;

}  // namespace

// Pages of one size cut from one block. A slab whose last page comes home goes back to the device, so that
// the memory beyond the pages in use stays at the unfilled slabs.
struct PageSlab {
  uint32_t page_bytes = 0;
  uint32_t n_pages = 0;
  uint32_t n_used = 0;
  Page* free = nullptr;
  std::unique_ptr<DeviceBuffer> buffer;
  std::unique_ptr<Page[]> pages;
};

PageHandle::~PageHandle() {
  // Release orders this owner's writes before the page is used again; acquire makes the last owner see them.
  if (page_ && page_->n_owners.fetch_sub(1, std::memory_order_acq_rel) == 1) page_->pool->release(page_);
}

PagePool::PagePool(Device& device, uint64_t budget_bytes) : device_(device), budget_bytes_(budget_bytes) {}

PagePool::~PagePool() = default;

Result<PageSlab*> PagePool::slab_with_room(uint32_t bytes) {
  for (const std::unique_ptr<PageSlab>& slab : slabs_)
    if (slab->page_bytes == bytes && slab->free) return slab.get();
  auto slab = std::make_unique<PageSlab>();
  slab->page_bytes = bytes;
  slab->n_pages = static_cast<uint32_t>(std::max<size_t>(1, kSlab_bytes / bytes));
  LEOAM_ASSIGN_OR_RETURN(slab->buffer, device_.allocate(size_t{slab->n_pages} * bytes));
  slab->pages = std::make_unique<Page[]>(slab->n_pages);
  // Pushed from the last to the first, so that a run of allocations gets ascending addresses.
  for (uint32_t i = slab->n_pages; i-- > 0;) {
    Page& page = slab->pages[i];
    page.data = slab->buffer->data() + size_t{i} * bytes;
    page.pool = this;
    page.slab = slab.get();
    page.next_free = slab->free;
    slab->free = &page;
  }
  slabs_.push_back(std::move(slab));
  return slabs_.back().get();
}

Status PagePool::allocate(uint32_t bytes, size_t count, std::vector<PageHandle>* out) {
  if (bytes == 0 || bytes % 64 != 0)
    return error(ErrorKind::internal, "page size: expected a multiple of 64, found {}", bytes);
  const size_t before = out->size();
  out->reserve(before + count);
  Status failure;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const uint64_t used = used_bytes_.load(std::memory_order_relaxed);
    const uint64_t budget = budget_bytes_.load(std::memory_order_relaxed);
    const uint64_t available = budget > used ? budget - used : 0;
    if (count > available / bytes)
      return Status::no_space(
          fmt::format("KV budget in RAM: {} pages of {} bytes are needed, {} of {} bytes are free", count,
                      bytes, available, budget),
          uint64_t{count} * bytes, available);
    for (size_t i = 0; i < count && failure.ok(); ++i) {
      Result<PageSlab*> slab = slab_with_room(bytes);
      if (!slab.ok()) {
        failure = std::move(slab).status();
        break;
      }
      Page* page = (*slab)->free;
      (*slab)->free = page->next_free;
      ++(*slab)->n_used;
      page->n_owners.store(1, std::memory_order_relaxed);
      used_bytes_.fetch_add(bytes, std::memory_order_relaxed);
      out->emplace_back(page);
    }
    peak_bytes_.store(std::max(peak_bytes(), used_bytes()), std::memory_order_relaxed);
  }
  // Outside the lock: dropping a handle takes it.
  if (!failure.ok()) out->erase(out->begin() + static_cast<std::ptrdiff_t>(before), out->end());
  return failure;
}

void PagePool::release(Page* page) {
  std::lock_guard<std::mutex> lock(mutex_);
  PageSlab* slab = page->slab;
  page->next_free = slab->free;
  slab->free = page;
  used_bytes_.fetch_sub(slab->page_bytes, std::memory_order_relaxed);
  if (--slab->n_used > 0) return;
  slabs_.erase(std::find_if(slabs_.begin(), slabs_.end(), [slab](const std::unique_ptr<PageSlab>& candidate) {
    return candidate.get() == slab;
  }));
}

Status PagePool::set_budget(uint64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  const uint64_t used = used_bytes_.load(std::memory_order_relaxed);
  if (bytes < used)
    return Status::no_space(
        fmt::format("KV budget in RAM: {} bytes are in use, which a budget of {} cannot hold", used, bytes),
        used, bytes);
  budget_bytes_.store(bytes, std::memory_order_relaxed);
  return {};
}

}  // namespace leoam
