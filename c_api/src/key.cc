#include "c_api/src/key.h"

#include <cstring>

namespace leoam::c_api {

static_assert(LEOAM_KEY_BYTES == SecretKey::kKey_bytes);

namespace {

// Key material on the stack, wiped at the end of its scope.
class Bytes {
 public:
  Bytes() = default;
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  ~Bytes() { explicit_bzero(bytes_, sizeof bytes_); }
  uint8_t* data() { return bytes_; }
  std::span<const uint8_t> span() const { return bytes_; }

 private:
  uint8_t bytes_[LEOAM_KEY_BYTES] = {};
};

}  // namespace

Result<bool> has_key(const KeySource& source) {
  if (source.key_size != 0) LEOAM_RETURN_IF_ERROR(check_pointer(source.key, "key"));
  if (source.key && source.key_size != LEOAM_KEY_BYTES)
    return error(ErrorKind::invalid_argument, "key_size: {}, expected {}", source.key_size, LEOAM_KEY_BYTES);
  if (source.key && source.on_key)
    return error(ErrorKind::invalid_argument, "on_key: there is a key already");
  return source.key || source.on_key;
}

Result<std::optional<SecretKey>> read_key(const KeySource& source, CallbackList& list) {
  LEOAM_ASSIGN_OR_RETURN(const bool given, has_key(source));
  if (!given) return std::optional<SecretKey>();
  Bytes bytes;
  if (source.on_key) {
    const CallbackList::Scope scope(list);
    if (source.on_key(bytes.data(), LEOAM_KEY_BYTES, source.user_data) != LEOAM_CONTINUE)
      return error(ErrorKind::cancelled, "on_key: there is no key");
  }
  const std::span<const uint8_t> key =
      source.on_key ? bytes.span() : std::span<const uint8_t>(source.key, LEOAM_KEY_BYTES);
  LEOAM_ASSIGN_OR_RETURN(SecretKey secret, SecretKey::from_bytes(key));
  return std::optional<SecretKey>(std::move(secret));
}

}  // namespace leoam::c_api
