// What the operating system says went wrong.
#pragma once

#include <string>
#include <system_error>

namespace leoam {

// strerror is not thread-safe; the generic category formats without shared state.
inline std::string system_reason(int code) {
  return std::generic_category().message(code);
}

}  // namespace leoam
