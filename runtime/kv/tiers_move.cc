// Tiers: movements as such: jobs on their way, and what becomes of a page when one has ended.
#include <cstring>

#include "runtime/kv/tiers.h"

namespace leoam {

Tiers::Job* Tiers::take_job(Page& page, Movement movement) {
  if (free_jobs_.empty()) {
    jobs_.emplace_back();
    free_jobs_.push_back(&jobs_.back());
  }
  Job* job = free_jobs_.back();
  free_jobs_.pop_back();
  job->tiers = this;
  job->page = &page;
  page.movement = movement;
  relist(page);
  ++n_moving_;
  return job;
}

void Tiers::queue(Job& job) {
  job.transfer.page = job.page->at(Level::host).frame.data;
  job.transfer.page_bytes = job.page->bytes;
  job.transfer.done = on_transferred;
  job.transfer.user_data = &job;
  job.transfer.status = {};
  queued_.push_back(&job.transfer);
}

void Tiers::start_copy(Page& page, Movement movement) {
  Job* job = take_job(page, movement);
  const bool up = movement == Movement::raising;
  DeviceCopy& copy = job->copy;
  copy.direction = up ? DeviceCopy::Direction::to_device : DeviceCopy::Direction::to_host;
  copy.from = page.at(up ? Level::host : Level::device).frame.data;
  copy.to = page.at(up ? Level::device : Level::host).frame.data;
  copy.bytes = page.bytes;
  copy.done = on_copied;
  copy.user_data = job;
  copy.status = {};
  if (!up) ++n_lowering_;
  queued_copies_.push_back(&copy);
}

void Tiers::flush_copies() {
  if (!queued_copies_.empty()) link_->submit(queued_copies_);
  queued_copies_.clear();
}

void Tiers::flush_jobs() {
  flush_copies();
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

bool Tiers::start_lowering() {
  // Copies on their way at once.
  constexpr uint32_t kMost = 64;
  bool started = false;
  while (n_lowering_ < kMost) {
    Page* page = device_tier_->oldest_dirty();
    if (!page) break;
    if (!drop_for(host_, page->bytes)) return start_writes() || started;
    Status status = give_frame(host_, *page);
    if (!status.ok()) {
      failed_to_write(std::move(status));
      break;
    }
    start_copy(*page, Movement::lowering);
    started = true;
  }
  return started;
}

void Tiers::go_on(Page& page) {
  Residence& above = page.at(Level::device);
  if (!above.frame.data || above.filled || page.movement != Movement::none) return;
  if ((above.n_pins > 0 || above.wanted) && page.at(Level::host).filled) start_copy(page, Movement::raising);
}

Status Tiers::copy_bytes(const Page& from, Page& to) {
  if (!link_ || from.stream.home == Home::ram) {
    std::memcpy(data(to), data(from), from.bytes);
    return {};
  }
  struct Waiting {
    Tiers* tiers;
    bool done = false;
  } waiting{this};
  DeviceCopy copy;
  copy.direction = DeviceCopy::Direction::within_device;
  copy.from = data(from);
  copy.to = data(to);
  copy.bytes = from.bytes;
  copy.user_data = &waiting;
  copy.done = [](DeviceCopy* ended) {
    auto* const waits = static_cast<Waiting*>(ended->user_data);
    Tiers& tiers = *waits->tiers;
    const Lock lock(tiers.mutex_);
    waits->done = true;
    tiers.changed_.notify_all();
  };
  DeviceCopy* const one = &copy;
  link_->submit({&one, 1});
  Lock lock(mutex_);
  changed_.wait(lock, [&waiting] { return waiting.done; });
  return std::move(copy.status);
}

void Tiers::on_transferred(PageJob* transfer) {
  on_done(static_cast<Job*>(transfer->user_data));
}

void Tiers::on_copied(DeviceCopy* copy) {
  on_done(static_cast<Job*>(copy->user_data));
}

void Tiers::on_done(Job* job) {
  Tiers* tiers = job->tiers;
  std::shared_ptr<PageFile> file;  // may end the file: outside the lock
  std::vector<SavedCopy> saved;
  uint32_t bytes = 0;
  {
    Lock lock(tiers->mutex_);
    file = job->file;
    Page* page = job->page;
    const bool wake = tiers->finish(*job);
    tiers->flush_copies();
    if (page->orphaned && page->movement == Movement::none) {
      bytes = page->bytes;
      saved.swap(page->saved);
      tiers->forget(page);
    }
    // Under the lock: behind it the tiers may be gone.
    if (wake) tiers->tell_change();
  }
  free_copies(saved, bytes);
}

bool Tiers::finish(Job& job) {
  Page& page = *job.page;
  const Movement movement = page.movement;
  --n_moving_;
  page.movement = Movement::none;
  bool failed = false;
  if (movement == Movement::raising || movement == Movement::lowering) {
    failed = !job.copy.status.ok();
    finish_copy(job, movement);
  } else {
    failed = !job.transfer.status.ok();
    if (movement == Movement::writing)
      finish_write(job);
    else
      finish_read(job);
    if (device_tier_) go_on(page);
  }
  settle(page);
  // One wake-up for all pages of a run: a thread that wakes for each of them would find that it has to wait
  // on.
  bool wake = n_moving_ == 0 || !room_waits_.empty() || failed || (job.save && job.save->n_pending == 0);
  if (page.awaited && page.movement == Movement::none) {
    page.awaited = false;
    wake = --n_awaited_ == 0 || wake;
  }
  job.save = nullptr;
  job.file.reset();
  job.page = nullptr;
  free_jobs_.push_back(&job);
  return wake;
}

void Tiers::finish_copy(Job& job, Movement movement) {
  Page& page = *job.page;
  Tier& to = movement == Movement::raising ? *device_tier_ : host_;
  if (movement == Movement::lowering) --n_lowering_;
  if (job.copy.status.ok()) {
    to.of(page).filled = true;
    if (movement == Movement::raising) page.arrived_us = steady_us();
    ++epoch_;
    (movement == Movement::raising ? statistics_.raised_bytes : statistics_.lowered_bytes) += page.bytes;
    return;
  }
  // The device does not come back: everybody who waits for it is told.
  link_failure_ = job.copy.status.clone();
  failed_to_write(job.copy.status.clone());
}

}  // namespace leoam
