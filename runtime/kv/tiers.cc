#include "runtime/kv/tiers.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace leoam {
namespace {

constexpr size_t kPageBlock = 64;
constexpr uint64_t kSlack_bytes = uint64_t{8} << 20;
constexpr auto kCancelCheck = std::chrono::milliseconds(20);
constexpr auto kLookAgain = std::chrono::milliseconds(100);

uint64_t us_since(std::chrono::steady_clock::time_point start) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start)
          .count());
}

}  // namespace

PageHandle::~PageHandle() {
  // Release orders this owner's writes before the page is used again; acquire makes the last owner see them.
  if (page_ && page_->n_owners.fetch_sub(1, std::memory_order_acq_rel) == 1) page_->tiers->release(page_);
}

Tiers::Tiers(Device& device, FileSystem& files, DiskAccount& disk, TierOptions options)
    : device_(device),
      files_(files),
      disk_(disk),
      options_(std::move(options)),
      frames_(device),
      clean_(options_.replacement),
      budget_bytes_(options_.host_budget_bytes) {}

Tiers::~Tiers() {
  // Ends every movement before what it works on.
  transfer_.reset();
}

// Pages.

Page* Tiers::new_page(uint32_t layer, uint32_t number, uint32_t bytes) {
  if (free_pages_.empty()) {
    page_blocks_.push_back(std::make_unique<Page[]>(kPageBlock));
    free_pages_.reserve(page_blocks_.size() * kPageBlock);
    for (size_t i = kPageBlock; i-- > 0;) free_pages_.push_back(&page_blocks_.back()[i]);
  }
  Page* page = free_pages_.back();
  free_pages_.pop_back();
  page->n_owners.store(1, std::memory_order_relaxed);
  page->layer = layer;
  page->number = number;
  page->bytes = bytes;
  page->id = next_id_++;
  page->tiers = this;
  page->sealed = page->wanted = page->damaged = page->orphaned = false;
  used_bytes_ += kPageOverhead_bytes;
  peak_bytes_ = std::max(peak_bytes_, used_bytes_);
  return page;
}

void Tiers::release(Page* page) {
  std::vector<SavedCopy> saved;
  const uint32_t bytes = page->bytes;  // behind the lock the page may be another one
  {
    Lock lock(mutex_);
    if (page->movement != Movement::none) {
      page->orphaned = true;
      return;
    }
    saved.swap(page->saved);
    forget(page);
  }
  free_copies(saved, bytes);
  changed_.notify_all();
}

void Tiers::free_copies(std::span<const SavedCopy> copies, uint32_t page_bytes) {
  for (const SavedCopy& copy : copies) copy.file->free(copy.record.offset_bytes, page_bytes, 1);
}

void Tiers::forget(Page* page) {
  unlist(*page);
  if (page->frame.data) drop(*page);
  if (page->scratch.present()) scratch_->free(page->scratch.offset_bytes, page->bytes, 1);
  page->scratch = {};
  page->n_pins = 0;
  used_bytes_ -= kPageOverhead_bytes;
  free_pages_.push_back(page);
}

PageHandle Tiers::adopt(uint32_t layer, uint32_t number, uint32_t bytes, std::shared_ptr<PageFile> file,
                        const PageRecord& record) {
  Lock lock(mutex_);
  largest_page_bytes_ = std::max(largest_page_bytes_, bytes);
  Page* page = new_page(layer, number, bytes);
  page->sealed = true;
  if (record.present())
    page->saved.push_back({std::move(file), record});
  else
    page->damaged = true;
  return PageHandle(page);
}

void Tiers::unlist(Page& page) {
  if (clean_.contains(page)) clean_.remove(page);
  if (page.previous_dirty || oldest_dirty_ == &page) {
    (page.previous_dirty ? page.previous_dirty->next_dirty : oldest_dirty_) = page.next_dirty;
    (page.next_dirty ? page.next_dirty->previous_dirty : newest_dirty_) = page.previous_dirty;
    page.next_dirty = page.previous_dirty = nullptr;
  }
}

void Tiers::relist(Page& page) {
  const bool rests = page.sealed && page.frame.data && page.movement == Movement::none;
  const bool clean = rests && page.in_file() && page.n_pins == 0 && !page.wanted;
  const bool dirty = rests && !page.in_file();
  const bool was_dirty = page.previous_dirty || oldest_dirty_ == &page;
  if (clean != clean_.contains(page) || dirty != was_dirty) unlist(page);
  if (clean && !clean_.contains(page)) clean_.add(page);
  if (dirty && !was_dirty) {
    page.previous_dirty = newest_dirty_;
    (newest_dirty_ ? newest_dirty_->next_dirty : oldest_dirty_) = &page;
    newest_dirty_ = &page;
  }
}

bool Tiers::in_use(const Page& page) const {
  for (const LayerUse* layer : uses_) {
    const uint64_t index = uint64_t{page.number} - layer->pages.front()->number;
    if (index < layer->pages.size() && layer->pages[index].get() == &page) return true;
  }
  return false;
}

// Room.

Status Tiers::give_frame(Page& page) {
  LEOAM_ASSIGN_OR_RETURN(page.frame, frames_.allocate(page.bytes));
  used_bytes_ += page.bytes;
  peak_bytes_ = std::max(peak_bytes_, used_bytes_);
  ++epoch_;
  return {};
}

void Tiers::drop(Page& page) {
  frames_.free(page.frame);
  page.frame = {};
  used_bytes_ -= page.bytes;
  ++epoch_;
}

bool Tiers::drop_one() {
  Page* page = clean_.victim([this](const Page& candidate) { return !in_use(candidate); });
  if (!page) return false;
  clean_.remove(*page);
  drop(*page);
  return true;
}

Status Tiers::no_room(uint64_t bytes) const {
  if (!write_failure_.ok() && write_failure_.kind() != ErrorKind::no_space) return write_failure_.clone();
  const uint64_t available = budget_bytes_ > used_bytes_ ? budget_bytes_ - used_bytes_ : 0;
  return Status::no_space(fmt::format("KV budget in RAM: {} bytes are needed, {} of {} are free and nothing "
                                      "more can be moved to disk{}{}",
                                      bytes, available, budget_bytes_, write_failure_.ok() ? "" : ": ",
                                      write_failure_.ok() ? "" : write_failure_.message()),
                          bytes, available);
}

Status Tiers::wait_for_change(Lock& lock, const Wait& wait) {
  flush_jobs();
  if (wait.cancel) {
    changed_.wait_for(lock, kCancelCheck);
    if (wait.cancel->cancelled()) return Status(ErrorKind::cancelled, "cancelled by the caller");
  } else {
    changed_.wait_for(lock, kLookAgain);
  }
  return {};
}

bool Tiers::drop_for(uint64_t bytes, uint64_t goal_bytes) {
  // The memory of transfers is taken while there is room for it.
  if (!transfer_ && disk_has_room() && used_bytes_ + bytes + wanted_staging_bytes() > budget_bytes_) {
    Status status = prepare_transfer();
    if (!status.ok()) write_failure_ = std::move(status);
  }
  while (used_bytes_ + bytes > std::max(budget_bytes_, goal_bytes))
    if (!drop_one()) return false;
  // Frames of another size, free in half-used blocks, would show in the process's memory.
  if (frames_.slab_bytes() > budget_bytes_ + kSlack_bytes) frames_.trim();
  return true;
}

bool Tiers::give_up_wanted() {
  bool found = false;
  for (const std::unique_ptr<Page[]>& block : page_blocks_) {
    for (size_t i = 0; i < kPageBlock; ++i) {
      Page& page = block[i];
      if (!page.wanted || !page.frame.data || page.n_pins > 0) continue;
      page.wanted = false;
      relist(page);
      found = true;
    }
  }
  return found;
}

Status Tiers::await_room(Lock& lock, uint64_t bytes, const Wait& wait, uint64_t failures_before) {
  const bool writes = n_write_failures_ == failures_before && start_writes();
  if (!writes && n_moving_ == 0) {
    // What was brought in ahead is the last to go: it is read again when it is needed.
    if (give_up_wanted()) return {};
    if (n_holds_ <= (wait.own ? wait.own->n : 0)) return no_room(bytes);
  }
  const auto start = std::chrono::steady_clock::now();
  ++n_wait_for_room_;
  Status status = wait_for_change(lock, wait);
  --n_wait_for_room_;
  statistics_.stall_us += us_since(start);
  return status;
}

Status Tiers::make_room(Lock& lock, uint64_t bytes, const Wait& wait, uint64_t goal_bytes) {
  const uint64_t failures = n_write_failures_;
  while (!drop_for(bytes, goal_bytes)) LEOAM_RETURN_IF_ERROR(await_room(lock, bytes, wait, failures));
  return {};
}

Status Tiers::create(uint32_t layer, uint32_t first_number, uint32_t bytes, size_t n, const Wait& wait,
                     std::vector<PageHandle>* out) {
  Lock lock(mutex_);
  largest_page_bytes_ = std::max(largest_page_bytes_, bytes);
  LEOAM_RETURN_IF_ERROR(make_room(lock, n * (bytes + kPageOverhead_bytes), wait));
  const size_t before = out->size();
  Status status;
  for (size_t i = 0; i < n && status.ok(); ++i) {
    Page* page = new_page(layer, first_number + static_cast<uint32_t>(i), bytes);
    out->emplace_back(page);
    status = give_frame(*page);
  }
  lock.unlock();
  if (!status.ok()) out->erase(out->begin() + static_cast<std::ptrdiff_t>(before), out->end());
  return status;
}

Status Tiers::open_for_writing(PageHandle* handle, const Wait& wait) {
  const std::span<const PageHandle> one(handle, 1);
  if (!handle->unique()) {
    std::vector<PageHandle> copy;
    LEOAM_RETURN_IF_ERROR(pin(one, wait));
    const PassHolds own = {(wait.own ? wait.own->n : 0) + 1};
    Status status =
        create((*handle)->layer, (*handle)->number, (*handle)->bytes, 1, {wait.cancel, &own}, &copy);
    if (status.ok()) std::memcpy(copy[0]->frame.data, (*handle)->frame.data, (*handle)->bytes);
    unpin(one);
    if (status.ok()) *handle = std::move(copy[0]);
    return status;
  }
  Page& page = *handle->get();
  std::vector<SavedCopy> saved;
  {
    Lock lock(mutex_);
    if (!page.sealed && !page.in_file() && page.frame.data && page.movement == Movement::none) return {};
    LEOAM_RETURN_IF_ERROR(pin_locked(lock, one, wait));
    while (page.movement != Movement::none) {
      Status status = wait_for_change(lock, wait);
      if (!status.ok()) {
        unpin_locked(one);
        return status;
      }
    }
    page.sealed = false;
    if (page.scratch.present()) scratch_->free(page.scratch.offset_bytes, page.bytes, 1);
    page.scratch = {};
    saved.swap(page.saved);
    unpin_locked(one);
  }
  free_copies(saved, page.bytes);
  return {};
}

void Tiers::seal(std::span<const PageHandle> pages) {
  Lock lock(mutex_);
  for (const PageHandle& page : pages) {
    page->sealed = true;
    relist(*page.get());
  }
  // Written before room is needed, so that making room is dropping.
  if (used_bytes_ > budget_bytes_ / 4 * 3 &&
      (transfer_ || used_bytes_ + wanted_staging_bytes() <= budget_bytes_)) {
    start_writes();
    flush_jobs();
  }
}

// Bringing in.

Status Tiers::pin(std::span<const PageHandle> pages, const Wait& wait) {
  Lock lock(mutex_);
  return pin_locked(lock, pages, wait);
}

Status Tiers::pin_locked(Lock& lock, std::span<const PageHandle> pages, const Wait& wait) {
  const uint64_t failures = n_write_failures_;
  for (const PageHandle& page : pages) {
    if (page->wanted) {
      ++statistics_.n_pages_ahead;
    } else if (page->frame.data) {
      ++statistics_.n_pages_hit;
    } else {
      ++statistics_.n_pages_missed;
    }
  }
  for (;;) {
    uint64_t missing = 0;
    ++n_holds_;
    for (const PageHandle& handle : pages) {
      Page& page = *handle.get();
      ++page.n_pins;
      page.wanted = false;
      relist(page);
      if (!page.frame.data) missing += page.bytes;
    }
    if (drop_for(missing, 0)) break;
    // All or nothing: two passes that each wait with half of what they need would wait for ever.
    unpin_locked(pages);
    LEOAM_RETURN_IF_ERROR(await_room(lock, missing, wait, failures));
  }
  Status status = read_pinned(lock, pages, wait);
  if (!status.ok()) {
    flush_jobs();
    unpin_locked(pages);
  }
  return status;
}

Status Tiers::read_pinned(Lock& lock, std::span<const PageHandle> pages, const Wait& wait) {
  for (;;) {
    bool reading = false;
    for (const PageHandle& handle : pages) {
      Page& page = *handle.get();
      if (!page.frame.data) {
        if (page.damaged)
          return error(ErrorKind::corrupt, "KV page {} of layer {} is damaged", page.number, page.layer);
        // The first time there is room; after a failed read, its own frame's.
        LEOAM_RETURN_IF_ERROR(give_frame(page));
        start_read(page, true);
      }
      if (page.movement != Movement::reading) continue;
      reading = true;
      if (!page.awaited) ++n_awaited_;
      page.awaited = true;
    }
    if (!reading) return {};
    const auto start = std::chrono::steady_clock::now();
    Status status = wait_for_change(lock, wait);
    statistics_.stall_us += us_since(start);
    LEOAM_RETURN_IF_ERROR(std::move(status));
  }
}

void Tiers::unpin(std::span<const PageHandle> pages) {
  {
    Lock lock(mutex_);
    unpin_locked(pages);
  }
  changed_.notify_all();
}

void Tiers::unpin_locked(std::span<const PageHandle> pages) {
  for (const PageHandle& page : pages) {
    --page->n_pins;
    relist(*page.get());
  }
  --n_holds_;
}

size_t Tiers::want(std::span<const PageHandle> pages, uint64_t* started_bytes) {
  Lock lock(mutex_);
  size_t n = 0;
  for (const PageHandle& handle : pages) {
    Page& page = *handle.get();
    if (!page.frame.data) {
      if (page.damaged) break;
      const uint64_t bytes = page.bytes + (transfer_ ? 0 : wanted_staging_bytes());
      bool room = used_bytes_ + bytes <= budget_bytes_;
      while (!room && drop_one()) room = used_bytes_ + bytes <= budget_bytes_;
      if (!room || !prepare_transfer().ok() || !give_frame(page).ok()) break;
      start_read(page, false);
      *started_bytes += page.bytes;
    }
    page.wanted = true;
    relist(page);
    ++n;
  }
  flush_jobs();
  return n;
}

void Tiers::unwant(std::span<const PageHandle> pages) {
  {
    Lock lock(mutex_);
    for (const PageHandle& page : pages) {
      page->wanted = false;
      relist(*page.get());
    }
  }
  changed_.notify_all();
}

bool Tiers::use(LayerUse* layer, std::span<kernels::KvPageRef> refs) {
  Lock lock(mutex_);
  if (layer->seen_epoch != epoch_) {
    for (size_t i = 0; i < refs.size(); ++i) {
      Page& page = *layer->pages[i].get();
      if (!page.frame.data || page.movement == Movement::reading) return false;
      refs[i].data = page.frame.data;
      if (clean_.contains(page)) clean_.touch(page);
    }
    layer->seen_epoch = epoch_;
  }
  uses_.push_back(layer);
  ++n_holds_;
  return true;
}

void Tiers::leave(LayerUse* layer) {
  bool tight = false;
  {
    Lock lock(mutex_);
    std::erase(uses_, layer);
    --n_holds_;
    tight = used_bytes_ + used_bytes_ / 8 > budget_bytes_;
  }
  if (tight) changed_.notify_all();
}

bool Tiers::damaged(const Page& page) const {
  Lock lock(mutex_);
  return page.damaged;
}

uint64_t Tiers::resident_bytes(std::span<const PageHandle> pages) const {
  Lock lock(mutex_);
  uint64_t bytes = 0;
  for (const PageHandle& page : pages) bytes += page->frame.data ? page->bytes : 0;
  return bytes;
}

uint64_t Tiers::ahead_bytes() const {
  Lock lock(mutex_);
  return std::min<uint64_t>(budget_bytes_ / 4, uint64_t{16} << 20);
}

uint64_t Tiers::host_budget_bytes() const {
  Lock lock(mutex_);
  return budget_bytes_;
}

Status Tiers::set_host_budget(uint64_t bytes, const std::function<void(uint64_t, uint64_t)>& on_progress) {
  Lock lock(mutex_);
  const uint64_t old = budget_bytes_;
  const uint64_t start = used_bytes_;
  budget_bytes_ = bytes;
  Status status;
  while (used_bytes_ > budget_bytes_ && status.ok()) {
    // A little at a time, so that the caller sees how it goes on.
    const uint64_t goal = std::max(budget_bytes_, used_bytes_ - std::min(used_bytes_, uint64_t{4} << 20));
    status = make_room(lock, 0, {}, goal);
    if (on_progress && status.ok()) {
      const uint64_t now = used_bytes_;
      lock.unlock();
      on_progress(start - std::min(start, now), start - std::min(start, bytes));
      lock.lock();
    }
  }
  if (!status.ok()) {
    const uint64_t used = used_bytes_;
    budget_bytes_ = old;
    if (status.kind() == ErrorKind::no_space)
      return Status::no_space(
          fmt::format("KV budget in RAM: {} bytes must stay, which a budget of {} cannot hold", used, bytes),
          used, bytes);
    return status;
  }
  frames_.trim();
  return {};
}

TierStatistics Tiers::statistics() const {
  Lock lock(mutex_);
  TierStatistics statistics = statistics_;
  statistics.host_budget_bytes = budget_bytes_;
  statistics.host_bytes = used_bytes_;
  statistics.host_peak_bytes = peak_bytes_;
  if (scratch_) statistics.scratch_bytes = scratch_->used_bytes();
  if (transfer_) {
    statistics.staging_bytes = transfer_->staging_bytes();
    statistics.transfer += transfer_->statistics();
  }
  return statistics;
}

}  // namespace leoam
