#include "disk_rate.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "common.h"

namespace leoam::cli {
namespace {

constexpr size_t kRead_bytes = size_t{1} << 20;
constexpr size_t kReads = 128;
constexpr int kThreads = 4;  // requests in flight

using Block = std::unique_ptr<uint8_t, decltype(&std::free)>;

Block aligned_block() {
  Block block(static_cast<uint8_t*>(std::aligned_alloc(4096, kRead_bytes)), &std::free);
  if (!block) throw std::bad_alloc();
  return block;
}

}  // namespace

DiskRate::DiskRate(const std::string& folder) {
  fd_ = open(folder.c_str(), O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
  if (fd_ < 0) fd_ = open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd_ < 0) throw Failure("cannot measure the disk: no file can be made in " + folder);
  const Block block = aligned_block();
  // No two blocks alike, nor like anything that a disk stores for free.
  uint64_t state = 0x9e3779b97f4a7c15;
  for (size_t i = 0; i < kReads; ++i) {
    for (size_t at = 0; at < kRead_bytes; at += sizeof state) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      std::copy_n(reinterpret_cast<const uint8_t*>(&state), sizeof state, block.get() + at);
    }
    if (pwrite(fd_, block.get(), kRead_bytes, static_cast<off_t>(i * kRead_bytes)) !=
        static_cast<ssize_t>(kRead_bytes)) {
      close(fd_);
      throw Failure("cannot measure the disk: writing to " + folder + " failed");
    }
  }
  fdatasync(fd_);
}

DiskRate::~DiskRate() {
  if (fd_ >= 0) close(fd_);
}

double DiskRate::measure() {
  std::vector<Block> blocks;
  blocks.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) blocks.push_back(aligned_block());
  // Of no use where O_DIRECT is, and the best there is elsewhere.
  posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED);
  std::atomic<size_t> next{0};
  std::atomic<bool> failed{false};
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  const auto start = std::chrono::steady_clock::now();
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (size_t i = next++; i < kReads; i = next++)
        if (pread(fd_, blocks[static_cast<size_t>(t)].get(), kRead_bytes,
                  static_cast<off_t>(i * kRead_bytes)) != static_cast<ssize_t>(kRead_bytes))
          failed = true;
    });
  for (std::thread& thread : threads) thread.join();
  if (failed) throw Failure("cannot measure the disk: reading failed");
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  return static_cast<double>(kReads * kRead_bytes) / seconds.count();
}

}  // namespace leoam::cli
