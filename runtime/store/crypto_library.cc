#include "runtime/store/crypto_library.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include "runtime/store/secret_heap.h"

namespace leoam {

namespace {

// OpenSSL takes its inputs as pointers to what it does not change.
void* unchanged(const void* data) {
  return const_cast<void*>(data);
}

void* allocate(size_t bytes, const char*, int) {
  return SecretHeap::allocate(bytes);
}

void* reallocate(void* data, size_t bytes, const char*, int) {
  // As OpenSSL's own function: nothing is a free.
  if (bytes > 0) return SecretHeap::reallocate(data, bytes);
  SecretHeap::free(data);
  return nullptr;
}

void release(void* data, const char*, int) {
  SecretHeap::free(data);
}

}  // namespace

CryptoLibrary* CryptoLibrary::get() {
  // Destroyed when the library is unloaded, as every static object of a shared library.
  static CryptoLibrary library;
  return library.hkdf_ ? &library : nullptr;
}

CryptoLibrary::CryptoLibrary() {
  // Contexts hold keys that are spread for use; this copy of OpenSSL is nobody else's, so all of it can live
  // there.
  if (!CRYPTO_set_mem_functions(allocate, reallocate, release)) return;
  // The process belongs to the host: no handler at its exit, no openssl.cnf, no environment beyond the
  // processor flags that OpenSSL reads when it is loaded.
  if (!OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT | OPENSSL_INIT_NO_LOAD_CONFIG |
                               OPENSSL_INIT_NO_ADD_ALL_CIPHERS | OPENSSL_INIT_NO_ADD_ALL_DIGESTS |
                               OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS,
                           nullptr))
    return;
  context_ = OSSL_LIB_CTX_new();
  if (!context_) return;
  provider_ = OSSL_PROVIDER_load(context_, "default");
  if (!provider_) return;
  aes_256_gcm_ = EVP_CIPHER_fetch(context_, "AES-256-GCM", nullptr);
  if (!aes_256_gcm_) return;
  hkdf_ = EVP_KDF_fetch(context_, OSSL_KDF_NAME_HKDF, nullptr);
}

CryptoLibrary::~CryptoLibrary() {
  if (n_users_.load(std::memory_order_relaxed) != 0) return;
  EVP_KDF_free(hkdf_);
  EVP_CIPHER_free(aes_256_gcm_);
  if (provider_) (void)OSSL_PROVIDER_unload(provider_);
  OSSL_LIB_CTX_free(context_);
  // Deletes the pthread keys: their destructors are code that is about to be unmapped.
  OPENSSL_cleanup();
  SecretHeap::release_all();
}

Status CryptoLibrary::hkdf_sha256(std::span<const uint8_t> key, std::span<const uint8_t> salt,
                                  std::string_view label, std::span<uint8_t> out) const {
  EVP_KDF_CTX* kdf = EVP_KDF_CTX_new(hkdf_);
  if (!kdf) return Status(ErrorKind::out_of_memory, "no memory to derive a key");
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, unchanged(key.data()), key.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, unchanged(salt.data()), salt.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, unchanged(label.data()), label.size()),
      OSSL_PARAM_construct_end(),
  };
  const int done = EVP_KDF_derive(kdf, out.data(), out.size(), parameters);
  EVP_KDF_CTX_free(kdf);
  if (done != 1) return Status(ErrorKind::internal, "a key could not be derived");
  return {};
}

}  // namespace leoam
