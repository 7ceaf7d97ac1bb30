#include "runtime/base/log.h"

namespace leoam {

void LogSink::write(LogLevel level, std::string_view text) {
  if (!wants(level)) return;
  std::lock_guard<std::mutex> lock(mutex_);
  function_(user_data_, level, text);
}

}  // namespace leoam
