// Instance and CancelFlag. Part of leoam.hpp.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "leoam/detail.hpp"

namespace leoam {
inline namespace v1 {

enum class LogLevel : int32_t {
  error = LEOAM_LOG_ERROR,
  warning = LEOAM_LOG_WARNING,
  info = LEOAM_LOG_INFO,
  debug = LEOAM_LOG_DEBUG
};

// done of total; false stops the work, which then fails with LEOAM_ERROR_CANCELLED.
using Progress = std::function<bool(uint64_t done, uint64_t total)>;

inline leoam_build_info build_info() {
  auto info = detail::make<leoam_build_info>();
  detail::call(leoam_get_build_info, &info);
  return info;
}

struct InstanceOptions {
  uint32_t n_threads = 0;                                 // 0: the library's choice
  std::string cpu_level{};                                // "scalar", "avx2", "avx512"; empty: the best
  uint64_t host_kv_budget_bytes = 0;                      // 0: half of the machine's memory
  std::function<void(LogLevel, std::string_view)> log{};  // must not call the library; what it throws is lost
  LogLevel log_level = LogLevel::warning;
  uint64_t disk_kv_budget_bytes = 0;  // of scratch and open session files; 0: half of what is free
  uint64_t disk_write_cap_bytes = 0;  // 0: none
  std::string state_folder{};         // absolute; empty: that of the user
  bool plaintext_scratch = false;     // KV that leaves memory is not encrypted
  bool io_uring = true;
  bool direct_io = true;
  uint64_t device_kv_budget_bytes = 0;  // of a device with memory of its own; 0: half of it
};

class CancelFlag;

class Instance {
 public:
  explicit Instance(InstanceOptions options = {}) : state_(std::make_shared<State>()) {
    state_->log = std::move(options.log);
    auto c = detail::make<leoam_instance_options>();
    c.n_threads = options.n_threads;
    c.cpu_level = detail::view(options.cpu_level);
    c.host_kv_budget_bytes = options.host_kv_budget_bytes;
    c.log_level = static_cast<leoam_log_level>(options.log_level);
    c.disk_kv_budget_bytes = options.disk_kv_budget_bytes;
    c.disk_write_cap_bytes = options.disk_write_cap_bytes;
    c.state_folder = detail::view(options.state_folder);
    c.device_kv_budget_bytes = options.device_kv_budget_bytes;
    c.flags = (options.plaintext_scratch ? LEOAM_INSTANCE_PLAINTEXT_SCRATCH : 0) |
              (options.io_uring ? 0 : LEOAM_INSTANCE_NO_IO_URING) |
              (options.direct_io ? 0 : LEOAM_INSTANCE_NO_DIRECT_IO);
    if (state_->log) {
      c.log = on_log;
      c.log_user_data = state_.get();
    }
    detail::call(leoam_instance_create, &c, state_->handle.out());
  }

  leoam_instance* get() const { return state_->handle.get(); }

  // Return when the budget holds; what is too much moves to files, while requests go on.
  void set_host_kv_budget(uint64_t bytes) { detail::call(leoam_instance_set_host_kv_budget, get(), bytes); }
  void set_host_kv_budget(uint64_t bytes, const Progress& on_progress, const CancelFlag* cancel = nullptr);
  void set_device_kv_budget(uint64_t bytes) {
    detail::call(leoam_instance_change_device_kv_budget, get(), bytes, nullptr);
  }
  void set_disk_kv_budget(uint64_t bytes) { detail::call(leoam_instance_set_disk_kv_budget, get(), bytes); }
  // UINT64_MAX: none.
  void set_disk_write_cap(uint64_t bytes) { detail::call(leoam_instance_set_disk_write_cap, get(), bytes); }

  leoam_instance_statistics statistics() const {
    auto statistics = detail::make<leoam_instance_statistics>();
    detail::call(leoam_instance_get_statistics, get(), &statistics);
    return statistics;
  }

  // Facts for a diagnosis: dotted key and value.
  std::vector<std::pair<std::string, std::string>> describe() const {
    std::vector<std::pair<std::string, std::string>> facts;
    for (uint64_t i = 0;; ++i) {
      leoam_string key{}, value{};
      auto error = detail::make<leoam_error>();
      const leoam_status code = leoam_instance_describe(get(), i, &key, &value, &error);
      if (code == LEOAM_ERROR_NOT_FOUND) return facts;
      detail::check(code, error);
      facts.emplace_back(detail::view(key), detail::view(value));
    }
  }

  // Cancels all requests; no callback of a request or of the log runs after it.
  void detach() { detail::call(leoam_instance_detach, get()); }

 private:
  struct State {
    // Declared before the handle: log messages may come until the handle is released.
    std::function<void(LogLevel, std::string_view)> log;
    detail::Handle<leoam_instance, leoam_instance_release> handle;
  };

  static void on_log(leoam_log_level level, const char* text, uint64_t size, void* user_data) {
    try {
      static_cast<State*>(user_data)->log(static_cast<LogLevel>(level), {text, static_cast<size_t>(size)});
    } catch (...) {  // nobody to tell
    }
  }

  std::shared_ptr<State> state_;
};

// A wish to stop that any thread may set; long calls watch it.
class CancelFlag {
 public:
  explicit CancelFlag(const Instance& instance)
      : handle_(std::make_shared<detail::Handle<leoam_cancel_flag, leoam_cancel_flag_release>>()) {
    detail::call(leoam_cancel_flag_create, instance.get(), handle_->out());
  }
  leoam_cancel_flag* get() const { return handle_->get(); }
  // Allowed in a signal handler.
  void set() noexcept { leoam_cancel_flag_set(get()); }
  void clear() noexcept { leoam_cancel_flag_clear(get()); }

 private:
  std::shared_ptr<detail::Handle<leoam_cancel_flag, leoam_cancel_flag_release>> handle_;
};

inline void Instance::set_host_kv_budget(uint64_t bytes, const Progress& on_progress,
                                         const CancelFlag* cancel) {
  struct Call {
    const Progress& on_progress;
    std::exception_ptr thrown;
    static int32_t report(uint64_t done, uint64_t total, void* user_data) {
      auto* self = static_cast<Call*>(user_data);
      return detail::run(self->thrown, [&] { return self->on_progress(done, total); });
    }
  } call{on_progress, nullptr};
  auto c = detail::make<leoam_budget_options>();
  if (on_progress) c.on_progress = Call::report;
  c.user_data = &call;
  if (cancel) c.cancel = cancel->get();
  auto error = detail::make<leoam_error>();
  const leoam_status code = leoam_instance_change_host_kv_budget(get(), bytes, &c, &error);
  if (call.thrown) std::rethrow_exception(call.thrown);
  detail::check(code, error);
}

}  // namespace v1
}  // namespace leoam
