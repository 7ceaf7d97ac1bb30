// Status and Result: how every fallible call of the runtime reports failure. Nothing in the runtime throws on
// purpose; std::bad_alloc may pass through and is turned into out_of_memory at the C boundary and at the top
// of every own thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "runtime/base/format.h"

namespace leoam {

// The classes of failure. The values are the codes of the C ABI (leoam.h), so they never change.
enum class ErrorKind : int32_t {
  ok = 0,
  invalid_argument = 1,  // the caller's value; the message names the parameter
  invalid_handle = 2,    // stale, wrong-typed or NULL handle
  not_found = 3,         // a file or a name does not exist
  unsupported = 4,       // well formed, and this build cannot do it
  corrupt = 5,           // a file or text breaks its format; message: field, offset, expected, found
  out_of_memory = 6,     // the system refused memory
  no_space = 7,          // a budget is too small; bytes needed and available are set
  io = 8,                // the operating system failed a file operation
  busy = 9,              // another thread or process uses the object
  cancelled = 10,        // the caller asked to stop
  device_lost = 11,      // the accelerator is gone; its instance is poisoned
  version = 12,          // the library is older than the caller's request
  internal = 13,         // a broken invariant of ours
};

// Thread rule: a Status is a value; one thread at a time. Moving is free, success holds no memory.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(ErrorKind kind, std::string message) : detail_(new Detail{kind, std::move(message), 0, 0}) {}

  static Status no_space(std::string message, uint64_t needed_bytes, uint64_t available_bytes) {
    Status status(ErrorKind::no_space, std::move(message));
    status.detail_->needed_bytes = needed_bytes;
    status.detail_->available_bytes = available_bytes;
    return status;
  }

  bool ok() const { return detail_ == nullptr; }
  explicit operator bool() const { return ok(); }
  ErrorKind kind() const { return detail_ ? detail_->kind : ErrorKind::ok; }
  // Empty on success.
  const std::string& message() const;
  // Set for no_space only, else 0.
  uint64_t needed_bytes() const { return detail_ ? detail_->needed_bytes : 0; }
  uint64_t available_bytes() const { return detail_ ? detail_->available_bytes : 0; }

  // The same failure, with `context: ` before its message (a file name, a tensor).
  Status with_context(const std::string& context) &&;
  Status clone() const;

 private:
  struct Detail {
    ErrorKind kind;
    std::string message;
    uint64_t needed_bytes;
    uint64_t available_bytes;
  };
  std::unique_ptr<Detail> detail_;
};

// error(ErrorKind::corrupt, "tensor {}: offset {} ...", name, offset)
template <class... Args>
Status error(ErrorKind kind, fmt::format_string<Args...> text, Args&&... args) {
  return Status(kind, fmt::format(text, std::forward<Args>(args)...));
}

// Stable English name of a kind: "no_space".
const char* error_kind_name(ErrorKind kind);

// A value or a failed Status. `value()` and `*` need ok().
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}          // NOLINT(google-explicit-constructor)
  Result(Status status) : status_(std::move(status)) {}  // NOLINT(google-explicit-constructor)
  bool ok() const { return value_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Status& status() const& { return status_; }
  Status status() && { return std::move(status_); }
  T& value() & { return *value_; }
  const T& value() const& { return *value_; }
  T value() && { return std::move(*value_); }
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  std::optional<T> value_;
  Status status_;
};

// Returns the failed Status of `expression` from the calling function.
#define LEOAM_RETURN_IF_ERROR(expression)          \
  do {                                             \
    ::leoam::Status leoam_status_ = (expression);  \
    if (!leoam_status_.ok()) return leoam_status_; \
  } while (false)

#define LEOAM_CONCAT_INNER(a, b) a##b
#define LEOAM_CONCAT(a, b) LEOAM_CONCAT_INNER(a, b)

// LEOAM_ASSIGN_OR_RETURN(auto value, call()): the value, or return the failure.
#define LEOAM_ASSIGN_OR_RETURN(declaration, expression) \
  LEOAM_ASSIGN_OR_RETURN_INNER(LEOAM_CONCAT(leoam_result_, __LINE__), declaration, expression)
#define LEOAM_ASSIGN_OR_RETURN_INNER(result, declaration, expression) \
  auto result = (expression);                                         \
  if (!result.ok()) return std::move(result).status();                \
  declaration = std::move(result).value()

}  // namespace leoam
