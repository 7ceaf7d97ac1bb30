// LogBridge: the user's log function behind the engine's log sink, which may be taken away while messages
// come.
#pragma once

#include <mutex>
#include <string_view>

#include "c_api/include/leoam/leoam.h"
#include "c_api/src/callback_list.h"
#include "runtime/base/log.h"

namespace leoam::c_api {

class LogBridge {
 public:
  LogBridge(leoam_log_function function, void* user_data, CallbackList& callbacks)
      : function_(function), user_data_(user_data), callbacks_(callbacks) {}

  // A LogSink::Function; user_data is the bridge.
  static void write(void* user_data, LogLevel level, std::string_view text);
  // The function is not called any more when this returns.
  void detach();

 private:
  // Recursive, so that a log function that breaks its rule and calls detach does not hang.
  std::recursive_mutex mutex_;
  leoam_log_function function_;
  void* const user_data_;
  CallbackList& callbacks_;
};

}  // namespace leoam::c_api
