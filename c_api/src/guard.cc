#include "c_api/src/guard.h"

namespace leoam::c_api {

namespace {

static_assert(static_cast<int>(ErrorKind::internal) == LEOAM_ERROR_INTERNAL);
static_assert(static_cast<int>(ErrorKind::no_space) == LEOAM_ERROR_NO_SPACE);
static_assert(static_cast<int>(ErrorKind::version) == LEOAM_ERROR_VERSION);

void fill(leoam_error* error, ErrorKind kind, std::string_view message, uint64_t needed, uint64_t available) {
  leoam_error value;
  std::memset(&value, 0, sizeof value);
  value.code = static_cast<leoam_status>(kind);
  value.needed_bytes = needed;
  value.available_bytes = available;
  const size_t room = std::min<size_t>(error->struct_size, sizeof value);
  const size_t begin = offsetof(leoam_error, message);
  if (room > begin) {
    message = cut(message, std::min(room - begin, sizeof value.message) - 1);
    std::copy(message.begin(), message.end(), value.message);
    value.message_size = static_cast<uint32_t>(message.size());
  }
  write_struct(error, value);
}

}  // namespace

std::string_view cut(std::string_view text, size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80) --most;
  return text.substr(0, most);
}

bool error_usable(const leoam_error* error) {
  return !error || (error->struct_size >= offsetof(leoam_error, needed_bytes) &&
                    error->struct_size <= kMostStructBytes);
}

leoam_status report(ErrorKind kind, std::string_view message, leoam_error* error) noexcept {
  if (error) fill(error, kind, message, 0, 0);
  return static_cast<leoam_status>(kind);
}

leoam_status report(const Status& status, leoam_error* error) noexcept {
  if (error) {
    const std::string_view message = status.ok() ? std::string_view() : std::string_view(status.message());
    fill(error, status.kind(), message, status.needed_bytes(), status.available_bytes());
  }
  return static_cast<leoam_status>(status.kind());
}

Status check_pointer(const void* pointer, const char* name) {
  if (pointer) return {};
  return error(ErrorKind::invalid_argument, "{}: NULL", name);
}

Status check_struct_size(uint32_t struct_size, const char* name) {
  if (struct_size >= 2 * sizeof(uint32_t) && struct_size <= kMostStructBytes) return {};
  return error(ErrorKind::invalid_argument, "{}: struct_size {}, was it initialised?", name, struct_size);
}

Status check_unknown_tail(const void* caller, size_t known_bytes, uint32_t struct_size, const char* name) {
  const auto* bytes = static_cast<const unsigned char*>(caller);
  for (size_t i = known_bytes; i < struct_size; ++i) {
    if (bytes[i] == 0) continue;
    return error(ErrorKind::version, "{}: byte {} is set, this library knows {} bytes", name, i, known_bytes);
  }
  return {};
}

Status check_reserved(uint32_t reserved, const char* name) {
  if (reserved == 0) return {};
  return error(ErrorKind::version, "{}: reserved is {}, this library knows no use of it", name, reserved);
}

Status check_flags(uint64_t flags, uint64_t known, const char* name) {
  if ((flags & ~known) == 0) return {};
  return error(ErrorKind::invalid_argument, "{}: unknown bits {:#x}", name, flags & ~known);
}

Status read_text(const char* data, uint64_t size, const char* name, std::string_view* out) {
  if (size > INT32_MAX)
    return error(ErrorKind::invalid_argument, "{}: {} bytes, at most {}", name, size, INT32_MAX);
  if (size != 0) LEOAM_RETURN_IF_ERROR(check_pointer(data, name));
  *out = size == 0 ? std::string_view() : std::string_view(data, static_cast<size_t>(size));
  return {};
}

Status write_pair(const std::vector<std::pair<std::string, std::string>>& pairs, uint64_t index,
                  leoam_string* out_key, leoam_string* out_value) {
  LEOAM_RETURN_IF_ERROR(check_pointer(out_key, "out_key"));
  LEOAM_RETURN_IF_ERROR(check_pointer(out_value, "out_value"));
  if (index >= pairs.size()) {
    return error(ErrorKind::not_found, "index: {}, there are {} entries", index, pairs.size());
  }
  *out_key = to_c(pairs[index].first);
  *out_value = to_c(pairs[index].second);
  return {};
}

Status check_buffer(const void* out, uint64_t capacity, const uint64_t* out_count, const char* name) {
  LEOAM_RETURN_IF_ERROR(check_pointer(out_count, "out_count"));
  if (capacity != 0) LEOAM_RETURN_IF_ERROR(check_pointer(out, name));
  return {};
}

}  // namespace leoam::c_api
