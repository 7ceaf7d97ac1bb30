// Cipher: what keeps a record from being read by others and from being changed: AES-256-GCM, or for plaintext
// files a checksum in place of the tag.
#pragma once

#include <openssl/types.h>

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/store/key.h"

namespace leoam {

using Tag = std::array<uint8_t, 16>;
// Never the same twice under one key.
using Nonce = std::array<uint8_t, 12>;

// Thread rule: all calls are thread-safe.
class Cipher {
 public:
  // AES-256-GCM (NIST SP 800-38D). Fails with out_of_memory, internal.
  static Result<std::unique_ptr<Cipher>> create(const SecretKey& key);
  // XXH3 with 128 bits over nonce, lengths, associated data and text: finds accidents, not attackers.
  static std::unique_ptr<Cipher> create_plaintext();
  ~Cipher();
  Cipher(const Cipher&) = delete;
  Cipher& operator=(const Cipher&) = delete;

  bool encrypts() const { return encrypts_; }
  // `out` [text.size()] may be text.data(). Fails with out_of_memory, internal.
  Status seal(const Nonce& nonce, std::span<const uint8_t> associated, std::span<const uint8_t> text,
              uint8_t* out, Tag* tag) const;
  // `stored` [out.size()] may be out.data(). Fails with corrupt unless everything is as it was sealed; then
  // `out` holds anything.
  Status open(const Nonce& nonce, std::span<const uint8_t> associated, const uint8_t* stored, const Tag& tag,
              std::span<uint8_t> out) const;

 private:
  class Lease;
  explicit Cipher(bool encrypts) : encrypts_(encrypts) {}
  EVP_CIPHER_CTX* take() const;
  void give_back(EVP_CIPHER_CTX* context) const;

  const bool encrypts_;
  mutable std::mutex mutex_;
  // Contexts hold the expanded key, so that a record costs no key schedule. One for each thread at work.
  mutable std::vector<EVP_CIPHER_CTX*> idle_;
  EVP_CIPHER_CTX* first_ = nullptr;  // what new ones are copied from; never used itself
};

}  // namespace leoam
