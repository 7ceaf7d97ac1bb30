// What the tests of the C interface share: small models on disk, an instance with one, and checks that show
// the library's own message.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "leoam/leoam.h"
#include "tests/support/temp_folder.h"

namespace leoam_test {

// A model file that lives as long as the object.
class ModelFile {
 public:
  virtual ~ModelFile() = default;
  virtual const std::string& path() const = 0;
};

// Byte-level tokenizer and a chat template; a step takes well below a millisecond.
std::unique_ptr<ModelFile> small_model();
// The same with a context of 4,096 tokens and 2 KiB of KV a token: enough for tiers to have something to
// move.
std::unique_ptr<ModelFile> roomy_model();
// No tokenizer, context of 8,192 tokens; a prefill of all of it takes seconds.
std::unique_ptr<ModelFile> slow_model();

// LEOAM_EXPECT_OK(leoam_f(arguments, &error)), with `error` in scope.
#define LEOAM_EXPECT_OK(call) EXPECT_EQ(LEOAM_OK, (call)) << error.message
#define LEOAM_ASSERT_OK(call) ASSERT_EQ(LEOAM_OK, (call)) << error.message

template <class T>
T zeroed() {
  T value;
  LEOAM_INIT(value);
  return value;
}

inline leoam_string view(std::string_view text) {
  return {text.data(), text.size()};
}
inline std::string text_of(const leoam_string& text) {
  return {text.data, static_cast<size_t>(text.size)};
}

inline uint64_t ms_since(std::chrono::steady_clock::time_point start) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start)
          .count());
}

// The promise is 100 ms of work; a machine that others use, and sanitizers, stretch it.
inline constexpr uint64_t kCancelBoundMs = 1000;

// A point that one thread reaches and another waits for.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

// An instance with a model and a session, released afterwards. Its state folder is its own when the options
// name none.
class Loaded {
 public:
  explicit Loaded(const std::string& path, leoam_instance_options options = zeroed<leoam_instance_options>());
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;
  ~Loaded();
  std::vector<int32_t> tokens(std::string_view text) const;

  leoam_instance* instance = nullptr;
  leoam_model* model = nullptr;
  leoam_session* session = nullptr;

 private:
  leoam::testing::TempFolder state_;
};

// Everything that one request delivers.
struct Answer {
  std::vector<int32_t> tokens;
  std::string text;
  std::vector<std::string> pieces;  // text of each event
  leoam_finish_reason reason = LEOAM_FINISH_NONE;
  void add(const leoam_event& event);
};

// The next event of a LEOAM_DELIVERY_POLL request, waited for; LEOAM_EVENT_NONE when none comes within 30 s.
leoam_event next_event(leoam_request* request);

// Runs a request to its end and releases it; the way of delivery is that of the options.
Answer run(leoam_session* session, leoam_request_options options);

}  // namespace leoam_test
