// CallbackList: which threads are inside callbacks of one instance. A call that would wait for the thread it
// runs on is refused, and the end of the instance is moved off a thread that the engine must join. A list and
// no thread-local variable: those keep a library mapped.
#pragma once

#include <mutex>
#include <thread>

#include "runtime/base/status.h"

namespace leoam::c_api {

class CallbackList {
 public:
  // Marks the calling thread for its lifetime.
  class Scope {
   public:
    explicit Scope(CallbackList& list);
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope();

   private:
    friend class CallbackList;
    CallbackList& list_;
    const std::thread::id thread_ = std::this_thread::get_id();
    Scope* previous_ = nullptr;
    Scope* next_ = nullptr;
  };

  bool has_this_thread() const;
  // Fails with busy when has_this_thread().
  Status refuse(const char* function) const;

 private:
  mutable std::mutex mutex_;
  Scope* first_ = nullptr;
};

}  // namespace leoam::c_api
