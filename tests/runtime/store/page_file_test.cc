#include "runtime/store/page_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "runtime/store/page_transfer.h"
#include "runtime/store/scratch_file.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/temp_folder.h"

namespace leoam {
namespace {

using testing::FaultFileSystem;
using testing::FaultKind;
using testing::FaultPlan;
using testing::SimulatedDisk;
using testing::TempFolder;
using Bytes = std::vector<uint8_t>;

constexpr uint32_t kPage_bytes = 24576 + 100;

Bytes page_of(uint32_t number, uint32_t bytes = kPage_bytes) {
  Bytes page(bytes);
  for (uint32_t i = 0; i < bytes; ++i) page[i] = static_cast<uint8_t>(i * 7 + number * 13);
  return page;
}

std::unique_ptr<PageFile> scratch(FileSystem& files, const std::string& folder, bool encrypt,
                                  DiskAccount& account) {
  auto file = create_scratch_file(files, folder, encrypt, account);
  EXPECT_TRUE(file.ok()) << file.status().message();
  return std::move(file).value();
}

TEST(DiskAccount, refuses_what_passes_budget_and_cap) {
  DiskAccount account(100, 50);
  EXPECT_TRUE(account.reserve(60).ok());
  const Status refused = account.reserve(41);
  EXPECT_EQ(ErrorKind::no_space, refused.kind());
  EXPECT_EQ(41u, refused.needed_bytes());
  EXPECT_EQ(40u, refused.available_bytes());
  account.set_budget(10);
  EXPECT_EQ(0u, account.reserve(1).available_bytes());
  EXPECT_TRUE(account.count_written(50).ok());
  EXPECT_EQ(ErrorKind::no_space, account.count_written(1).kind());
  EXPECT_EQ(50u, account.written_bytes());
}

TEST(Scratch, room_is_counted_used_again_and_given_back) {
  SimulatedDisk disk;
  DiskAccount account(uint64_t{100} << 20);
  {
    auto file = scratch(disk, "/", true, account);
    const auto first = file->allocate(kPage_bytes, 3);
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(0u, *first % kIoBlock_bytes);
    EXPECT_NE(0u, *first);
    EXPECT_EQ(3 * PageFile::stored_bytes(kPage_bytes), file->used_bytes());
    EXPECT_EQ(file->file_bytes(), account.used_bytes());
    file->free(*first, kPage_bytes, 3);
    const auto again = file->allocate(kPage_bytes, 2);
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(*first, *again);

    std::vector<uint64_t> places;
    for (;;) {
      const auto place = file->allocate(1 << 20, 1);
      if (!place.ok()) {
        EXPECT_EQ(ErrorKind::no_space, place.status().kind());
        EXPECT_GT(place.status().needed_bytes(), place.status().available_bytes());
        break;
      }
      places.push_back(*place);
    }
    EXPECT_GE(places.size(), 98u);
    EXPECT_LE(account.used_bytes(), account.budget_bytes());
    for (const uint64_t place : places) file->free(place, 1 << 20, 1);
    EXPECT_LT(account.used_bytes(), uint64_t{20} << 20);
  }
  EXPECT_EQ(0u, account.used_bytes());
}

TEST(Scratch, a_full_disk_is_no_space_and_passes) {
  SimulatedDisk disk(1 << 20);
  DiskAccount account(UINT64_MAX);
  auto file = scratch(disk, "/", true, account);
  EXPECT_TRUE(file->allocate(100 << 10, 5).ok());
  EXPECT_EQ(ErrorKind::no_space, file->allocate(600 << 10, 1).status().kind());
  disk.set_capacity(4 << 20);
  EXPECT_TRUE(file->allocate(600 << 10, 1).ok());
}

class Sealed : public ::testing::TestWithParam<bool> {
 protected:
  SimulatedDisk disk_;
  DiskAccount account_{UINT64_MAX};
  std::unique_ptr<PageFile> file_ = scratch(disk_, "/", GetParam(), account_);
  Bytes stored_ = Bytes(PageFile::stored_bytes(kPage_bytes));
  Bytes out_ = Bytes(kPage_bytes);
};

TEST_P(Sealed, a_page_opens_under_its_identity_alone) {
  PageRecord record;
  record.offset_bytes = 4096;
  const Bytes page = page_of(1);
  ASSERT_TRUE(file_->seal({5, 6, 7}, page, stored_.data(), &record).ok());
  ASSERT_TRUE(file_->open({5, 6, 7}, record, stored_.data(), out_).ok());
  EXPECT_EQ(page, out_);
  for (const PageIdentity& other : {PageIdentity{4, 6, 7}, PageIdentity{5, 7, 7}, PageIdentity{5, 6, 8}}) {
    const Status status = file_->open(other, record, stored_.data(), out_);
    EXPECT_EQ(ErrorKind::corrupt, status.kind());
    EXPECT_NE(std::string::npos, status.message().find("at byte 4096")) << status.message();
  }
  auto foreign = scratch(disk_, "/", GetParam(), account_);
  PageRecord other;
  ASSERT_TRUE(foreign->seal({5, 6, 7}, page, stored_.data(), &other).ok());
  EXPECT_EQ(ErrorKind::corrupt, file_->open({5, 6, 7}, other, stored_.data(), out_).kind());
}

TEST_P(Sealed, an_older_version_of_a_page_is_found_out) {
  PageRecord old_record;
  PageRecord record;
  ASSERT_TRUE(file_->seal({}, page_of(1), stored_.data(), &old_record).ok());
  Bytes newer(stored_.size());
  ASSERT_TRUE(file_->seal({}, page_of(2), newer.data(), &record).ok());
  EXPECT_NE(old_record.counter, record.counter);
  EXPECT_EQ(ErrorKind::corrupt, file_->open({}, record, stored_.data(), out_).kind());
  EXPECT_TRUE(file_->open({}, record, newer.data(), out_).ok());
}

TEST_P(Sealed, the_cap_on_writing_is_refused) {
  account_.set_write_cap(stored_.size());
  PageRecord record;
  EXPECT_TRUE(file_->seal({}, page_of(1), stored_.data(), &record).ok());
  EXPECT_EQ(ErrorKind::no_space, file_->seal({}, page_of(1), stored_.data(), &record).kind());
  EXPECT_EQ(stored_.size(), file_->written_bytes());
}

INSTANTIATE_TEST_SUITE_P(Both, Sealed, ::testing::Bool(),
                         [](const auto& which) { return which.param ? "encrypted" : "plaintext"; });

// Jobs over one file; waits for them by destroying the transfer.
class Jobs {
 public:
  Jobs(PageFile* file, uint32_t n, uint32_t page_bytes = kPage_bytes)
      : jobs_(n), pages_(n), page_bytes_(page_bytes) {
    const uint64_t place = file->allocate(page_bytes, n).value();
    for (uint32_t i = 0; i < n; ++i) {
      pages_[i] = page_of(i, page_bytes);
      jobs_[i].file = file;
      jobs_[i].identity.page = i;
      jobs_[i].record.offset_bytes = place + i * PageFile::stored_bytes(page_bytes);
      jobs_[i].page_bytes = page_bytes;
      jobs_[i].user_data = &n_done_;
      jobs_[i].done = [](PageJob* job) { ++*static_cast<std::atomic<uint32_t>*>(job->user_data); };
    }
  }

  // `n_helpers` threads besides the transfer's own.
  TransferStatistics run(FileSystem& files, IoOperation operation, PageTransfer::Options options = {},
                         int n_helpers = 0) {
    for (size_t i = 0; i < jobs_.size(); ++i) {
      jobs_[i].operation = operation;
      jobs_[i].page = pages_[i].data();
      if (operation == IoOperation::read) std::ranges::fill(pages_[i], uint8_t{0});
    }
    n_done_ = 0;
    auto transfer = PageTransfer::create(files, options);
    EXPECT_TRUE(transfer.ok()) << transfer.status().message();
    std::vector<PageJob*> list;
    for (PageJob& job : jobs_) list.push_back(&job);
    (*transfer)->submit(list);
    PageTransfer* running = transfer->get();
    std::vector<std::thread> helpers;
    for (int i = 0; i < n_helpers; ++i)
      helpers.emplace_back([&] {
        while (n_done_ != jobs_.size())
          if (!running->help()) std::this_thread::yield();
      });
    for (std::thread& helper : helpers) helper.join();
    while (n_done_ != jobs_.size()) std::this_thread::yield();
    return running->statistics();
  }
  // Numbers of the jobs that failed.
  std::vector<size_t> failed(ErrorKind kind) const {
    std::vector<size_t> numbers;
    for (size_t i = 0; i < jobs_.size(); ++i)
      if (!jobs_[i].status.ok()) {
        EXPECT_EQ(kind, jobs_[i].status.kind()) << jobs_[i].status.message();
        numbers.push_back(i);
      }
    return numbers;
  }
  void expect_pages(const std::vector<size_t>& but = {}) const {
    for (uint32_t i = 0; i < pages_.size(); ++i) {
      if (std::ranges::find(but, i) == but.end()) {
        EXPECT_EQ(page_of(i, page_bytes_), pages_[i]) << i;
      }
    }
  }
  PageJob& operator[](size_t i) { return jobs_[i]; }

 private:
  std::vector<PageJob> jobs_;
  std::vector<Bytes> pages_;
  uint32_t page_bytes_;
  std::atomic<uint32_t> n_done_{0};
};

TEST(PageTransfer, moves_pages_over_every_back_end) {
  const TempFolder folder;
  for (const bool uring : {false, true})
    for (const bool encrypt : {false, true}) {
      const auto files = create_file_system({.io_uring = uring});
      DiskAccount account(UINT64_MAX);
      auto file = scratch(*files, folder.path(), encrypt, account);
      Jobs jobs(file.get(), 300);
      jobs.run(*files, IoOperation::write);
      EXPECT_TRUE(jobs.failed(ErrorKind::io).empty());
      jobs.run(*files, IoOperation::read);
      EXPECT_TRUE(jobs.failed(ErrorKind::io).empty());
      jobs.expect_pages();
    }
}

TEST(PageTransfer, neighbours_are_one_request) {
  SimulatedDisk disk;
  DiskAccount account(UINT64_MAX);
  auto file = scratch(disk, "/", true, account);
  Jobs jobs(file.get(), 64);
  const PageTransfer::Options options{.staging_bytes = 16 << 20};
  const TransferStatistics written = jobs.run(disk, IoOperation::write, options);
  EXPECT_EQ(64 * PageFile::stored_bytes(kPage_bytes), written.written_bytes);
  // 18 pages of 28 KiB in 512 KiB.
  EXPECT_EQ(4u, written.written_requests);
  EXPECT_EQ(4u, jobs.run(disk, IoOperation::read, options).read_requests);
  jobs.expect_pages();
}

TEST(PageTransfer, staging_of_one_page_is_enough_and_less_is_refused) {
  SimulatedDisk disk;
  DiskAccount account(UINT64_MAX);
  auto file = scratch(disk, "/", true, account);
  Jobs jobs(file.get(), 20);
  jobs.run(disk, IoOperation::write, {.staging_bytes = PageFile::stored_bytes(kPage_bytes)});
  jobs.run(disk, IoOperation::read, {.staging_bytes = PageFile::stored_bytes(kPage_bytes)});
  EXPECT_TRUE(jobs.failed(ErrorKind::io).empty());
  jobs.expect_pages();
  jobs.run(disk, IoOperation::read, {.staging_bytes = 8192});
  EXPECT_EQ(20u, jobs.failed(ErrorKind::no_space).size());
}

TEST(PageTransfer, a_bad_page_fails_alone) {
  const TempFolder folder;
  const auto files = create_file_system({});
  DiskAccount account(UINT64_MAX);
  auto file = scratch(*files, folder.path(), true, account);
  Jobs jobs(file.get(), 40, 4096);
  jobs.run(*files, IoOperation::write);
  jobs[7].identity.stream = 1;
  jobs[23].record.tag[3] ^= 4;
  jobs.run(*files, IoOperation::read);
  EXPECT_EQ((std::vector<size_t>{7, 23}), jobs.failed(ErrorKind::corrupt));
  jobs.expect_pages({7, 23});
}

TEST(PageTransfer, a_request_that_fails_is_tried_again_page_by_page) {
  SimulatedDisk disk;
  DiskAccount account(UINT64_MAX);
  for (const auto step : {testing::FaultOperation::queue_write, testing::FaultOperation::queue_read}) {
    uint64_t fail_at = 0;
    // Once to learn which step it is, once to fail it.
    for (int round = 0; round < 2; ++round) {
      FaultFileSystem files(disk, FaultPlan{.fail_at = fail_at, .kind = FaultKind::io});
      auto file = scratch(files, "/", true, account);
      Jobs jobs(file.get(), 40, 4096);
      jobs.run(files, IoOperation::write);
      jobs.run(files, IoOperation::read);
      EXPECT_TRUE(jobs.failed(ErrorKind::io).empty());
      jobs.expect_pages();
      EXPECT_EQ(round == 1, files.has_failed());
      const auto trace = files.trace();
      fail_at = static_cast<uint64_t>(std::ranges::find(trace, step) - trace.begin()) + 1;
    }
  }
}

TEST(PageTransfer, the_cap_on_writing_fails_jobs_and_not_the_transfer) {
  SimulatedDisk disk;
  DiskAccount account(UINT64_MAX);
  auto file = scratch(disk, "/", true, account);
  Jobs jobs(file.get(), 10, 4096);
  account.set_write_cap(5 * 4096);
  jobs.run(disk, IoOperation::write, {.max_run_bytes = 4096});
  EXPECT_EQ(5u, jobs.failed(ErrorKind::no_space).size());
}

TEST(PageTransfer, urgent_jobs_go_first) {
  SimulatedDisk disk;
  DiskAccount account(UINT64_MAX);
  auto file = scratch(disk, "/", true, account);
  Jobs jobs(file.get(), 60, 4096);
  jobs.run(disk, IoOperation::write);
  static std::vector<uint32_t> order;
  order.clear();
  std::atomic<uint32_t> n_done{0};
  for (uint32_t i = 0; i < 60; ++i) {
    jobs[i].urgent = i >= 50;
    jobs[i].user_data = &n_done;
    jobs[i].done = [](PageJob* job) {
      order.push_back(job->identity.page);
      ++*static_cast<std::atomic<uint32_t>*>(job->user_data);
    };
  }
  auto transfer = std::move(PageTransfer::create(disk, {.staging_bytes = 4096})).value();
  std::vector<PageJob*> list;
  for (uint32_t i = 0; i < 60; ++i) list.push_back(&jobs[i]);
  transfer->submit(list);
  while (n_done != 60) std::this_thread::yield();
  for (uint32_t i = 0; i < 10; ++i) EXPECT_EQ(50 + i, order[i]);
}

TEST(PageTransfer, helpers_share_the_work_and_each_job_ends_once) {
  SimulatedDisk disk;
  DiskAccount account(UINT64_MAX);
  auto file = scratch(disk, "/", true, account);
  Jobs jobs(file.get(), 700);
  // Memory for few runs, so that the disk waits for what helpers give back.
  const PageTransfer::Options options = {.staging_bytes = 64u << 10};
  jobs.run(disk, IoOperation::write, options, 3);
  EXPECT_TRUE(jobs.failed(ErrorKind::io).empty());
  jobs[13].record.tag[0] ^= 1;
  for (int round = 0; round < 5; ++round) {
    jobs.run(disk, IoOperation::read, options, 3);
    EXPECT_EQ(std::vector<size_t>{13}, jobs.failed(ErrorKind::corrupt));
    jobs.expect_pages({13});
  }
}

TEST(PageTransfer, destroying_waits_for_every_job) {
  SimulatedDisk disk;
  DiskAccount account(UINT64_MAX);
  auto file = scratch(disk, "/", true, account);
  std::atomic<uint32_t> n_done{0};
  std::vector<PageJob> jobs(100);
  Bytes page = page_of(1, 4096);
  {
    auto transfer = std::move(PageTransfer::create(disk, {})).value();
    for (PageJob& job : jobs) {
      job.operation = IoOperation::write;
      job.file = file.get();
      job.record.offset_bytes = file->allocate(4096, 1).value();
      job.page = page.data();
      job.page_bytes = 4096;
      job.user_data = &n_done;
      job.done = [](PageJob* done) { ++*static_cast<std::atomic<uint32_t>*>(done->user_data); };
      PageJob* const one = &job;
      transfer->submit({&one, 1});
    }
  }
  EXPECT_EQ(100u, n_done);
}

}  // namespace
}  // namespace leoam
