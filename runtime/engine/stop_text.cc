#include "runtime/engine/stop_text.h"

#include <algorithm>

namespace leoam {

Result<StopText> StopText::create(std::vector<std::string> stops) {
  if (stops.size() > kMaxStrings)
    return error(ErrorKind::invalid_argument, "stop: at most {} strings, found {}", kMaxStrings,
                 stops.size());
  for (size_t i = 0; i < stops.size(); ++i) {
    if (stops[i].empty() || stops[i].size() > kMaxBytes)
      return error(ErrorKind::invalid_argument, "stop[{}]: expected 1 to {} bytes, found {}", i, kMaxBytes,
                   stops[i].size());
    if ((static_cast<unsigned char>(stops[i][0]) & 0xc0) == 0x80)
      return error(ErrorKind::invalid_argument, "stop[{}]: starts inside a code point", i);
  }
  StopText stop_text;
  stop_text.stops_ = std::move(stops);
  stop_text.held_.reserve(4 * kMaxBytes);
  return stop_text;
}

bool StopText::push(std::string_view text, std::string* out) {
  if (stops_.empty()) {
    out->append(text);
    return false;
  }
  held_.append(text);
  size_t found = std::string::npos;
  for (const std::string& stop : stops_) found = std::min(found, held_.find(stop));
  if (found != std::string::npos) {
    out->append(held_, 0, found);
    held_.clear();
    return true;
  }
  // The longest end of the text that some stop string begins with.
  size_t keep = 0;
  for (const std::string& stop : stops_) {
    for (size_t n = std::min(stop.size() - 1, held_.size()); n > keep; --n) {
      if (held_.compare(held_.size() - n, n, stop, 0, n) == 0) keep = n;
    }
  }
  out->append(held_, 0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return false;
}

void StopText::finish(std::string* out) {
  out->append(held_);
  held_.clear();
}

}  // namespace leoam
