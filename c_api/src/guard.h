// The guard that every function of the C interface runs in, and how it reads and fills the caller's structs.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "c_api/include/leoam/leoam.h"
#include "c_api/src/handle_table.h"
#include "runtime/base/status.h"

namespace leoam::c_api {

// False when the caller's error struct cannot be written (struct_size was not set); NULL is fine.
bool error_usable(const leoam_error* error);

// Writes a status to the caller's struct and returns its code. Allocates nothing.
leoam_status report(const Status& status, leoam_error* error) noexcept;
leoam_status report(ErrorKind kind, std::string_view message, leoam_error* error) noexcept;

// Runs `body` (-> Status): nothing is thrown through C.
template <class Body>
leoam_status guarded(leoam_error* error, Body&& body) noexcept {
  if (!error_usable(error)) return LEOAM_ERROR_INVALID_ARGUMENT;
  try {
    return report(body(), error);
  } catch (const std::bad_alloc&) {
    return report(ErrorKind::out_of_memory, "the system refused memory", error);
  } catch (...) {
    return report(ErrorKind::internal, "unexpected exception", error);
  }
}

template <class T>
Status invalid_handle() {
  return error(ErrorKind::invalid_handle, "{}: not a live handle of this type", T::kName);
}

// guarded, with the object of a handle pinned: body(T&) -> Status.
template <class T, class Body>
leoam_status guarded_with(const void* handle, leoam_error* error, Body&& body) noexcept {
  return guarded(error, [&]() -> Status {
    const Pinned<T> object(handle);
    if (!object) return invalid_handle<T>();
    return body(*object);
  });
}

// At most `most` bytes of the text that do not end inside a code point.
std::string_view cut(std::string_view text, size_t most);

Status check_pointer(const void* pointer, const char* name);

// Largest struct_size that is taken seriously; a larger one is a variable that was not initialised.
inline constexpr uint32_t kMostStructBytes = 1u << 16;

Status check_struct_size(uint32_t struct_size, const char* name);
// Fails with version when the caller's bytes behind `known` are not all zero.
Status check_unknown_tail(const void* caller, size_t known_bytes, uint32_t struct_size, const char* name);

Status check_reserved(uint32_t reserved, const char* name);

// Copies the caller's struct of options, extended with zeros; `caller` NULL: all zeros.
template <class T>
Status read_struct(const T* caller, const char* name, T* out) {
  static_assert(std::is_trivially_copyable_v<T> && offsetof(T, struct_size) == 0);
  std::memset(out, 0, sizeof(T));
  if (!caller) return {};
  uint32_t struct_size = 0;
  std::memcpy(&struct_size, caller, sizeof struct_size);
  LEOAM_RETURN_IF_ERROR(check_struct_size(struct_size, name));
  LEOAM_RETURN_IF_ERROR(check_unknown_tail(caller, sizeof(T), struct_size, name));
  std::memcpy(out, caller, std::min<size_t>(struct_size, sizeof(T)));
  if constexpr (requires { out->reserved; }) return check_reserved(out->reserved, name);
  return {};
}

// Fails unless the caller's struct can be filled; call it before doing the work.
template <class T>
Status check_out_struct(const T* caller, const char* name) {
  LEOAM_RETURN_IF_ERROR(check_pointer(caller, name));
  return check_struct_size(caller->struct_size, name);
}

// Fills the caller's struct, which may lie anywhere, as far as it goes; what the library does not know
// becomes zero.
template <class T>
void write_struct(unsigned char* caller, uint32_t struct_size, const T& value) {
  constexpr size_t kHead = sizeof(uint32_t);
  std::memcpy(caller + kHead, reinterpret_cast<const unsigned char*>(&value) + kHead,
              std::min<size_t>(struct_size, sizeof(T)) - kHead);
  if (struct_size > sizeof(T)) std::memset(caller + sizeof(T), 0, struct_size - sizeof(T));
}
template <class T>
void write_struct(T* caller, const T& value) {
  write_struct(reinterpret_cast<unsigned char*>(caller), caller->struct_size, value);
}

// Fails unless `count` structs of the caller, each as long as the first says, can be filled.
template <class T>
Status check_out_structs(const T* caller, uint64_t count, const char* name) {
  LEOAM_RETURN_IF_ERROR(check_out_struct(caller, name));
  const uint32_t stride = caller->struct_size;
  for (uint64_t i = 1; i < count; ++i) {
    uint32_t one = 0;
    std::memcpy(&one, reinterpret_cast<const unsigned char*>(caller) + i * stride, sizeof one);
    if (one != stride)
      return error(ErrorKind::invalid_argument, "{}[{}].struct_size: {}, expected {} as in the first", name,
                   i, one, stride);
  }
  return {};
}

// The i-th of them.
template <class T>
void write_struct_at(T* caller, uint64_t i, const T& value) {
  const uint32_t stride = caller->struct_size;
  write_struct(reinterpret_cast<unsigned char*>(caller) + i * stride, stride, value);
}

// Fails with invalid_argument when bits outside `known` are set.
Status check_flags(uint64_t flags, uint64_t known, const char* name);

// A view of the caller's bytes. Fails with invalid_argument (NULL with a size, or more than INT32_MAX bytes).
Status read_text(const char* data, uint64_t size, const char* name, std::string_view* out);
inline Status read_text(const leoam_string& text, const char* name, std::string_view* out) {
  return read_text(text.data, text.size, name, out);
}

template <class T>
Status read_array(const T* data, uint64_t count, const char* name, std::span<const T>* out) {
  if (count > INT32_MAX)
    return error(ErrorKind::invalid_argument, "{}: {} elements, at most {}", name, count, INT32_MAX);
  if (count != 0) LEOAM_RETURN_IF_ERROR(check_pointer(data, name));
  *out = {data, static_cast<size_t>(count)};
  return {};
}

// The strings of entry `index` of a list of pairs; not_found behind its end.
Status write_pair(const std::vector<std::pair<std::string, std::string>>& pairs, uint64_t index,
                  leoam_string* out_key, leoam_string* out_value);

inline leoam_string to_c(std::string_view text) {
  return {text.data(), text.size()};
}

Status check_buffer(const void* out, uint64_t capacity, const uint64_t* out_count, const char* name);

// Hands a list to the caller's buffer; see the rule on lists in leoam.h.
template <class Container>
Status write_buffer(const Container& value, typename Container::value_type* out, uint64_t capacity,
                    uint64_t* out_count, const char* name) {
  *out_count = value.size();
  if (!out && capacity == 0) return {};
  constexpr size_t kElement = sizeof(typename Container::value_type);
  if (value.size() > capacity) {
    return Status::no_space(
        fmt::format("{}: {} elements, the buffer has room for {}", name, value.size(), capacity),
        value.size() * kElement, capacity * kElement);
  }
  // NOLINTNEXTLINE(bugprone-not-null-terminated-result): a size goes with it
  if (!value.empty()) std::memcpy(out, value.data(), value.size() * kElement);
  return {};
}

// Opens a handle for a new object and hands it out.
template <class Handle>
Status hand_out(std::shared_ptr<Object> object, Handle** out) {
  void* handle = handle_table().open(std::move(object));
  if (!handle) return error(ErrorKind::out_of_memory, "all {} handles are in use", HandleTable::kSlots);
  *out = static_cast<Handle*>(handle);
  return {};
}

// The release function of every type: NULL is fine.
template <class T>
leoam_status release(const void* handle) noexcept {
  return guarded(nullptr, [&]() -> Status {
    if (!handle || handle_table().close(handle, T::kType)) return {};
    return invalid_handle<T>();
  });
}

}  // namespace leoam::c_api
