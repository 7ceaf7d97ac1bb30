#include "runtime/store/page_transfer.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "runtime/base/signals_blocked.h"
#include "runtime/store/staging.h"

namespace leoam {

namespace {

// Transfers that the disk should always have to choose from.
constexpr uint64_t kLeastInFlight = 32;
// What a disk reads at its full rate; little staging memory holds fewer of them rather than smaller ones.
constexpr uint64_t kGoodRun_bytes = 128u << 10;

// Jobs, linked through `next`.
struct JobQueue {
  PageJob* first = nullptr;
  PageJob* last = nullptr;

  void push(PageJob* job) {
    job->next = nullptr;
    (first ? last->next : first) = job;
    last = job;
  }
  // Takes out the jobs from the first to `end`, which are linked then.
  PageJob* pop_through(PageJob* end) {
    PageJob* const jobs = first;
    first = end->next;
    end->next = nullptr;
    return jobs;
  }
};

// One transfer: the pages of `jobs`, which are neighbours in the file and in memory.
struct Run {
  IoRequest request;
  PageJob* jobs = nullptr;
};

uint64_t stored_bytes(const PageJob& job) {
  return PageFile::stored_bytes(job.page_bytes);
}

std::span<uint8_t> page_of(const PageJob& job) {
  return {job.page, job.page_bytes};
}

bool continues(const PageJob& job, const PageJob& last) {
  return job.operation == last.operation && job.file == last.file && job.page_bytes > 0 &&
         job.record.offset_bytes == last.record.offset_bytes + stored_bytes(last);
}

class Transfer final : public PageTransfer {
 public:
  Status start(FileSystem& files, const Options& options);
  ~Transfer() override;
  void submit(std::span<PageJob* const> jobs) override;
  bool help() override;
  uint64_t staging_bytes() const override { return staging_bytes_; }
  TransferStatistics statistics() const override;

 private:
  enum class Started { one, none };
  void work();
  void reap();
  Started start_run();
  Run* take_run(PageJob** refused);
  Status check(const PageJob& job) const;
  Status seal(const Run& run);
  void finish(Run* run);
  Status read_page(const Run& run, PageJob* job, uint8_t* stored);
  Status write_page(const Run& run, PageJob* job, uint8_t* stored);
  void recycle(Run* run);

  uint64_t staging_bytes_ = 0;
  uint64_t run_bytes_ = 0;
  std::function<void()> on_backlog_;
  Staging staging_;                 // under the lock, but for its memory
  std::unique_ptr<IoQueue> queue_;  // destroyed before the memory that it has registered
  std::vector<Run> runs_;
  std::vector<IoRequest*> reaped_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Run*> idle_runs_;
  std::vector<Run*> ended_;  // by the disk; the oldest at n_taken_
  size_t n_taken_ = 0;
  bool lacks_room_ = false;  // the next job, until a run is idle again
  JobQueue urgent_;
  JobQueue ordinary_;
  bool stop_ = false;
  std::thread thread_;

  std::atomic<uint64_t> read_bytes_{0};
  std::atomic<uint64_t> written_bytes_{0};
  std::atomic<uint64_t> read_requests_{0};
  std::atomic<uint64_t> written_requests_{0};
};

// The job is its owner's again.
void end(PageJob* job, Status status) {
  job->status = std::move(status);
  job->done(job);
}

void end_all(PageJob* jobs, const Status& status) {
  while (PageJob* const job = jobs) {
    jobs = job->next;
    end(job, status.clone());
  }
}

Status Transfer::start(FileSystem& files, const Options& options) {
  staging_bytes_ = options.staging_bytes / kIoBlock_bytes * kIoBlock_bytes;
  on_backlog_ = options.on_backlog;
  if (staging_bytes_ == 0 || options.queue_depth == 0)
    return Status(ErrorKind::invalid_argument, "page transfer: staging_bytes and queue_depth must not be 0");
  run_bytes_ = std::min<uint64_t>(
      options.max_run_bytes,
      std::max(staging_bytes_ / kLeastInFlight, std::min(kGoodRun_bytes, staging_bytes_ / 4)));
  LEOAM_ASSIGN_OR_RETURN(staging_, Staging::create(staging_bytes_));
  LEOAM_ASSIGN_OR_RETURN(queue_, files.create_queue(options.queue_depth, staging_.memory()));
  runs_.resize(queue_->depth());
  idle_runs_.reserve(runs_.size());
  reaped_.reserve(runs_.size());
  ended_.reserve(runs_.size());
  for (Run& run : runs_) idle_runs_.push_back(&run);
  // Not with the first job: who submits it may hold what `done` takes.
  const SignalsBlocked blocked;
  try {
    thread_ = std::thread(&Transfer::work, this);
  } catch (const std::system_error&) {
    return Status(ErrorKind::out_of_memory, "the system refuses a thread");
  }
  return {};
}

Transfer::~Transfer() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

TransferStatistics Transfer::statistics() const {
  TransferStatistics statistics;
  statistics.read_bytes = read_bytes_.load(std::memory_order_relaxed);
  statistics.written_bytes = written_bytes_.load(std::memory_order_relaxed);
  statistics.read_requests = read_requests_.load(std::memory_order_relaxed);
  statistics.written_requests = written_requests_.load(std::memory_order_relaxed);
  return statistics;
}

void Transfer::submit(std::span<PageJob* const> jobs) {
  const std::lock_guard lock(mutex_);
  for (PageJob* job : jobs) (job->urgent ? urgent_ : ordinary_).push(job);
  wake_.notify_one();
}

void Transfer::work() {
  (void)pthread_setname_np(pthread_self(), "leoam-io");
  for (;;) {
    // The disk gets its next work before the processor does.
    while (start_run() == Started::one) {
    }
    if (queue_->n_in_flight() > 0) reap();
    if (help() || queue_->n_in_flight() > 0) continue;
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] {
      return !ended_.empty() || (urgent_.first || ordinary_.first ? !lacks_room_ : stop_);
    });
    if (stop_ && !urgent_.first && !ordinary_.first && ended_.empty()) return;
  }
}

// Waits for the disk when there is nothing else to do.
void Transfer::reap() {
  bool idle = false;
  {
    const std::lock_guard lock(mutex_);
    idle = ended_.empty();
  }
  reaped_.clear();
  queue_->reap(idle, &reaped_);
  if (reaped_.empty()) return;
  bool backlog = false;
  {
    const std::lock_guard lock(mutex_);
    for (IoRequest* request : reaped_) ended_.push_back(static_cast<Run*>(request->user_data));
    backlog = ended_.size() - n_taken_ > 1;
  }
  if (backlog && on_backlog_) on_backlog_();
}

bool Transfer::help() {
  Run* run = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (ended_.empty()) return false;
    run = ended_[n_taken_++];
    if (n_taken_ == ended_.size()) {
      ended_.clear();
      n_taken_ = 0;
    }
  }
  finish(run);
  return true;
}

// `none`: there is no job, or no room to start one before another has ended.
Transfer::Started Transfer::start_run() {
  if (queue_->n_in_flight() >= queue_->depth()) return Started::none;
  PageJob* refused = nullptr;
  Run* const run = take_run(&refused);
  if (refused) {
    end(refused, check(*refused));
    return Started::one;
  }
  if (!run) return Started::none;
  if (run->request.operation == IoOperation::write) {
    if (const Status status = seal(*run); !status.ok()) {
      end_all(run->jobs, status);
      recycle(run);
      return Started::one;
    }
    written_bytes_.fetch_add(run->request.bytes, std::memory_order_relaxed);
    written_requests_.fetch_add(1, std::memory_order_relaxed);
  } else {
    read_bytes_.fetch_add(run->request.bytes, std::memory_order_relaxed);
    read_requests_.fetch_add(1, std::memory_order_relaxed);
  }
  IoRequest* const request = &run->request;
  queue_->submit({&request, 1});
  return Started::one;
}

Status Transfer::check(const PageJob& job) const {
  if (job.page_bytes == 0 || !job.record.present())
    return Status(ErrorKind::invalid_argument, "page transfer: a page without bytes, or without a place");
  const uint64_t bytes = stored_bytes(job);
  if (bytes <= staging_bytes_) return {};
  return Status::no_space(
      fmt::format("page transfer: a page takes {} bytes of staging memory, it has {}", bytes, staging_bytes_),
      bytes, staging_bytes_);
}

// The next jobs as one run with memory, or a job that can never be one.
Run* Transfer::take_run(PageJob** refused) {
  const std::lock_guard lock(mutex_);
  JobQueue& jobs = urgent_.first ? urgent_ : ordinary_;
  PageJob* last = jobs.first;
  if (!last) return nullptr;
  lacks_room_ = idle_runs_.empty();
  if (lacks_room_) return nullptr;
  if (last->page_bytes == 0 || !last->record.present() || stored_bytes(*last) > staging_bytes_) {
    *refused = jobs.pop_through(last);
    return nullptr;
  }
  uint64_t bytes = stored_bytes(*last);
  while (last->next && continues(*last->next, *last) && bytes + stored_bytes(*last->next) <= run_bytes_) {
    last = last->next;
    bytes += stored_bytes(*last);
  }
  uint8_t* const data = staging_.take(bytes);
  lacks_room_ = !data;
  if (!data) return nullptr;
  Run* const run = idle_runs_.back();
  idle_runs_.pop_back();
  run->jobs = jobs.pop_through(last);
  run->request = IoRequest{};
  run->request.operation = run->jobs->operation;
  run->request.file = &run->jobs->file->file();
  run->request.offset_bytes = run->jobs->record.offset_bytes;
  run->request.data = data;
  run->request.bytes = static_cast<uint32_t>(bytes);
  run->request.user_data = run;
  return run;
}

Status Transfer::seal(const Run& run) {
  uint8_t* stored = run.request.data;
  for (PageJob* job = run.jobs; job; job = job->next) {
    LEOAM_RETURN_IF_ERROR(job->file->seal(job->identity, page_of(*job), stored, &job->record));
    stored += stored_bytes(*job);
  }
  return {};
}

void Transfer::finish(Run* run) {
  uint8_t* stored = run->request.data;
  for (PageJob* job = run->jobs; job;) {
    PageJob* const next = job->next;
    const uint64_t bytes = stored_bytes(*job);
    end(job,
        job->operation == IoOperation::read ? read_page(*run, job, stored) : write_page(*run, job, stored));
    stored += bytes;
    job = next;
  }
  recycle(run);
}

// Of a run that failed, each page is tried by itself: its neighbours shall not fail with it.
Status Transfer::read_page(const Run& run, PageJob* job, uint8_t* stored) {
  if (!run.request.status.ok()) {
    if (run.request.bytes == stored_bytes(*job)) return run.request.status.clone();
    read_requests_.fetch_add(1, std::memory_order_relaxed);
    read_bytes_.fetch_add(stored_bytes(*job), std::memory_order_relaxed);
    LEOAM_RETURN_IF_ERROR(run.request.file->read_at(job->record.offset_bytes, {stored, stored_bytes(*job)}));
  }
  return job->file->open(job->identity, job->record, stored, page_of(*job));
}

Status Transfer::write_page(const Run& run, PageJob* job, uint8_t* stored) {
  if (run.request.status.ok()) return {};
  if (run.request.bytes == stored_bytes(*job)) return run.request.status.clone();
  written_requests_.fetch_add(1, std::memory_order_relaxed);
  written_bytes_.fetch_add(stored_bytes(*job), std::memory_order_relaxed);
  return run.request.file->write_at(job->record.offset_bytes, {stored, stored_bytes(*job)});
}

void Transfer::recycle(Run* run) {
  const std::lock_guard lock(mutex_);
  staging_.give_back(run->request.data, run->request.bytes);
  run->jobs = nullptr;
  idle_runs_.push_back(run);
  if (!lacks_room_) return;
  lacks_room_ = false;
  wake_.notify_one();
}

}  // namespace

Result<std::unique_ptr<PageTransfer>> PageTransfer::create(FileSystem& files, const Options& options) {
  auto transfer = std::make_unique<Transfer>();
  LEOAM_RETURN_IF_ERROR(transfer->start(files, options));
  return std::unique_ptr<PageTransfer>(std::move(transfer));
}

}  // namespace leoam
