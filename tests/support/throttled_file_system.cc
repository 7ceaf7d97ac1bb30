#include "tests/support/throttled_file_system.h"

#include <algorithm>
#include <map>
#include <thread>

namespace leoam::testing {
namespace {

class ThrottledQueue final : public IoQueue {
 public:
  ThrottledQueue(ThrottledFileSystem& files, std::unique_ptr<IoQueue> below)
      : files_(files), below_(std::move(below)) {}

  uint32_t depth() const override { return below_->depth(); }
  uint32_t n_in_flight() const override { return static_cast<uint32_t>(ends_.size()); }
  void submit(std::span<IoRequest* const> requests) override {
    for (IoRequest* const request : requests) ends_.emplace(request, files_.take_turn(request->bytes));
    below_->submit(requests);
  }
  void reap(bool wait, std::vector<IoRequest*>* done) override {
    if (ends_.empty()) return;
    const size_t before = done->size();
    for (;;) {
      std::vector<IoRequest*> ended;
      below_->reap(wait && ended_.empty(), &ended);
      ended_.insert(ended_.end(), ended.begin(), ended.end());
      const auto now = ThrottledFileSystem::Clock::now();
      auto next = ThrottledFileSystem::Clock::time_point::max();
      std::erase_if(ended_, [&](IoRequest* request) {
        const auto end = ends_.find(request);
        if (end->second > now) {
          next = std::min(next, end->second);
          return false;
        }
        ends_.erase(end);
        done->push_back(request);
        return true;
      });
      if (!wait || done->size() > before) return;
      std::this_thread::sleep_until(next);
    }
  }

 private:
  ThrottledFileSystem& files_;
  const std::unique_ptr<IoQueue> below_;
  std::map<IoRequest*, ThrottledFileSystem::Clock::time_point> ends_;  // of all in flight
  std::vector<IoRequest*> ended_;                                      // below, in flight here
};

}  // namespace

ThrottledFileSystem::Clock::time_point ThrottledFileSystem::take_turn(uint64_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const Clock::time_point earliest = Clock::now() + std::chrono::microseconds(disk_.latency_us);
  const std::chrono::duration<double> takes(static_cast<double>(bytes) / disk_.bytes_per_second);
  idle_from_ = std::max(idle_from_, earliest) + std::chrono::duration_cast<Clock::duration>(takes);
  return idle_from_;
}

Result<std::unique_ptr<IoQueue>> ThrottledFileSystem::create_queue(uint32_t depth,
                                                                   std::span<uint8_t> staging) {
  LEOAM_ASSIGN_OR_RETURN(std::unique_ptr<IoQueue> below, below_->create_queue(depth, staging));
  return std::unique_ptr<IoQueue>(new ThrottledQueue(*this, std::move(below)));
}

}  // namespace leoam::testing
