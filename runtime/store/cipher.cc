#include "runtime/store/cipher.h"

#include <openssl/evp.h>

#include <climits>
#include <cstring>

#include "runtime/store/checksum.h"
#include "runtime/store/crypto_library.h"

namespace leoam {

namespace {

Status refused() {
  return Status(ErrorKind::internal, "the cipher refused its input");
}

Status differs() {
  return Status(ErrorKind::corrupt, "the tag does not match");
}

Tag checksum(const Nonce& nonce, std::span<const uint8_t> associated, std::span<const uint8_t> text) {
  const uint64_t sizes[2] = {associated.size(), text.size()};
  Checksum sum;
  sum.add(nonce);
  sum.add(std::span(reinterpret_cast<const uint8_t*>(sizes), sizeof sizes));
  sum.add(associated);
  sum.add(text);
  return sum.value();
}

}  // namespace

// A context for one record; back in the list afterwards.
class Cipher::Lease {
 public:
  explicit Lease(const Cipher* cipher) : cipher_(cipher), context_(cipher->take()) {}
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() {
    if (context_) cipher_->give_back(context_);
  }
  EVP_CIPHER_CTX* get() const { return context_; }

 private:
  const Cipher* cipher_;
  EVP_CIPHER_CTX* context_;
};

Result<std::unique_ptr<Cipher>> Cipher::create(const SecretKey& key) {
  CryptoLibrary* crypto = CryptoLibrary::get();
  if (!crypto) return Status(ErrorKind::internal, "the cipher library did not start");
  auto cipher = std::unique_ptr<Cipher>(new Cipher(true));
  crypto->add_user();
  cipher->first_ = EVP_CIPHER_CTX_new();
  if (!cipher->first_) return Status(ErrorKind::out_of_memory, "no memory for a cipher");
  if (EVP_EncryptInit_ex2(cipher->first_, crypto->aes_256_gcm(), key.bytes().data(), nullptr, nullptr) != 1)
    return refused();
  return cipher;
}

std::unique_ptr<Cipher> Cipher::create_plaintext() {
  return std::unique_ptr<Cipher>(new Cipher(false));
}

Cipher::~Cipher() {
  if (!encrypts_) return;
  for (EVP_CIPHER_CTX* context : idle_) EVP_CIPHER_CTX_free(context);
  EVP_CIPHER_CTX_free(first_);
  CryptoLibrary::get()->remove_user();
}

EVP_CIPHER_CTX* Cipher::take() const {
  const std::lock_guard lock(mutex_);
  if (!idle_.empty()) {
    EVP_CIPHER_CTX* context = idle_.back();
    idle_.pop_back();
    return context;
  }
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  if (!context) return nullptr;
  if (EVP_CIPHER_CTX_copy(context, first_) != 1) {
    EVP_CIPHER_CTX_free(context);
    return nullptr;
  }
  return context;
}

void Cipher::give_back(EVP_CIPHER_CTX* context) const {
  const std::lock_guard lock(mutex_);
  idle_.push_back(context);
}

Status Cipher::seal(const Nonce& nonce, std::span<const uint8_t> associated, std::span<const uint8_t> text,
                    uint8_t* out, Tag* tag) const {
  if (associated.size() > INT_MAX || text.size() > INT_MAX) return refused();
  if (!encrypts_) {
    *tag = checksum(nonce, associated, text);
    if (out != text.data() && !text.empty()) std::memcpy(out, text.data(), text.size());
    return {};
  }
  const Lease lease(this);
  if (!lease.get()) return Status(ErrorKind::out_of_memory, "no memory for a cipher");
  int n = 0;
  if (EVP_EncryptInit_ex2(lease.get(), nullptr, nullptr, nonce.data(), nullptr) != 1 ||
      EVP_EncryptUpdate(lease.get(), nullptr, &n, associated.data(), static_cast<int>(associated.size())) !=
          1 ||
      EVP_EncryptUpdate(lease.get(), out, &n, text.data(), static_cast<int>(text.size())) != 1 ||
      EVP_EncryptFinal_ex(lease.get(), out + n, &n) != 1 ||
      EVP_CIPHER_CTX_ctrl(lease.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(tag->size()), tag->data()) !=
          1)
    return refused();
  return {};
}

Status Cipher::open(const Nonce& nonce, std::span<const uint8_t> associated, const uint8_t* stored,
                    const Tag& tag, std::span<uint8_t> out) const {
  if (associated.size() > INT_MAX || out.size() > INT_MAX) return refused();
  if (!encrypts_) {
    // What is handed on is what was checked: the copy, not memory that a device may still write to.
    if (out.data() != stored && !out.empty()) std::memcpy(out.data(), stored, out.size());
    if (checksum(nonce, associated, out) != tag) return differs();
    return {};
  }
  const Lease lease(this);
  if (!lease.get()) return Status(ErrorKind::out_of_memory, "no memory for a cipher");
  Tag expected = tag;
  int n = 0;
  if (EVP_DecryptInit_ex2(lease.get(), nullptr, nullptr, nonce.data(), nullptr) != 1 ||
      EVP_DecryptUpdate(lease.get(), nullptr, &n, associated.data(), static_cast<int>(associated.size())) !=
          1 ||
      EVP_DecryptUpdate(lease.get(), out.data(), &n, stored, static_cast<int>(out.size())) != 1 ||
      EVP_CIPHER_CTX_ctrl(lease.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(expected.size()),
                          expected.data()) != 1)
    return refused();
  if (EVP_DecryptFinal_ex(lease.get(), out.data() + n, &n) != 1) return differs();
  return {};
}

}  // namespace leoam
