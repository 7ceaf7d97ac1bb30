#include "runtime/engine/calibration_disk.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "runtime/store/page_transfer.h"
#include "runtime/store/scratch_file.h"

namespace leoam {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kPage_bytes = 32u << 10;
constexpr uint32_t kRunPages = 16;  // neighbours that are asked for together
constexpr uint32_t kFile_runs = 192;
// Memory for 64 and for 4 transfers of 128 KiB at once.
constexpr uint64_t kStaging_bytes = uint64_t{8} << 20;
constexpr uint64_t kFewStaging_bytes = uint64_t{512} << 10;
constexpr double kMost_s = 0.5;  // a measurement, however slow the disk
constexpr auto kCancelCheck = std::chrono::milliseconds(20);

// Pages of one file on their way, a bounded number at once.
class Traffic {
 public:
  Traffic(PageFile& file, uint32_t n_runs) : file_(file), jobs_(size_t{n_runs} * kRunPages) {}
  Status prepare() {
    LEOAM_ASSIGN_OR_RETURN(pages_, BlockBuffer::create(uint64_t{kPages} * kPage_bytes));
    for (size_t run = 0; run * kRunPages < jobs_.size(); ++run) {
      LEOAM_ASSIGN_OR_RETURN(const uint64_t place, file_.allocate(kPage_bytes, kRunPages));
      for (uint32_t i = 0; i < kRunPages; ++i) {
        PageJob& job = jobs_[run * kRunPages + i];
        job.file = &file_;
        job.identity = {run, 0, i};
        job.record.offset_bytes = place + i * PageFile::stored_bytes(kPage_bytes);
        job.page = pages_.data() + (run * kRunPages + i) % kPages * kPage_bytes;
        job.page_bytes = kPage_bytes;
        job.done = on_done;
        job.user_data = this;
      }
    }
    return {};
  }

  // Bytes in a second of the first n_runs, as far as the time allows; *n_done of them have been moved.
  Result<double> rate(FileSystem& files, IoOperation operation, uint64_t staging_bytes, uint32_t n_runs,
                      const CancelFlag* cancel, uint32_t* n_done) {
    PageTransfer::Options options;
    options.staging_bytes = staging_bytes;
    options.on_backlog = [this] { changed_.notify_one(); };
    LEOAM_ASSIGN_OR_RETURN(const std::unique_ptr<PageTransfer> transfer,
                           PageTransfer::create(files, options));
    const Clock::time_point start = Clock::now();
    const auto seconds = [start] { return std::chrono::duration<double>(Clock::now() - start).count(); };
    Status stopped;
    uint32_t n = 0;
    for (; n < n_runs && stopped.ok() && seconds() < kMost_s; ++n) {
      // Reads jump between the halves of the file.
      const uint32_t run = operation == IoOperation::read ? n / 2 + n % 2 * ((n_runs + 1) / 2) : n;
      PageJob* batch[kRunPages];
      for (uint32_t i = 0; i < kRunPages; ++i) {
        batch[i] = &jobs_[size_t{run} * kRunPages + i];
        batch[i]->operation = operation;
      }
      {
        const std::lock_guard lock(mutex_);
        n_under_way_ += kRunPages;
      }
      transfer->submit(batch);
      stopped = wait_for(*transfer, kPages - kRunPages, cancel);
    }
    const Status ended = wait_for(*transfer, 0, nullptr);
    LEOAM_RETURN_IF_ERROR(std::move(stopped));
    LEOAM_RETURN_IF_ERROR(ended.clone());
    *n_done = n;
    return double{1} * n * kRunPages * kPage_bytes / std::max(seconds(), 1e-9);
  }

 private:
  // At once under way at most: memory that they share one after the other.
  static constexpr uint32_t kPages = 512;

  static void on_done(PageJob* job) {
    Traffic& traffic = *static_cast<Traffic*>(job->user_data);
    const std::lock_guard lock(traffic.mutex_);
    --traffic.n_under_way_;
    if (!job->status.ok() && traffic.failure_.ok()) traffic.failure_ = job->status.clone();
    if (traffic.n_under_way_ % kRunPages == 0) traffic.changed_.notify_one();
  }

  // Helping, as passes do that wait.
  Status wait_for(PageTransfer& transfer, uint32_t n_left, const CancelFlag* cancel) {
    std::unique_lock lock(mutex_);
    while (n_under_way_ > n_left) {
      const uint32_t seen = n_under_way_;
      lock.unlock();
      const bool helped = transfer.help();
      lock.lock();
      if (!helped && n_under_way_ == seen) changed_.wait_for(lock, kCancelCheck);
      LEOAM_RETURN_IF_ERROR(check_cancelled(cancel));
    }
    LEOAM_RETURN_IF_ERROR(check_cancelled(cancel));
    return failure_.clone();
  }

  PageFile& file_;
  BlockBuffer pages_;
  std::vector<PageJob> jobs_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint32_t n_under_way_ = 0;
  Status failure_;
};

}  // namespace

Status measure_disk(FileSystem& files, const std::string& folder, const CancelFlag* cancel, Rates* rates) {
  rates->disk_read_bytes_per_second = rates->disk_few_read_bytes_per_second =
      rates->disk_write_bytes_per_second = 0;
  LEOAM_RETURN_IF_ERROR(files.make_private_folder(folder));
  LEOAM_ASSIGN_OR_RETURN(const uint64_t free_bytes, files.free_bytes(folder));
  const auto n_runs = static_cast<uint32_t>(
      std::min<uint64_t>(kFile_runs, free_bytes / 4 / (uint64_t{kRunPages} * kPage_bytes)));
  if (n_runs < 32) return Status(ErrorKind::no_space, "the disk is full");
  DiskAccount account(UINT64_MAX);
  LEOAM_ASSIGN_OR_RETURN(const std::unique_ptr<PageFile> file,
                         create_scratch_file(files, folder, true, account));
  Traffic traffic(*file, n_runs);
  LEOAM_RETURN_IF_ERROR(traffic.prepare());
  uint32_t n_written = 0;
  uint32_t n_read = 0;
  LEOAM_ASSIGN_OR_RETURN(const double write_rate,
                         traffic.rate(files, IoOperation::write, kStaging_bytes, n_runs, cancel, &n_written));
  LEOAM_ASSIGN_OR_RETURN(const double read_rate,
                         traffic.rate(files, IoOperation::read, kStaging_bytes, n_written, cancel, &n_read));
  LEOAM_ASSIGN_OR_RETURN(const double few_rate, traffic.rate(files, IoOperation::read, kFewStaging_bytes,
                                                             std::min(n_written, 64u), cancel, &n_read));
  rates->disk_write_bytes_per_second = write_rate;
  rates->disk_read_bytes_per_second = read_rate;
  rates->disk_few_read_bytes_per_second = few_rate;
  return {};
}

}  // namespace leoam
