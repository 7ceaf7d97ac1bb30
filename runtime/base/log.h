// LogSink: where the library's messages go. The library never prints; without a sink messages are dropped.
#pragma once

#include <cstdint>
#include <mutex>
#include <string_view>

namespace leoam {

enum class LogLevel : int32_t { error = 0, warning = 1, info = 2, debug = 3 };

// Thread-safe: calls to the user's function are serialised. The function must not call back into the library.
class LogSink {
 public:
  using Function = void (*)(void* user_data, LogLevel level, std::string_view text);

  LogSink() = default;
  LogSink(Function function, void* user_data, LogLevel level)
      : function_(function), user_data_(user_data), level_(level) {}

  bool wants(LogLevel level) const { return function_ && level <= level_; }
  void write(LogLevel level, std::string_view text);

 private:
  std::mutex mutex_;
  Function function_ = nullptr;
  void* user_data_ = nullptr;
  LogLevel level_ = LogLevel::warning;
};

}  // namespace leoam
