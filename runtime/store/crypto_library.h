// CryptoLibrary: OpenSSL inside the library: started at first use, without configuration files, atexit
// handlers or the host's state; gone when the library is unloaded.
#pragma once

#include <openssl/types.h>

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/base/status.h"

namespace leoam {

// Thread rule: all calls are thread-safe.
class CryptoLibrary {
 public:
  // Null when OpenSSL does not start: it is out of memory.
  static CryptoLibrary* get();

  EVP_CIPHER* aes_256_gcm() const { return aes_256_gcm_; }
  // Fails with out_of_memory, internal.
  Status hkdf_sha256(std::span<const uint8_t> key, std::span<const uint8_t> salt, std::string_view label,
                     std::span<uint8_t> out) const;

  // Who uses it counts itself: a process that ends while threads still work must not have it taken from them.
  void add_user() { n_users_.fetch_add(1, std::memory_order_relaxed); }
  void remove_user() { n_users_.fetch_sub(1, std::memory_order_relaxed); }

  CryptoLibrary(const CryptoLibrary&) = delete;
  CryptoLibrary& operator=(const CryptoLibrary&) = delete;

 private:
  CryptoLibrary();
  ~CryptoLibrary();

  std::atomic<int64_t> n_users_{0};
  OSSL_LIB_CTX* context_ = nullptr;
  OSSL_PROVIDER* provider_ = nullptr;
  EVP_CIPHER* aes_256_gcm_ = nullptr;
  EVP_KDF* hkdf_ = nullptr;
};

}  // namespace leoam
