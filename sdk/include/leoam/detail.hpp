// Errors, handles and buffers: what the classes of leoam.hpp share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>

#include "leoam/leoam.h"

namespace leoam {
inline namespace v1 {

// A failed call: what() is the library's message.
class Error : public std::runtime_error {
 public:
  Error(leoam_status code, const leoam_error& detail)
      : std::runtime_error(detail.message_size > 0 ? std::string(detail.message, detail.message_size)
                                                   : std::string(leoam_error_name(code))),
        code_(code),
        needed_bytes_(detail.needed_bytes),
        available_bytes_(detail.available_bytes) {}

  leoam_status code() const noexcept { return code_; }
  const char* name() const noexcept { return leoam_error_name(code_); }
  // Of LEOAM_ERROR_NO_SPACE, else 0.
  uint64_t needed_bytes() const noexcept { return needed_bytes_; }
  uint64_t available_bytes() const noexcept { return available_bytes_; }

 private:
  leoam_status code_;
  uint64_t needed_bytes_;
  uint64_t available_bytes_;
};

namespace detail {

template <class T>
T make() {
  T value;
  LEOAM_INIT(value);
  return value;
}

inline void check(leoam_status code, const leoam_error& error) {
  if (code != LEOAM_OK) throw Error(code, error);
}

// call(function, arguments...): the function with a leoam_error behind the arguments; throws on failure.
template <class Function, class... Args>
void call(Function function, Args... args) {
  leoam_error error = make<leoam_error>();
  check(function(args..., &error), error);
}

inline leoam_string view(std::string_view text) {
  return {text.data(), text.size()};
}
inline std::string_view view(const leoam_string& text) {
  return {text.data, static_cast<size_t>(text.size)};
}

// Fills a container through fill(data, capacity, &count, &error), growing it when the first guess was too
// small.
template <class Container, class Fill>
Container collect(size_t guess, Fill fill) {
  Container out;
  out.resize(guess);
  for (;;) {
    leoam_error error = make<leoam_error>();
    uint64_t count = 0;
    const leoam_status code = fill(out.data(), static_cast<uint64_t>(out.size()), &count, &error);
    const bool retry = code == LEOAM_ERROR_NO_SPACE && count > out.size();
    if (!retry) check(code, error);
    out.resize(static_cast<size_t>(count));
    if (!retry) return out;
  }
}

// Runs a user's function inside a callback of the library: nothing is thrown through C.
template <class Function>
int32_t run(std::exception_ptr& thrown, Function function) noexcept {
  try {
    return function() ? LEOAM_CONTINUE : LEOAM_STOP;
  } catch (...) {
    thrown = std::current_exception();
    return LEOAM_STOP;
  }
}

// Owns one handle.
template <class T, leoam_status (*Release)(T*) noexcept>
class Handle {
 public:
  Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { Release(handle_); }
  T* get() const { return handle_; }
  T** out() { return &handle_; }

 private:
  T* handle_ = nullptr;
};

}  // namespace detail

}  // namespace v1
}  // namespace leoam
