// StopText: finds stop strings in a stream of text and lets no part of one out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace leoam {

// Thread rule: one thread at a time.
class StopText {
 public:
  static constexpr size_t kMaxStrings = 64;
  static constexpr size_t kMaxBytes = 256;

  // Fails with invalid_argument: too many strings, an empty or too long one, or one that starts inside a code
  // point.
  static Result<StopText> create(std::vector<std::string> stops);

  // Appends to `out` what can be shown of the stream so far. True when a stop string was found: the text
  // before the first one has been shown, nothing behind it ever is.
  bool push(std::string_view text, std::string* out);
  // The stream ended without a stop string: shows what was held back.
  void finish(std::string* out);

 private:
  std::vector<std::string> stops_;
  std::string held_;
};

}  // namespace leoam
