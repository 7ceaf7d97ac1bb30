// Secret: key material in memory that is wiped, and where it comes from.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace leoam::cli {

// Never grows: what was written once is in one place.
class Secret {
 public:
  explicit Secret(size_t size) : bytes_(size) {}
  Secret(Secret&& other) noexcept = default;
  Secret& operator=(Secret&& other) noexcept {
    bytes_.swap(other.bytes_);
    return *this;
  }
  ~Secret();
  std::span<uint8_t> bytes() { return bytes_; }
  std::span<const uint8_t> bytes() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
};

// A key of LEOAM_KEY_BYTES in a file: so many bytes, or twice as many hexadecimal digits. Throws Failure.
Secret read_key_file(const std::string& path);

// The first line of a file. Throws Failure.
Secret read_passphrase_file(const std::string& path);
// Asks on the terminal, without echo; `twice`: a new one. Throws Failure without a terminal.
Secret ask_passphrase(const std::string& question, bool twice);

// The key that Argon2id (RFC 9106) makes of a passphrase and the salt in `salt_file`: one line with the
// parameters, which is made (0600) when it is missing and `create` says so. Throws Failure.
Secret derive_key(const Secret& passphrase, const std::string& salt_file, bool create);

}  // namespace leoam::cli
