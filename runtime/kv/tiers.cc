// Tiers: pages, their lists, room for them.
#include "runtime/kv/tiers.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "runtime/kv/tier_sizes.h"

namespace leoam {
namespace {

constexpr size_t kPageBlock = 64;
constexpr auto kCancelCheck = std::chrono::milliseconds(20);
constexpr auto kLookAgain = std::chrono::milliseconds(100);
// What a change of a budget moves between two reports.
constexpr uint64_t kBudgetStep_bytes = uint64_t{4} << 20;

}  // namespace

PageHandle::~PageHandle() {
  // Release orders this owner's writes before the page is used again; acquire makes the last owner see them.
  if (page_ && page_->n_owners.fetch_sub(1, std::memory_order_acq_rel) == 1) page_->tiers->release(page_);
}

TierShare::~TierShare() {
  if (!tiers_) return;
  const Tiers::Lock lock(tiers_->mutex_);
  tiers_->host_.give_back(bytes_);
  tiers_->shared_bytes_ -= bytes_;
  tiers_->tell_change();
}

Tiers::Tiers(Device& device, FileSystem& files, DiskAccount& disk, TierOptions options)
    : device_(device),
      link_(device.link()),
      files_(files),
      disk_(disk),
      options_(std::move(options)),
      host_(
          Level::host,
          [this](size_t bytes) { return link_ ? link_->allocate_host(bytes) : device_.allocate(bytes); },
          options_.replacement, options_.host_budget_bytes),
      top_(&host_) {
  if (!link_) return;
  device_tier_.emplace(
      Level::device, [this](size_t bytes) { return device_.allocate(bytes); }, options_.replacement,
      options_.device_budget_bytes);
  top_ = &*device_tier_;
}

Tiers::~Tiers() {
  // Ends every movement before what it works on.
  Lock lock(mutex_);
  flush_jobs();
  std::shared_ptr<PageTransfer> transfer = std::move(transfer_);
  lock.unlock();
  transfer.reset();
  lock.lock();
  changed_.wait(lock, [this] { return n_moving_ == 0; });
}

// Pages.

Page* Tiers::new_page(Stream stream, uint32_t number, uint32_t bytes) {
  if (free_pages_.empty()) {
    page_blocks_.push_back(std::make_unique<Page[]>(kPageBlock));
    free_pages_.reserve(page_blocks_.size() * kPageBlock);
    for (size_t i = kPageBlock; i-- > 0;) free_pages_.push_back(&page_blocks_.back()[i]);
  }
  Page* page = free_pages_.back();
  free_pages_.pop_back();
  page->n_owners.store(1, std::memory_order_relaxed);
  page->stream = stream;
  page->retention = stream.retention;
  page->number = number;
  page->bytes = bytes;
  page->id = next_id_++;
  page->tiers = this;
  page->sealed = page->damaged = page->orphaned = false;
  host_.charge(kPageOverhead_bytes);
  count(*page, 1);
  return page;
}

void Tiers::count(const Page& page, int64_t change) {
  if (page.stream.retention >= Retention::codes) n_abstract_pages_ += static_cast<uint64_t>(change);
  auto at = std::ranges::find(size_counts_, page.bytes, &SizeCount::bytes);
  if (at == size_counts_.end()) at = size_counts_.insert(at, {page.bytes, 0});
  at->n += static_cast<uint64_t>(change);
  if (at->n == 0) size_counts_.erase(at);
  largest_page_bytes_ = 0;
  for (const SizeCount& size : size_counts_) largest_page_bytes_ = std::max(largest_page_bytes_, size.bytes);
}

Status Tiers::expect_size(Lock& lock, uint32_t bytes, const Wait& wait) {
  if (bytes <= largest_page_bytes_) return {};
  largest_page_bytes_ = bytes;
  while (transfer_ && transfer_->staging_bytes() < least_staging_bytes_of(bytes)) {
    rest(lock);
    if (transfer_) LEOAM_RETURN_IF_ERROR(wait_for_change(lock, wait));
  }
  return {};
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
    tell_change();
  }
  free_copies(saved, bytes);
}

void Tiers::free_copies(std::span<const SavedCopy> copies, uint32_t page_bytes) {
  for (const SavedCopy& copy : copies) copy.file->free(copy.record.offset_bytes, page_bytes, 1);
}

void Tiers::forget(Page* page) {
  if (page->at(Level::host).frame.data) drop(host_, *page);
  if (page->at(Level::device).frame.data) drop(*device_tier_, *page);
  for (Residence& residence : page->residences) residence = {};
  if (page->scratch.present()) scratch_->free(page->scratch.offset_bytes, page->bytes, 1);
  page->scratch = {};
  host_.give_back(kPageOverhead_bytes);
  count(*page, -1);
  free_pages_.push_back(page);
}

PageHandle Tiers::adopt(Stream stream, uint32_t number, uint32_t bytes, std::shared_ptr<PageFile> file,
                        const PageRecord& record) {
  Lock lock(mutex_);
  (void)expect_size(lock, bytes, {}).ok();
  Page* page = new_page(stream, number, bytes);
  page->sealed = true;
  if (record.present())
    page->saved.push_back({std::move(file), record});
  else
    page->damaged = true;
  return PageHandle(page);
}

void Tiers::relist(Page& page) {
  const bool rests = page.sealed && page.movement == Movement::none;
  host_.list(page, rests, page.in_file());
  if (device_tier_) device_tier_->list(page, rests, page.in_file() || page.at(Level::host).filled);
}

void Tiers::settle(Page& page) {
  for (Tier* tier : {&host_, top_}) {
    const Residence& here = tier->of(page);
    const bool expected = here.n_pins > 0 || here.wanted;
    if (here.frame.data && !here.filled && page.movement == Movement::none && (page.damaged || !expected))
      drop(*tier, page);
  }
  relist(page);
}

void Tiers::set_retention(Page& page, Retention retention) {
  if (page.retention == retention) return;
  host_.unlist(page);
  if (device_tier_) device_tier_->unlist(page);
  page.retention = retention;
  relist(page);
}

bool Tiers::in_use(const Tier& tier, const Page& page) const {
  if (&tier != &home_of(page)) return false;
  for (const LayerUse* layer : uses_) {
    const uint64_t index = uint64_t{page.number} - layer->pages.front()->number;
    if (index < layer->pages.size() && layer->pages[index].get() == &page) return true;
  }
  return false;
}

Status Tiers::give_frame(Tier& tier, Page& page) {
  LEOAM_RETURN_IF_ERROR(tier.give_frame(page));
  ++epoch_;
  return {};
}

void Tiers::drop(Tier& tier, Page& page) {
  tier.drop(page);
  ++epoch_;
}

// Room.

bool Tiers::drop_to_fit(Tier& tier, uint64_t bytes) {
  const auto may_go = [&](const Page& page) { return !in_use(tier, page); };
  while (tier.used_bytes() + bytes > tier.budget_bytes()) {
    if (!tier.drop_run(may_go)) return false;
    ++epoch_;
  }
  return true;
}

bool Tiers::drop_for(Tier& tier, uint64_t bytes) {
  // The memory of transfers is taken while there is room for it.
  if (&tier == &host_ && !transfer_ && host_.used_bytes() + bytes > 0 && disk_has_room() &&
      host_.used_bytes() + bytes + wanted_staging_bytes() > host_.budget_bytes()) {
    Status status = prepare_transfer();
    if (!status.ok()) write_failure_ = std::move(status);
  }
  if (!drop_to_fit(tier, bytes)) return false;
  tier.trim(false);
  return true;
}

bool Tiers::start_moving_down(Tier& tier) {
  return &tier == &host_ ? start_writes() : start_lowering();
}

Status Tiers::no_room(const Tier& tier, uint64_t bytes) const {
  if (!write_failure_.ok() && write_failure_.kind() != ErrorKind::no_space) return write_failure_.clone();
  const char* where = tier.level() == Level::host ? "RAM" : "device memory";
  const char* below = tier.level() == Level::host ? "disk" : "RAM";
  return Status::no_space(
      fmt::format("KV budget in {}: {} bytes are needed, {} of {} are free and nothing "
                  "more can be moved to {}{}{}",
                  where, bytes, tier.free_bytes(), tier.budget_bytes(), below,
                  write_failure_.ok() ? "" : ": ", write_failure_.ok() ? "" : write_failure_.message()),
      bytes, tier.free_bytes());
}

bool Tiers::all_wait_for_room(uint32_t n_own) const {
  uint32_t n_waiting = n_own;
  for (const RoomWait* wait : room_waits_)
    if (wait->seen_change == n_changes_) n_waiting += wait->n_own;
  return n_waiting >= n_holds_;
}

bool Tiers::refuse_tried() {
  if (n_tried_ == 0) return false;
  ++n_refused_;
  tell_change();
  return true;
}

void Tiers::tell_change() {
  ++n_changes_;
  changed_.notify_all();
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

Status Tiers::stall(Lock& lock, const Wait& wait) {
  const uint64_t start_us = steady_us();
  flush_jobs();
  const uint64_t seen_change = n_changes_;
  bool helped = false;
  if (std::shared_ptr<PageTransfer> transfer = transfer_) {
    lock.unlock();
    helped = transfer->help();
    // Where another thread has given it up meanwhile it ends here, and its own thread may wait for the lock.
    transfer.reset();
    lock.lock();
  }
  Status status;
  if (helped || n_changes_ != seen_change) {
    status = check_cancelled(wait.cancel);
  } else {
    ++n_stalled_;
    status = wait_for_change(lock, wait);
    --n_stalled_;
  }
  const uint64_t waited_us = steady_us() - start_us;
  statistics_.stall_us += waited_us;
  if (wait.own) wait.own->arrivals.waited_us += waited_us;
  return status;
}

bool Tiers::give_up_wanted(const Tier& tier) {
  std::vector<Page*> wanted;
  for (const std::unique_ptr<Page[]>& block : page_blocks_) {
    for (size_t i = 0; i < kPageBlock; ++i) {
      Page& page = block[i];
      const Residence& here = tier.of(page);
      if (&home_of(page) == &tier && here.wanted && here.frame.data && here.n_pins == 0)
        wanted.push_back(&page);
    }
  }
  // What was wanted last, and is needed last, becomes the newest: it is dropped first.
  std::ranges::sort(wanted, std::ranges::less(), [&](Page* page) { return tier.of(*page).last_use; });
  for (Page* page : wanted) {
    tier.of(*page).wanted = false;
    settle(*page);
  }
  if (wanted.empty()) return false;
  n_given_up_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

Status Tiers::await_room(Lock& lock, Tier& tier, uint64_t bytes, const Wait& wait, uint32_t n_own,
                         uint64_t failures_before) {
  const bool moves = n_write_failures_ == failures_before && start_moving_down(tier);
  if (!moves && n_moving_ == 0) {
    // What was brought in ahead goes last, and of it first what is needed last.
    if (give_up_wanted(tier)) return {};
    if (&tier == &host_ && transfer_ && transfer_->staging_bytes() > wanted_staging_bytes()) {
      rest(lock);
      return {};
    }
    if (all_wait_for_room(n_own) && (wait.gives_way || !refuse_tried())) return no_room(tier, bytes);
  }
  const RoomWait here = {n_own, n_changes_};
  room_waits_.push_back(&here);
  Status status = stall(lock, wait);
  std::erase(room_waits_, &here);
  return status;
}

Status Tiers::make_room(Lock& lock, Tier& tier, uint64_t bytes, const Wait& wait) {
  const uint64_t failures = n_write_failures_;
  while (!drop_for(tier, bytes))
    LEOAM_RETURN_IF_ERROR(await_room(lock, tier, bytes, wait, wait.n_own(), failures));
  return {};
}

Status Tiers::create(Stream stream, uint32_t first_number, uint32_t bytes, size_t n, const Wait& wait,
                     std::vector<PageHandle>* out) {
  Lock lock(mutex_);
  LEOAM_RETURN_IF_ERROR(expect_size(lock, bytes, wait));
  const uint64_t failures = n_write_failures_;
  Tier& home = stream.home == Home::top ? *top_ : host_;
  const uint64_t host_bytes = n * (kPageOverhead_bytes + (&home == &host_ ? bytes : 0));
  for (;;) {
    LEOAM_RETURN_IF_ERROR(make_room(lock, host_, host_bytes, wait));
    if (&home == &host_ || drop_for(home, n * bytes)) break;
    LEOAM_RETURN_IF_ERROR(await_room(lock, home, n * bytes, wait, wait.n_own(), failures));
  }
  const size_t before = out->size();
  Status status;
  for (size_t i = 0; i < n && status.ok(); ++i) {
    Page* page = new_page(stream, first_number + static_cast<uint32_t>(i), bytes);
    out->emplace_back(page);
    status = give_frame(home, *page);
    home.of(*page).filled = status.ok();
  }
  lock.unlock();
  if (!status.ok()) out->erase(out->begin() + static_cast<std::ptrdiff_t>(before), out->end());
  return status;
}

Result<TierShare> Tiers::share(uint64_t bytes, const Wait& wait) {
  Lock lock(mutex_);
  // Pages that a pass needs must find their place beside it.
  while (shared_bytes_ + bytes > host_.budget_bytes() / 2) {
    if (!refuse_tried()) return no_room(host_, bytes);
    LEOAM_RETURN_IF_ERROR(wait_for_change(lock, wait));
  }
  LEOAM_RETURN_IF_ERROR(make_room(lock, host_, bytes, wait));
  host_.charge(bytes);
  shared_bytes_ += bytes;
  return TierShare(this, bytes);
}

Status Tiers::open_for_writing(PageHandle* handle, const Wait& wait) {
  const std::span<const PageHandle> one(handle, 1);
  if (!handle->unique()) {
    std::vector<PageHandle> copy;
    LEOAM_RETURN_IF_ERROR(pin(one, wait));
    PassHolds own = {wait.n_own() + 1, {}};
    Status status =
        create((*handle)->stream, (*handle)->number, (*handle)->bytes, 1, {wait.cancel, &own}, &copy);
    if (status.ok()) status = copy_bytes(*handle->get(), *copy[0].get());
    unpin(one);
    if (status.ok()) *handle = std::move(copy[0]);
    return status;
  }
  Page& page = *handle->get();
  std::vector<SavedCopy> saved;
  {
    Lock lock(mutex_);
    Tier& home = home_of(page);
    const bool copied_below = &home != &host_ && page.at(Level::host).frame.data;
    if (!page.sealed && !page.in_file() && !copied_below && home.of(page).filled &&
        page.movement == Movement::none)
      return {};
    LEOAM_RETURN_IF_ERROR(pin_at(lock, home, one, wait));
    Status status;
    while (page.movement != Movement::none && status.ok()) status = wait_for_change(lock, wait);
    if (status.ok()) {
      page.sealed = false;
      if (page.scratch.present()) scratch_->free(page.scratch.offset_bytes, page.bytes, 1);
      page.scratch = {};
      saved.swap(page.saved);
      if (&home != &host_ && page.at(Level::host).frame.data) drop(host_, page);
    }
    unpin_at(home, one);
    tell_change();
    LEOAM_RETURN_IF_ERROR(std::move(status));
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
  // Moved down before room is needed, so that making room is dropping.
  const auto is_tight = [](const Tier& tier) { return tier.used_bytes() > tier.budget_bytes() / 4 * 3; };
  if (device_tier_ && is_tight(*device_tier_)) start_lowering();
  if (is_tight(host_) && (transfer_ || host_.used_bytes() + wanted_staging_bytes() <= host_.budget_bytes()))
    start_writes();
  flush_jobs();
}

bool Tiers::damaged(const Page& page) const {
  Lock lock(mutex_);
  return page.damaged;
}

uint64_t Tiers::resident_bytes(std::span<const PageHandle> pages) const {
  Lock lock(mutex_);
  uint64_t bytes = 0;
  for (const PageHandle& page : pages) {
    const bool here = page->at(Level::device).filled || page->at(Level::host).filled;
    bytes += here ? page->bytes : 0;
  }
  return bytes;
}

uint64_t Tiers::ahead_bytes() const {
  Lock lock(mutex_);
  return options_.looks_ahead ? ahead_bytes_of(top_->budget_bytes(), reads()) : 0;
}

bool Tiers::fails_to_move_down() const {
  Lock lock(mutex_);
  return !write_failure_.ok();
}

uint64_t Tiers::host_budget_bytes() const {
  Lock lock(mutex_);
  return host_.budget_bytes();
}

Status Tiers::set_budget(Level level, uint64_t bytes, const BudgetProgress& on_progress,
                         const CancelFlag* cancel) {
  if (level == Level::device && !device_tier_)
    return error(ErrorKind::unsupported, "the device {} computes in RAM and has no memory of its own",
                 device_.info().name);
  Tier& tier = level == Level::device ? *device_tier_ : host_;
  Lock lock(mutex_);
  const uint64_t old = tier.budget_bytes();
  const uint64_t start = tier.used_bytes();
  const uint64_t total = start - std::min(start, bytes);
  const uint64_t refused = n_refused_;
  const uint64_t failures = n_write_failures_;
  Status status;
  ++n_tried_;
  do {
    // A little at a time, so that the caller sees how it goes on.
    const uint64_t step = tier.used_bytes() - std::min(tier.used_bytes(), kBudgetStep_bytes);
    tier.set_budget(std::max(bytes, step));
    status = check_cancelled(cancel);
    while (status.ok() && !drop_for(tier, 0))
      status = n_refused_ == refused ? await_room(lock, tier, 0, {cancel, nullptr, true}, 0, failures)
                                     : no_room(tier, 0);
    if (on_progress && status.ok() && total > 0) {
      const bool done = tier.budget_bytes() == bytes;
      const uint64_t moved = start - std::min(start, tier.used_bytes());
      lock.unlock();
      on_progress(done ? total : std::min(moved, total), total);
      lock.lock();
    }
  } while (status.ok() && tier.budget_bytes() != bytes);
  --n_tried_;
  if (status.ok()) {
    tier.trim(true);
    tell_change();
    return {};
  }
  const uint64_t used = tier.used_bytes();
  tier.set_budget(old);
  tell_change();
  rest(lock);
  if (status.kind() != ErrorKind::no_space) return status;
  return Status::no_space(fmt::format("KV budget in {}: {} bytes must stay, which a budget of {} cannot hold",
                                      tier.level() == Level::host ? "RAM" : "device memory", used, bytes),
                          used, bytes);
}

TierStatistics Tiers::statistics() const {
  Lock lock(mutex_);
  TierStatistics statistics = statistics_;
  statistics.host_budget_bytes = host_.budget_bytes();
  statistics.host_bytes = host_.used_bytes();
  statistics.host_peak_bytes = host_.peak_bytes();
  if (device_tier_) {
    statistics.device_budget_bytes = device_tier_->budget_bytes();
    statistics.device_bytes = device_tier_->used_bytes();
    statistics.device_peak_bytes = device_tier_->peak_bytes();
  }
  if (scratch_) statistics.scratch_bytes = scratch_->used_bytes();
  if (transfer_) {
    statistics.staging_bytes = transfer_->staging_bytes();
    statistics.transfer += transfer_->statistics();
  }
  return statistics;
}

}  // namespace leoam
