// library.h: the functions of the library, for the sources of the shim.
#pragma once

#include <leoam/leoam.h>

#include <cstdint>
#include <cstring>
#include <new>
#include <string_view>

#include "buffers.h"

namespace leoam_shim {

// Set by library_open, which comes first. All calls go through the table: a missing symbol in an older
// library would end the process at the first call, the table is refused as a whole.
extern const leoam_api* library;

inline void fail(leoam_error& error, leoam_status code, std::string_view message) {
  error = make<leoam_error>();
  error.code = code;
  error.message_size = static_cast<uint32_t>(message.copy(error.message, sizeof(error.message) - 1));
}

// Runs what may run out of memory.
template <class Function>
auto guarded(leoam_error& error, Function function) -> decltype(function()) {
  try {
    return function();
  } catch (const std::bad_alloc&) {
    fail(error, LEOAM_ERROR_OUT_OF_MEMORY, "out of memory");
    return decltype(function()){};
  }
}

// Cuts `bytes` into texts; false when the sizes are not those of `bytes`.
template <class Each>
bool split(leoam_string bytes, Tokens sizes, Each each) {
  uint64_t begin = 0;
  for (uint64_t i = 0; i < sizes.size; ++i) {
    const auto size = static_cast<uint64_t>(sizes.data[i]);
    if (sizes.data[i] < 0 || size > bytes.size - begin) return false;
    each(leoam_string{size > 0 ? bytes.data + begin : nullptr, size});
    begin += size;
  }
  return begin == bytes.size;
}

}  // namespace leoam_shim
