// Pages that are damaged, or are given up while they are on their way.
#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "runtime/store/session_file.h"
#include "tests/runtime/kv/kv_fixture.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/session_model.h"

namespace leoam::testing {
namespace {

constexpr uint32_t kPage_bytes = 4096;
constexpr char kPath[] = "/a.session";

// A step waits while the gate is closed.
class Gate {
 public:
  void close() { set(false); }
  void open() { set(true); }
  void pass() {
    std::unique_lock lock(mutex_);
    ++n_waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    --n_waiting_;
  }
  void await_waiting() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return n_waiting_ > 0; });
  }

 private:
  void set(bool open) {
    const std::lock_guard lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  int n_waiting_ = 0;
};

class TiersFaultTest : public KvTest {
 protected:
  void start(uint64_t host_bytes) {
    account_ = std::make_unique<DiskAccount>(UINT64_MAX);
    TierOptions options;
    options.host_budget_bytes = host_bytes;
    options.scratch_folder = "/scratch";
    tiers_ = std::make_unique<Tiers>(*device_, files_, *account_, options);
  }

  std::shared_ptr<PageFile> session_file(const std::string& path) {
    SessionIdentity identity = small_identity();
    identity.page_bytes = kPage_bytes;
    auto file = SessionFile::create(files_, path, nullptr, identity, *account_);
    EXPECT_TRUE(file.ok()) << file.status().message();
    return std::move(file).value();
  }

  // Sealed pages, each of its own bytes.
  std::vector<PageHandle> pages(uint32_t n, uint32_t bytes = kPage_bytes) {
    std::vector<PageHandle> out;
    const Status status = tiers_->create({0}, 0, bytes, n, {}, &out);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_TRUE(tiers_->pin(out, {}).ok());
    fill(out);
    tiers_->unpin(out);
    tiers_->seal(out);
    return out;
  }

  std::vector<PageHandle> adopt(const std::vector<PageHandle>& from, const std::shared_ptr<PageFile>& file) {
    std::vector<PageHandle> out;
    for (const PageHandle& page : from)
      out.push_back(tiers_->adopt(page->stream, page->number, page->bytes, file,
                                  tiers_->saved_record(*page.get(), *file)));
    return out;
  }

  static uint8_t* bytes_of(const PageHandle& page) { return page->at(Level::host).frame.data; }
  static void fill(const std::vector<PageHandle>& pages) {
    for (const PageHandle& page : pages)
      std::fill_n(bytes_of(page), page->bytes, static_cast<uint8_t>(page->number + 1));
  }
  static void expect_filled(const std::vector<PageHandle>& pages) {
    for (const PageHandle& page : pages)
      EXPECT_EQ(page->bytes, std::count(bytes_of(page), bytes_of(page) + page->bytes,
                                        static_cast<uint8_t>(page->number + 1)))
          << page->number;
  }

  // What was on its way arrives, and nothing of it stays beside the pages that are still there.
  void expect_only(size_t n_pages) {
    const auto too_much = [&] {
      const TierStatistics now = tiers_->statistics();
      return now.host_bytes - now.staging_bytes > n_pages * (kPage_bytes + kPageOverhead_bytes) ||
             now.scratch_bytes > n_pages * kPage_bytes;
    };
    for (int i = 0; i < 5000 && too_much(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_FALSE(too_much()) << tiers_->statistics().host_bytes << " in RAM, "
                             << tiers_->statistics().scratch_bytes << " on disk";
  }

  // The tiers end before files_, which their thread may still use.
  void TearDown() override {
    gate_.open();
    tiers_.reset();
  }

  Gate gate_;
  FaultFileSystem files_{
      disk_, FaultPlan{.before_step = [this](uint64_t, FaultOperation operation) {
        if (operation == FaultOperation::queue_read || operation == FaultOperation::queue_write) gate_.pass();
      }}};
};

TEST_F(TiersFaultTest, ASaveThatMeetsADamagedPageGivesAllOthersARecord) {
  start(4u << 20);
  const auto first = session_file(kPath);
  const std::vector<PageHandle> original = pages(20);
  ASSERT_TRUE(tiers_->save(original, first, {}).ok());
  const std::vector<PageHandle> adopted = adopt(original, first);
  const std::vector<uint32_t> damaged = {0, 7, 8, 19};
  for (const uint32_t page : damaged)
    disk_.flip_bit(std::string(kPath) + ".new",
                   tiers_->saved_record(*original[page].get(), *first).offset_bytes * 8 + 77);
  const auto second = session_file("/b.session");
  const Status status = tiers_->save(adopted, second, {});
  ASSERT_TRUE(status.ok()) << status.message();
  for (uint32_t page = 0; page < adopted.size(); ++page) {
    const bool is_damaged = std::ranges::find(damaged, page) != damaged.end();
    EXPECT_EQ(is_damaged, tiers_->damaged(*adopted[page].get())) << page;
    EXPECT_EQ(is_damaged, !tiers_->saved_record(*adopted[page].get(), *second).present()) << page;
  }
  EXPECT_EQ(tiers_->statistics().n_pages_damaged, damaged.size());
  if (HasFailure()) return;
  // What was written is what was read.
  std::vector<PageHandle> healthy;
  for (uint32_t page = 0; page < adopted.size(); ++page)
    if (std::ranges::find(damaged, page) == damaged.end()) healthy.push_back(original[page]);
  for (PageHandle& page : healthy)
    page = tiers_->adopt({0}, page->number, kPage_bytes, second,
                         tiers_->saved_record(*adopted[page->number].get(), *second));
  ASSERT_TRUE(tiers_->pin(healthy, {}).ok());
  expect_filled(healthy);
  tiers_->unpin(healthy);
}

TEST_F(TiersFaultTest, APageThatIsGivenUpWhileItIsReadKeepsItsFrameUntilThen) {
  start(4u << 20);
  const auto file = session_file(kPath);
  std::vector<PageHandle> original = pages(16);
  ASSERT_TRUE(tiers_->save(original, file, {}).ok());
  std::vector<PageHandle> adopted = adopt(original, file);
  gate_.close();
  uint64_t started_bytes = 0;
  EXPECT_EQ(adopted.size(), tiers_->want(adopted, &started_bytes));
  EXPECT_EQ(adopted.size() * kPage_bytes, started_bytes);
  gate_.await_waiting();
  adopted.clear();
  // What takes room now gets other frames.
  std::vector<PageHandle> others = pages(64);
  gate_.open();
  expect_only(others.size() + original.size());
  ASSERT_TRUE(tiers_->pin(others, {}).ok());
  expect_filled(others);
  tiers_->unpin(others);
  others.clear();
  original.clear();
  expect_only(0);
}

TEST_F(TiersFaultTest, APageThatIsGivenUpWhileItIsWrittenLeavesNothing) {
  start(100u << 10);
  gate_.close();
  // More than three quarters of the budget: they are on their way to disk when they are sealed.
  std::vector<PageHandle> given_up = pages(18);
  gate_.await_waiting();
  given_up.clear();
  gate_.open();
  expect_only(0);
  const std::vector<PageHandle> others = pages(15);
  ASSERT_TRUE(tiers_->evict(others, {}).ok());
  const std::vector<PageHandle> more = pages(15);
  ASSERT_TRUE(tiers_->evict(more, {}).ok());
  ASSERT_TRUE(tiers_->pin(others, {}).ok());
  expect_filled(others);
  tiers_->unpin(others);
}

// Behind the lock a page that was given up may be another one, of another size.
TEST_F(TiersFaultTest, GivenUpPagesOfSeveralSizesGiveTheirRoomBackExactly) {
  start(4u << 20);
  const auto file = session_file(kPath);
  const uint64_t before = file->used_bytes();
  std::vector<std::thread> threads;
  for (uint32_t thread = 0; thread < 3; ++thread)
    threads.emplace_back([&, thread] {
      for (uint32_t i = 0; i < 400; ++i) {
        const std::vector<PageHandle> some = pages(1 + i % 3, kPage_bytes << ((thread + i) % 3));
        if (i % 2 == 0) {
          EXPECT_TRUE(tiers_->save(some, file, {}).ok());
        }
      }
    });
  for (std::thread& thread : threads) thread.join();
  expect_only(0);
  EXPECT_EQ(before, file->used_bytes());
}

}  // namespace
}  // namespace leoam::testing
