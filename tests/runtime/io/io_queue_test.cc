#include "runtime/io/io_queue.h"

#include <algorithm>
#include <random>
#include <thread>

#include "tests/runtime/io/back_end.h"

namespace leoam {
namespace {

class IoQueueTest : public BackEndTest {
 protected:
  std::unique_ptr<IoQueue> queue(uint32_t depth, std::span<uint8_t> staging = {}) {
    auto queue = files_->create_queue(depth, staging);
    EXPECT_TRUE(queue.ok()) << queue.status().message();
    return queue.ok() ? std::move(*queue) : nullptr;
  }
};

IoRequest request(IoOperation operation, WritableFile& file, uint64_t block, std::span<uint8_t> data) {
  return {operation, &file, block * kIoBlock_bytes, data.data(), static_cast<uint32_t>(data.size()),
          nullptr,   {}};
}

void submit(IoQueue& queue, std::span<IoRequest> requests) {
  std::vector<IoRequest*> pointers;
  for (IoRequest& each : requests) pointers.push_back(&each);
  queue.submit(pointers);
}

// All that are in flight.
std::vector<IoRequest*> reap_all(IoQueue& queue) {
  std::vector<IoRequest*> done;
  while (queue.n_in_flight() > 0) {
    const size_t before = done.size();
    queue.reap(true, &done);
    EXPECT_GT(done.size(), before) << "waited for nothing";
    if (done.size() == before) break;
  }
  return done;
}

TEST_P(IoQueueTest, SixtyFourRequestsInFlight) {
  constexpr uint32_t kDepth = 64;
  const auto file = unnamed();
  // Every other request lies in staging.
  const Blocks staging(kDepth, 1);
  const Blocks plain(kDepth, 2);
  const auto ring = queue(kDepth, staging.span());
  EXPECT_EQ(ring->depth(), kDepth);
  const auto memory = [&](uint32_t i) { return (i % 2 == 0 ? staging : plain).span(i, 1); };
  std::vector<IoRequest> writes;
  for (uint32_t i = 0; i < kDepth; ++i) writes.push_back(request(IoOperation::write, *file, i, memory(i)));
  submit(*ring, writes);
  EXPECT_EQ(ring->n_in_flight(), kDepth);
  std::vector<IoRequest*> done = reap_all(*ring);
  EXPECT_EQ(done.size(), kDepth);
  for (const IoRequest* each : done) EXPECT_OK(each->status.clone());
  EXPECT_EQ(std::unique(done.begin(), done.end()), done.end());

  Blocks expected(kDepth);
  for (uint32_t i = 0; i < kDepth; ++i)
    std::copy_n(memory(i).data(), kIoBlock_bytes, expected.span(i, 1).data());
  Blocks read(kDepth);
  EXPECT_OK(file->read_at(0, read.span()));
  EXPECT_EQ(read, expected);

  std::fill_n(staging.data(), staging.bytes(), uint8_t{0});
  std::fill_n(plain.data(), plain.bytes(), uint8_t{0});
  std::vector<IoRequest> reads;
  for (uint32_t i = 0; i < kDepth; ++i) reads.push_back(request(IoOperation::read, *file, i, memory(i)));
  submit(*ring, reads);
  reap_all(*ring);
  for (uint32_t i = 0; i < kDepth; ++i) {
    EXPECT_OK(reads[i].status.clone());
    EXPECT_EQ(std::memcmp(memory(i).data(), expected.span(i, 1).data(), kIoBlock_bytes), 0) << i;
  }
}

TEST_P(IoQueueTest, RandomRequestsOfAnySizeKeepTheQueueFull) {
  constexpr size_t kBlocks = 300;
  constexpr uint32_t kDepth = 32;
  const Blocks contents(kBlocks, 3);
  const auto file = unnamed();
  EXPECT_OK(file->write_at(0, contents.span()));
  constexpr size_t kLongest = 65;
  const Blocks staging(kDepth * kLongest);
  const auto ring = queue(kDepth, staging.span());
  std::mt19937 random(4);
  std::vector<IoRequest> slots(kDepth);
  const auto start = [&](size_t slot) {
    const size_t n = 1 + random() % kLongest;
    slots[slot] =
        request(IoOperation::read, *file, random() % (kBlocks - n + 1), staging.span(slot * kLongest, n));
    slots[slot].user_data = &slots[slot];
    IoRequest* const one = &slots[slot];
    ring->submit({&one, 1});
  };
  for (size_t slot = 0; slot < kDepth; ++slot) start(slot);
  int n_done = 0;
  std::vector<IoRequest*> done;
  while (ring->n_in_flight() > 0) {
    done.clear();
    ring->reap(true, &done);
    for (const IoRequest* each : done) {
      EXPECT_OK(each->status.clone());
      EXPECT_EQ(each->user_data, each);
      EXPECT_EQ(std::memcmp(each->data, contents.data() + each->offset_bytes, each->bytes), 0);
      if (++n_done < 500) start(static_cast<size_t>(each - slots.data()));
    }
  }
  EXPECT_GE(n_done, 500);
}

TEST_P(IoQueueTest, FailuresAreTheRequestsOwn) {
  const auto file = unnamed();
  EXPECT_OK(file->write_at(0, Blocks(4, 5).span()));
  EXPECT_OK(file->resize(3 * kIoBlock_bytes + 100));
  const Blocks staging(8);
  const auto ring = queue(32, staging.span());
  std::vector<IoRequest> requests;
  requests.push_back(request(IoOperation::read, *file, 0, staging.span(0, 3)));
  requests.push_back(request(IoOperation::read, *file, 2, staging.span(3, 2)));  // ends within
  requests.push_back(request(IoOperation::read, *file, 9, staging.span(5, 1)));  // behind
  requests.push_back(request(IoOperation::read, *file, 0, staging.span().subspan(100, kIoBlock_bytes)));
  requests.push_back(request(IoOperation::read, *file, 1, staging.span(7, 1)));
  requests.push_back(request(IoOperation::read, *file, 0, {}));
  submit(*ring, requests);
  EXPECT_EQ(ring->n_in_flight(), requests.size());
  reap_all(*ring);
  EXPECT_OK(requests[0].status.clone());
  EXPECT_KIND(requests[1].status.clone(), corrupt);
  EXPECT_KIND(requests[2].status.clone(), corrupt);
  EXPECT_KIND(requests[3].status.clone(), invalid_argument);
  EXPECT_OK(requests[4].status.clone());
  EXPECT_OK(requests[5].status.clone());
}

TEST_P(IoQueueTest, ReapingAnEmptyQueueReturns) {
  const auto ring = queue(1);
  std::vector<IoRequest*> done;
  ring->reap(false, &done);
  ring->reap(true, &done);
  ring->submit({});
  EXPECT_TRUE(done.empty());
  EXPECT_EQ(ring->n_in_flight(), 0u);
  EXPECT_KIND(files_->create_queue(0, {}).status(), invalid_argument);
}

TEST_P(IoQueueTest, DestroyingWaitsForWhatIsInFlight) {
  const auto file = unnamed();
  const Blocks written(64, 6);
  std::vector<IoRequest> writes;
  for (uint32_t i = 0; i < 64; ++i)
    writes.push_back(request(IoOperation::write, *file, i, written.span(i, 1)));
  {
    const auto ring = queue(64, written.span());
    submit(*ring, writes);
  }
  Blocks read(64);
  EXPECT_OK(file->read_at(0, read.span()));
  EXPECT_EQ(read, written);
}

TEST_P(IoQueueTest, FilesCloseWhileTheQueueLives) {
  const auto ring = queue(32);
  Blocks block(1);
  // More files than a ring has places for, and each closes before the next opens: places and descriptors are
  // used again.
  for (uint32_t i = 1; i <= 200; ++i) {
    const auto file = unnamed();
    const Blocks mine(1, i);
    EXPECT_OK(file->write_at(0, mine.span()));
    IoRequest read = request(IoOperation::read, *file, 0, block.span());
    submit(*ring, {&read, 1});
    reap_all(*ring);
    EXPECT_OK(read.status.clone());
    ASSERT_EQ(block, mine) << i;
  }
  // And as many at once.
  std::vector<std::unique_ptr<WritableFile>> files;
  for (uint32_t i = 0; i < 100; ++i) {
    files.push_back(unnamed());
    Blocks mine(1, i + 1);
    IoRequest write = request(IoOperation::write, *files.back(), 0, mine.span());
    submit(*ring, {&write, 1});
    reap_all(*ring);
    EXPECT_OK(write.status.clone());
  }
  for (uint32_t i = 0; i < 100; ++i) {
    IoRequest read = request(IoOperation::read, *files[i], 0, block.span());
    submit(*ring, {&read, 1});
    reap_all(*ring);
    ASSERT_EQ(block, Blocks(1, i + 1)) << i;
  }
}

TEST_P(IoQueueTest, AClosedFileIsUnlockedWhileTheQueueLives) {
  const auto ring = queue(32);
  auto file = create("a");
  EXPECT_OK(files_->lock(*file, path("a")));
  Blocks block(1, 7);
  IoRequest write = request(IoOperation::write, *file, 0, block.span());
  submit(*ring, {&write, 1});
  reap_all(*ring);
  file = nullptr;
  const auto next = opened("a", OpenMode::read_write);
  EXPECT_OK(files_->lock(*next, path("a")));
}

TEST_P(IoQueueTest, AQueueMayGoFromThreadToThread) {
  const auto file = unnamed();
  const Blocks written(32, 8);
  const Blocks read(32);
  const auto ring = queue(64, read.span());
  std::vector<IoRequest> requests;
  std::thread([&] {
    for (uint32_t i = 0; i < 32; ++i)
      requests.push_back(request(IoOperation::write, *file, i, written.span(i, 1)));
    submit(*ring, requests);
  }).join();
  std::thread([&] { reap_all(*ring); }).join();
  for (const IoRequest& each : requests) EXPECT_OK(each.status.clone());
  for (uint32_t i = 0; i < 32; ++i) requests[i] = request(IoOperation::read, *file, i, read.span(i, 1));
  submit(*ring, requests);
  std::thread([&] { reap_all(*ring); }).join();
  EXPECT_EQ(read, written);
}

TEST_P(IoQueueTest, TwoQueuesShareAFile) {
  const auto file = unnamed();
  const Blocks contents(64, 9);
  EXPECT_OK(file->write_at(0, contents.span()));
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&] {
      const Blocks read(64);
      const auto ring = queue(32, read.span());
      for (int round = 0; round < 10; ++round) {
        std::vector<IoRequest> requests;
        for (uint32_t i = 0; i < 32; ++i)
          requests.push_back(request(IoOperation::read, *file, 2 * i, read.span(2 * i, 2)));
        submit(*ring, requests);
        reap_all(*ring);
      }
      EXPECT_EQ(read, contents);
    });
  for (std::thread& thread : threads) thread.join();
}

INSTANTIATE_TEST_SUITE_P(All, IoQueueTest, ::testing::ValuesIn(all_back_ends()), back_end_name);

}  // namespace
}  // namespace leoam
