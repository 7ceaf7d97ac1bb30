// Tiers: the movements between RAM and files.
#include <algorithm>

#include "runtime/kv/tiers.h"
#include "runtime/store/scratch_file.h"

namespace leoam {
namespace {

// Pages of one transfer, as far as they are neighbours: half a megabyte of a small model, some of a large
// one.
constexpr uint32_t kRunPages = 16;
// Pages on their way to disk at once.
constexpr uint32_t kMaxWriting = 96;
constexpr uint64_t kMaxStaging_bytes = uint64_t{8} << 20;

}  // namespace

Tiers::Job* Tiers::take_job() {
  if (free_jobs_.empty()) {
    jobs_.emplace_back();
    free_jobs_.push_back(&jobs_.back());
  }
  Job* job = free_jobs_.back();
  free_jobs_.pop_back();
  job->tiers = this;
  return job;
}

bool Tiers::disk_has_room() const {
  return disk_.budget_bytes() >= disk_.used_bytes() + PageFile::stored_bytes(largest_page_bytes_);
}

uint64_t Tiers::wanted_staging_bytes() const {
  const uint64_t some_pages = 4 * PageFile::stored_bytes(std::max(largest_page_bytes_, 1u));
  return std::max(some_pages,
                  std::min(budget_bytes_ / 3 / kIoBlock_bytes * kIoBlock_bytes, kMaxStaging_bytes));
}

Status Tiers::prepare_transfer() {
  if (transfer_) return {};
  PageTransfer::Options options;
  options.staging_bytes = wanted_staging_bytes();
  LEOAM_ASSIGN_OR_RETURN(transfer_, PageTransfer::create(files_, options));
  used_bytes_ += transfer_->staging_bytes();
  peak_bytes_ = std::max(peak_bytes_, used_bytes_);
  return {};
}

void Tiers::rest(Lock& lock) {
  if (!transfer_ || n_moving_ > 0 || !queued_.empty()) return;
  const std::unique_ptr<PageTransfer> transfer = std::move(transfer_);
  used_bytes_ -= transfer->staging_bytes();
  statistics_.transfer += transfer->statistics();
  // Its thread may still be on its way out of a report, which takes the lock.
  lock.unlock();
}

Status Tiers::prepare_scratch() {
  LEOAM_RETURN_IF_ERROR(prepare_transfer());
  if (scratch_) return {};
  LEOAM_RETURN_IF_ERROR(files_.make_private_folder(options_.scratch_folder));
  LEOAM_ASSIGN_OR_RETURN(
      scratch_, create_scratch_file(files_, options_.scratch_folder, options_.encrypt_scratch, disk_));
  return {};
}

bool Tiers::start_writes() {
  bool started = false;
  while (oldest_dirty_ && n_writing_ < kMaxWriting) {
    Status status =
        disk_has_room() ? prepare_scratch() : Status(ErrorKind::no_space, "the disk budget is used up");
    if (!status.ok()) {
      write_failure_ = std::move(status);
      ++n_write_failures_;
      return started;
    }
    uint32_t n = 1;
    for (const Page* page = oldest_dirty_; n < kRunPages && page->next_dirty; page = page->next_dirty, ++n)
      if (page->next_dirty->layer != page->layer || page->next_dirty->number != page->number + 1 ||
          page->next_dirty->bytes != page->bytes)
        break;
    Result<uint64_t> place = scratch_->allocate(oldest_dirty_->bytes, n);
    if (!place.ok() && n > 1) place = scratch_->allocate(oldest_dirty_->bytes, n = 1);
    if (!place.ok()) {
      write_failure_ = std::move(place).status();
      ++n_write_failures_;
      return started;
    }
    uint64_t offset_bytes = *place;
    for (uint32_t i = 0; i < n; ++i) {
      Page& page = *oldest_dirty_;
      Job* job = take_job();
      job->page = &page;
      job->transfer.operation = IoOperation::write;
      job->transfer.file = scratch_.get();
      job->transfer.identity = {page.id, page.layer, page.number};
      job->transfer.record = {};
      job->transfer.record.offset_bytes = offset_bytes;
      job->transfer.urgent = false;
      offset_bytes += PageFile::stored_bytes(page.bytes);
      page.movement = Movement::writing;
      relist(page);
      ++n_writing_;
      queue(*job);
    }
    started = true;
  }
  return started;
}

void Tiers::start_read(Page& page, bool urgent) {
  Job* job = take_job();
  job->page = &page;
  job->transfer.operation = IoOperation::read;
  job->transfer.urgent = urgent;
  if (page.scratch.present()) {
    job->transfer.file = scratch_.get();
    job->transfer.identity = {page.id, page.layer, page.number};
    job->transfer.record = page.scratch;
  } else {
    job->file = page.saved.front().file;
    job->transfer.file = job->file.get();
    job->transfer.identity = {0, page.layer, page.number};
    job->transfer.record = page.saved.front().record;
  }
  page.movement = Movement::reading;
  queue(*job);
}

void Tiers::queue(Job& job) {
  job.transfer.page = job.page->frame.data;
  job.transfer.page_bytes = job.page->bytes;
  job.transfer.done = on_done;
  job.transfer.user_data = &job;
  job.transfer.status = {};
  ++n_moving_;
  queued_.push_back(&job.transfer);
}

void Tiers::flush_jobs() {
  if (queued_.empty()) return;
  Status status = prepare_transfer();
  if (status.ok()) {
    transfer_->submit(queued_);
    queued_.clear();
    return;
  }
  std::vector<PageJob*> failed;
  failed.swap(queued_);
  for (PageJob* job : failed) {
    job->status = status.clone();
    (void)finish(*static_cast<Job*>(job->user_data));
  }
}

void Tiers::on_done(PageJob* transfer) {
  Job* job = static_cast<Job*>(transfer->user_data);
  Tiers* tiers = job->tiers;
  std::shared_ptr<PageFile> file;  // may end the file: outside the lock
  std::vector<SavedCopy> saved;
  uint32_t bytes = 0;
  bool wake = false;
  {
    Lock lock(tiers->mutex_);
    file = job->file;
    Page* page = job->page;
    wake = tiers->finish(*job);
    if (page->orphaned && page->movement == Movement::none) {
      bytes = page->bytes;
      saved.swap(page->saved);
      tiers->forget(page);
    }
  }
  free_copies(saved, bytes);
  if (wake) tiers->changed_.notify_all();
}

bool Tiers::finish(Job& job) {
  Page& page = *job.page;
  Status& status = job.transfer.status;
  --n_moving_;
  page.movement = Movement::none;
  if (job.transfer.operation == IoOperation::write) {
    if (!job.save) --n_writing_;
    if (!status.ok()) {
      (job.file ? job.file.get() : scratch_.get())->free(job.transfer.record.offset_bytes, page.bytes, 1);
      if (!job.save) {
        write_failure_ = status.clone();
        ++n_write_failures_;
      }
    } else if (job.file) {
      page.saved.push_back({job.file, job.transfer.record});
    } else {
      page.scratch = job.transfer.record;
      write_failure_ = {};
    }
  } else if (!status.ok()) {
    // This copy is lost; another may be whole.
    if (!job.file) {
      scratch_->free(page.scratch.offset_bytes, page.bytes, 1);
      page.scratch = {};
    } else {
      job.file->free(page.saved.front().record.offset_bytes, page.bytes, 1);
      page.saved.erase(page.saved.begin());
    }
    drop(page);
    if (!page.in_file() && !page.damaged) {
      page.damaged = true;
      ++statistics_.n_pages_damaged;
    }
  } else {
    ++epoch_;
  }
  if (job.save) {
    --job.save->n_pending;
    if (!status.ok() && job.save->status.ok()) job.save->status = status.clone();
  }
  relist(page);
  // One wake-up for all pages of a run: a thread that wakes for each of them would find that it has to wait
  // on.
  bool wake =
      n_moving_ == 0 || n_wait_for_room_ > 0 || !status.ok() || (job.save && job.save->n_pending == 0);
  if (page.awaited) {
    page.awaited = false;
    wake = --n_awaited_ == 0 || wake;
  }
  job.save = nullptr;
  job.file.reset();
  job.page = nullptr;
  free_jobs_.push_back(&job);
  return wake;
}

const PageRecord* Tiers::saved_record(const Page& page, const PageFile& file) {
  for (const SavedCopy& copy : page.saved)
    if (copy.file.get() == &file) return &copy.record;
  return nullptr;
}

Status Tiers::save(std::span<const PageHandle> pages, const std::shared_ptr<PageFile>& file,
                   const Wait& wait) {
  std::vector<PageHandle> batch;
  for (size_t at = 0; at < pages.size();) {
    batch.clear();
    const size_t begin = at;
    {
      Lock lock(mutex_);
      uint64_t room = std::max<uint64_t>(budget_bytes_ / 8, 1);
      for (; at < pages.size() && batch.size() < kMaxWriting && room > 0; ++at) {
        const Page& page = *pages[at].get();
        if (page.damaged || saved_record(page, *file)) continue;
        batch.push_back(pages[at]);
        room -= std::min<uint64_t>(room, page.frame.data ? 0 : page.bytes);
      }
    }
    if (batch.empty()) continue;
    Status status = pin(batch, wait);
    // Found damaged just now: its record stays absent.
    if (status.kind() == ErrorKind::corrupt) {
      at = begin;
      continue;
    }
    if (status.ok()) {
      status = write_saved(batch, file, wait);
      unpin(batch);
    }
    LEOAM_RETURN_IF_ERROR(std::move(status));
  }
  return {};
}

Status Tiers::write_saved(std::span<const PageHandle> pages, const std::shared_ptr<PageFile>& file,
                          const Wait& wait) {
  Save save;
  Lock lock(mutex_);
  LEOAM_RETURN_IF_ERROR(prepare_transfer());
  Status status;
  for (size_t at = 0; at < pages.size() && status.ok();) {
    size_t n = 1;
    while (at + n < pages.size() && pages[at + n]->layer == pages[at]->layer &&
           pages[at + n]->number == pages[at]->number + n && pages[at + n]->bytes == pages[at]->bytes)
      ++n;
    Result<uint64_t> place = file->allocate(pages[at]->bytes, static_cast<uint32_t>(n));
    if (!place.ok() && n > 1) place = file->allocate(pages[at]->bytes, static_cast<uint32_t>(n = 1));
    if (!place.ok()) {
      status = std::move(place).status();
      break;
    }
    for (size_t i = 0; i < n; ++i) {
      Page& page = *pages[at + i].get();
      // A spill of it may be under way; cancel cannot come in between, for the jobs refer to `save`.
      while (page.movement != Movement::none) LEOAM_RETURN_IF_ERROR(wait_for_change(lock, {}));
      Job* job = take_job();
      job->page = &page;
      job->file = file;
      job->save = &save;
      job->transfer.operation = IoOperation::write;
      job->transfer.file = file.get();
      job->transfer.identity = {0, page.layer, page.number};
      job->transfer.record = {};
      job->transfer.record.offset_bytes = *place + i * PageFile::stored_bytes(page.bytes);
      job->transfer.urgent = false;
      page.movement = Movement::writing;
      relist(page);
      ++save.n_pending;
      queue(*job);
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
  for (bool all = false; !all;) {
    all = true;
    for (const PageHandle& handle : pages) {
      Page& page = *handle.get();
      if (!page.frame.data || page.n_pins > 0 || in_use(page)) continue;
      page.sealed = true;
      page.wanted = false;
      relist(page);
      if (clean_.contains(page)) {
        clean_.remove(page);
        drop(page);
      } else {
        all = false;
      }
    }
    if (all) break;
    if (n_write_failures_ != failures) return write_failure_.clone();
    start_writes();
    if (n_write_failures_ != failures && n_moving_ == 0) return write_failure_.clone();
    LEOAM_RETURN_IF_ERROR(wait_for_change(lock, wait));
  }
  frames_.trim();
  rest(lock);
  return {};
}

}  // namespace leoam
