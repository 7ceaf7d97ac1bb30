#include "runtime/io/thread_queue.h"

#include <pthread.h>

#include <algorithm>
#include <memory>
#include <new>
#include <system_error>

#include "runtime/base/signals_blocked.h"
#include "runtime/io/transfer.h"

namespace leoam {

ThreadQueue::ThreadQueue(uint32_t depth) : depth_(depth) {
  // Nothing is allocated while requests are in flight.
  waiting_.resize(depth);
  done_.reserve(depth);
}

Result<std::unique_ptr<IoQueue>> ThreadQueue::create(uint32_t depth) {
  std::unique_ptr<ThreadQueue> queue(new ThreadQueue(depth));
  const uint32_t n_threads = std::min(depth, kMaxThreads);
  queue->threads_.reserve(n_threads);
  const SignalsBlocked blocked;
  try {
    while (queue->threads_.size() < n_threads) {
      queue->threads_.emplace_back([raw = queue.get()] { raw->work(); });
      pthread_setname_np(queue->threads_.back().native_handle(), "leoam-io");
    }
  } catch (const std::system_error& failure) {
    if (queue->threads_.empty())
      return error(ErrorKind::out_of_memory, "cannot start a thread for files: {}", failure.what());
  }
  return std::unique_ptr<IoQueue>(std::move(queue));
}

ThreadQueue::~ThreadQueue() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  work_ready_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadQueue::submit(std::span<IoRequest* const> requests) {
  n_in_flight_ += static_cast<uint32_t>(requests.size());
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (IoRequest* const request : requests) {
      if (n_waiting_ < depth_) {
        waiting_[(first_ + n_waiting_++) % depth_] = request;
      } else {
        request->status = error(ErrorKind::invalid_argument, "more than {} requests in flight", depth_);
        done_.push_back(request);
      }
    }
  }
  if (requests.size() == 1)
    work_ready_.notify_one();
  else
    work_ready_.notify_all();
}

void ThreadQueue::reap(bool wait, std::vector<IoRequest*>* done) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (wait && n_in_flight_ > 0) work_done_.wait(lock, [&] { return !done_.empty(); });
  done->insert(done->end(), done_.begin(), done_.end());
  n_in_flight_ -= static_cast<uint32_t>(done_.size());
  done_.clear();
}

void ThreadQueue::work() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    work_ready_.wait(lock, [&] { return stop_ || n_waiting_ > 0; });
    if (n_waiting_ == 0) return;
    IoRequest* const request = waiting_[first_];
    first_ = (first_ + 1) % depth_;
    --n_waiting_;
    lock.unlock();
    try {
      request->status = transfer(*request);
    } catch (const std::bad_alloc&) {
      request->status = Status(ErrorKind::out_of_memory, {});
    }
    lock.lock();
    done_.push_back(request);
    work_done_.notify_one();
  }
}

}  // namespace leoam
