// Tiers: the movements between RAM and files.
#include <algorithm>

#include "runtime/kv/tier_sizes.h"
#include "runtime/kv/tiers.h"
#include "runtime/store/scratch_file.h"

namespace leoam {
namespace {

// Pages on their way to disk at once.
constexpr uint32_t kMaxWriting = 96;

bool follows(const Page& page, const Page& next) {
  return next.stream.number == page.stream.number && next.number == page.number + 1 &&
         next.bytes == page.bytes;
}

}  // namespace

bool Tiers::disk_has_room() const {
  return disk_.budget_bytes() >= disk_.used_bytes() + PageFile::stored_bytes(largest_page_bytes_);
}

uint64_t Tiers::wanted_staging_bytes() const {
  return staging_bytes_of(host_.budget_bytes(), std::max(largest_page_bytes_, 1u), reads());
}

Status Tiers::prepare_transfer() {
  if (transfer_) return {};
  PageTransfer::Options options;
  const uint64_t wanted = wanted_staging_bytes();
  // Less when pages have the room: an earlier transfer, under a smaller budget, had less too.
  drop_to_fit(host_, wanted);
  const uint64_t free_bytes = host_.free_bytes() / kIoBlock_bytes * kIoBlock_bytes;
  options.staging_bytes =
      std::clamp(free_bytes, least_staging_bytes_of(std::max(largest_page_bytes_, 1u)), wanted);
  options.on_backlog = [this] {
    const Lock lock(mutex_);
    if (n_stalled_ > 0) changed_.notify_all();
  };
  LEOAM_ASSIGN_OR_RETURN(transfer_, PageTransfer::create(files_, options));
  host_.charge(transfer_->staging_bytes());
  return {};
}

void Tiers::rest(Lock& lock) {
  if (!transfer_ || n_moving_ > 0 || !queued_.empty()) return;
  std::shared_ptr<PageTransfer> transfer = std::move(transfer_);
  host_.give_back(transfer->staging_bytes());
  statistics_.transfer += transfer->statistics();
  // Its thread may still be on its way out of a report, which takes the lock.
  lock.unlock();
  transfer.reset();
  lock.lock();
}

Status Tiers::prepare_scratch() {
  if (!disk_has_room()) {
    const uint64_t needed = PageFile::stored_bytes(largest_page_bytes_);
    const uint64_t available = disk_.budget_bytes() - std::min(disk_.budget_bytes(), disk_.used_bytes());
    return Status::no_space(fmt::format("the disk budget is used up: {} bytes are needed, {} of {} are free",
                                        needed, available, disk_.budget_bytes()),
                            needed, available);
  }
  LEOAM_RETURN_IF_ERROR(prepare_transfer());
  if (scratch_) return {};
  LEOAM_RETURN_IF_ERROR(files_.make_private_folder(options_.scratch_folder));
  LEOAM_ASSIGN_OR_RETURN(
      scratch_, create_scratch_file(files_, options_.scratch_folder, options_.encrypt_scratch, disk_));
  return {};
}

void Tiers::failed_to_write(Status status) {
  write_failure_ = std::move(status);
  ++n_write_failures_;
}

Result<uint64_t> Tiers::place_run(PageFile& file, uint32_t page_bytes, uint32_t* n) {
  Result<uint64_t> place = file.allocate(page_bytes, *n);
  if (!place.ok() && *n > 1) place = file.allocate(page_bytes, *n = 1);
  return place;
}

void Tiers::start_write(Page& page, const std::shared_ptr<PageFile>& file, uint64_t offset_bytes,
                        Save* save) {
  Job* job = take_job(page, Movement::writing);
  job->file = file;
  job->save = save;
  job->failures_before = n_write_failures_;
  job->transfer.operation = IoOperation::write;
  job->transfer.file = file ? file.get() : scratch_.get();
  job->transfer.identity = {file ? 0 : page.id, page.stream.number, page.number};
  job->transfer.record = {};
  job->transfer.record.offset_bytes = offset_bytes;
  job->transfer.urgent = false;
  ++(save ? save->n_pending : n_writing_);
  queue(*job);
}

bool Tiers::start_writes() {
  bool started = false;
  while (host_.oldest_dirty() && n_writing_ < kMaxWriting) {
    Page* page = host_.oldest_dirty();
    uint32_t n = 1;
    for (const Page* last = page; n < kRunPages; ++n) {
      const Page* next = host_.next_dirty(*last);
      if (!next || !follows(*last, *next)) break;
      last = next;
    }
    Status status = prepare_scratch();
    Result<uint64_t> place = status.ok() ? place_run(*scratch_, page->bytes, &n) : std::move(status);
    if (!place.ok()) {
      failed_to_write(std::move(place).status());
      return started;
    }
    for (uint32_t i = 0; i < n; ++i) {
      page = host_.oldest_dirty();
      start_write(*page, nullptr, *place + i * PageFile::stored_bytes(page->bytes), nullptr);
    }
    started = true;
  }
  return started;
}

void Tiers::start_read(Page& page, bool urgent) {
  Job* job = take_job(page, Movement::reading);
  if (n_reading_++ == 0) reading_since_us_ = steady_us();
  job->transfer.operation = IoOperation::read;
  job->transfer.urgent = urgent;
  if (page.scratch.present()) {
    job->transfer.file = scratch_.get();
    job->transfer.identity = {page.id, page.stream.number, page.number};
    job->transfer.record = page.scratch;
  } else {
    job->file = page.saved.front().file;
    job->transfer.file = job->file.get();
    job->transfer.identity = {0, page.stream.number, page.number};
    job->transfer.record = page.saved.front().record;
  }
  queue(*job);
}

void Tiers::finish_write(Job& job) {
  Page& page = *job.page;
  Status& status = job.transfer.status;
  if (job.save) {
    --job.save->n_pending;
    if (!status.ok() && job.save->status.ok()) job.save->status = status.clone();
  } else {
    --n_writing_;
  }
  if (!status.ok()) {
    (job.file ? job.file.get() : scratch_.get())->free(job.transfer.record.offset_bytes, page.bytes, 1);
    if (!job.save) failed_to_write(status.clone());
  } else if (job.file) {
    page.saved.push_back({job.file, job.transfer.record});
  } else {
    page.scratch = job.transfer.record;
    // One that began before the failure says nothing about what would happen now.
    if (job.failures_before == n_write_failures_) write_failure_ = {};
  }
}

void Tiers::finish_read(Job& job) {
  Page& page = *job.page;
  if (--n_reading_ == 0) statistics_.reading_us += steady_us() - reading_since_us_;
  if (job.transfer.status.ok()) {
    page.at(Level::host).filled = true;
    uint64_t& read_bytes = page.retention == Retention::codes     ? statistics_.code_read_bytes
                           : page.retention == Retention::records ? statistics_.record_read_bytes
                                                                  : statistics_.kv_read_bytes;
    read_bytes += PageFile::stored_bytes(page.bytes);
    page.arrived_us = steady_us();
    ++epoch_;
    return;
  }
  // This copy is lost; another may be whole.
  if (!job.file) {
    scratch_->free(page.scratch.offset_bytes, page.bytes, 1);
    page.scratch = {};
  } else {
    job.file->free(page.saved.front().record.offset_bytes, page.bytes, 1);
    page.saved.erase(page.saved.begin());
  }
  if (!page.in_file() && !page.damaged) {
    page.damaged = true;
    ++statistics_.n_pages_damaged;
  }
}

const PageRecord* Tiers::find_saved(const Page& page, const PageFile& file) {
  for (const SavedCopy& copy : page.saved)
    if (copy.file.get() == &file) return &copy.record;
  return nullptr;
}

PageRecord Tiers::saved_record(const Page& page, const PageFile& file) const {
  const Lock lock(mutex_);
  const PageRecord* record = find_saved(page, file);
  return record ? *record : PageRecord();
}

Status Tiers::save(std::span<const PageHandle> pages, const std::shared_ptr<PageFile>& file,
                   const Wait& wait) {
  std::vector<PageHandle> batch;
  Lock lock(mutex_);
  for (size_t at = 0; at < pages.size();) {
    batch.clear();
    const size_t begin = at;
    uint64_t room = std::max<uint64_t>(host_.budget_bytes() / 8, 1);
    for (; at < pages.size() && batch.size() < kMaxWriting && room > 0; ++at) {
      const Page& page = *pages[at].get();
      if (page.damaged || find_saved(page, *file)) continue;
      batch.push_back(pages[at]);
      room -= std::min<uint64_t>(room, page.at(Level::host).frame.data ? 0 : page.bytes);
    }
    if (batch.empty()) continue;
    Status status = pin_at(lock, host_, batch, wait);
    // Found damaged just now: its record stays absent.
    if (status.kind() == ErrorKind::corrupt) {
      at = begin;
      continue;
    }
    if (status.ok()) {
      status = write_saved(lock, batch, file, wait);
      unpin_at(host_, batch);
      tell_change();
    }
    LEOAM_RETURN_IF_ERROR(std::move(status));
  }
  return {};
}

Status Tiers::write_saved(Lock& lock, std::span<const PageHandle> pages,
                          const std::shared_ptr<PageFile>& file, const Wait& wait) {
  Save save;
  LEOAM_RETURN_IF_ERROR(prepare_transfer());
  Status status;
  for (size_t at = 0; at < pages.size() && status.ok();) {
    uint32_t n = 1;
    while (at + n < pages.size() && follows(*pages[at + n - 1].get(), *pages[at + n].get())) ++n;
    Result<uint64_t> place = place_run(*file, pages[at]->bytes, &n);
    if (!place.ok()) {
      status = std::move(place).status();
      break;
    }
    for (uint32_t i = 0; i < n; ++i) {
      Page& page = *pages[at + i].get();
      // A spill of it may be under way; cancel cannot come in between, for the jobs refer to `save`.
      while (page.movement != Movement::none) LEOAM_RETURN_IF_ERROR(wait_for_change(lock, {}));
      start_write(page, file, *place + i * PageFile::stored_bytes(page.bytes), &save);
    }
    at += n;
  }
  while (save.n_pending > 0) LEOAM_RETURN_IF_ERROR(wait_for_change(lock, {}));
  if (wait.cancel && wait.cancel->cancelled()) return Status(ErrorKind::cancelled, "cancelled by the caller");
  return status.ok() ? std::move(save.status) : std::move(status);
}

Status Tiers::evict(std::span<const PageHandle> pages, const Wait& wait) {
  Lock lock(mutex_);
  const uint64_t failures = n_write_failures_;
  for (;;) {
    bool all = true;
    for (const PageHandle& handle : pages) {
      Page& page = *handle.get();
      page.sealed = true;
      home_of(page).of(page).wanted = false;
      settle(page);
      for (Tier* tier : {top_, &host_}) {
        const Residence& here = tier->of(page);
        if (!here.frame.data || here.n_pins > 0 || in_use(*tier, page)) continue;
        if (tier->may_drop(page))
          drop(*tier, page);
        else
          all = false;
      }
    }
    if (all) break;
    const bool failed = n_write_failures_ != failures;
    if (failed && n_moving_ == 0) return write_failure_.clone();
    if (!failed) {
      if (device_tier_) start_lowering();
      start_writes();
      if (n_write_failures_ != failures && n_moving_ == 0) return write_failure_.clone();
    }
    LEOAM_RETURN_IF_ERROR(wait_for_change(lock, wait));
  }
  host_.trim(true);
  rest(lock);
  return {};
}

}  // namespace leoam
