#include "runtime/store/key.h"

#include <openssl/crypto.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <cerrno>
#include <cstring>

#include "runtime/store/crypto_library.h"

namespace leoam {

namespace {

// What is locked, wiped on fork and left out of dumps is whole memory pages.
constexpr size_t kMapping_bytes = 4096;

}  // namespace

Status system_random(std::span<uint8_t> out) {
  while (!out.empty()) {
    const ssize_t n = getrandom(out.data(), out.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return error(ErrorKind::io, "the system gives no random bytes (error {})", errno);
    out = out.subspan(static_cast<size_t>(n));
  }
  return {};
}

Result<SecretKey> SecretKey::allocate() {
  void* mapping = mmap(nullptr, kMapping_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return Status(ErrorKind::out_of_memory, "no memory for a key");
  // Each of these is one more wall; a system that refuses one still has the others.
  (void)mlock(mapping, kMapping_bytes);
  (void)madvise(mapping, kMapping_bytes, MADV_DONTDUMP);
  (void)madvise(mapping, kMapping_bytes, MADV_WIPEONFORK);
  return SecretKey(static_cast<uint8_t*>(mapping));
}

Result<SecretKey> SecretKey::from_bytes(std::span<const uint8_t> bytes) {
  if (bytes.size() != kKey_bytes)
    return error(ErrorKind::invalid_argument, "key: {} bytes expected, found {}", kKey_bytes, bytes.size());
  LEOAM_ASSIGN_OR_RETURN(SecretKey key, allocate());
  std::memcpy(key.bytes_, bytes.data(), kKey_bytes);
  return key;
}

Result<SecretKey> SecretKey::random(RandomBytes random) {
  LEOAM_ASSIGN_OR_RETURN(SecretKey key, allocate());
  LEOAM_RETURN_IF_ERROR(random(std::span<uint8_t>(key.bytes_, kKey_bytes)));
  return key;
}

Result<SecretKey> SecretKey::derive(std::span<const uint8_t> salt, std::string_view label) const {
  CryptoLibrary* crypto = CryptoLibrary::get();
  if (!crypto) return Status(ErrorKind::internal, "the cipher library did not start");
  LEOAM_ASSIGN_OR_RETURN(SecretKey key, allocate());
  LEOAM_RETURN_IF_ERROR(
      crypto->hkdf_sha256(bytes(), salt, label, std::span<uint8_t>(key.bytes_, kKey_bytes)));
  return key;
}

SecretKey::~SecretKey() {
  if (!bytes_) return;
  OPENSSL_cleanse(bytes_, kKey_bytes);
  (void)munmap(bytes_, kMapping_bytes);
}

}  // namespace leoam
