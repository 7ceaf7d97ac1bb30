// A shared library as the product is one, with the store's cipher and nothing else behind its one function.
#include <cstring>

#include "runtime/store/cipher.h"

namespace {

bool seals_and_opens() {
  const auto key = leoam::SecretKey::random();
  if (!key.ok()) return false;
  const auto derived = key->derive(key->bytes(), "a label");
  if (!derived.ok()) return false;
  const auto cipher = leoam::Cipher::create(*derived);
  if (!cipher.ok()) return false;
  uint8_t bytes[100] = {1, 2, 3};
  uint8_t text[100] = {1, 2, 3};
  leoam::Tag tag;
  if (!(*cipher)->seal({}, {}, bytes, bytes, &tag).ok()) return false;
  if (!(*cipher)->open({}, {}, bytes, tag, bytes).ok()) return false;
  if (std::memcmp(bytes, text, sizeof text) != 0) return false;
  tag[0] ^= 1;
  return (*cipher)->open({}, {}, bytes, tag, bytes).kind() == leoam::ErrorKind::corrupt;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int cipher_module_use() {
  return seals_and_opens() ? 1 : 0;
}
