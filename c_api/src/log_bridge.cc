#include "c_api/src/log_bridge.h"

namespace leoam::c_api {

static_assert(static_cast<int>(LogLevel::error) + 1 == LEOAM_LOG_ERROR);
static_assert(static_cast<int>(LogLevel::debug) + 1 == LEOAM_LOG_DEBUG);

void LogBridge::write(void* user_data, LogLevel level, std::string_view text) {
  auto* bridge = static_cast<LogBridge*>(user_data);
  const std::lock_guard lock(bridge->mutex_);
  if (!bridge->function_) return;
  const CallbackList::Scope scope(bridge->callbacks_);
  bridge->function_(static_cast<leoam_log_level>(level) + 1, text.data(), text.size(), bridge->user_data_);
}

void LogBridge::detach() {
  const std::lock_guard lock(mutex_);
  function_ = nullptr;
}

}  // namespace leoam::c_api
