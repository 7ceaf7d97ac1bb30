// SecretKey: 256 bits of key material in memory of their own: locked where the system lets us, left out of
// core dumps, zero in a forked child, wiped when dropped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "runtime/base/status.h"

namespace leoam {

// Fills `out` with bytes nobody can guess. Fails with io.
using RandomBytes = Status (*)(std::span<uint8_t> out);
// The operating system's.
Status system_random(std::span<uint8_t> out);

// Thread rule: an immutable value; all const calls are thread-safe.
class SecretKey {
 public:
  static constexpr size_t kKey_bytes = 32;

  // Fails with invalid_argument (another length), out_of_memory. The caller wipes its own copy.
  static Result<SecretKey> from_bytes(std::span<const uint8_t> bytes);
  // Fails with io, out_of_memory.
  static Result<SecretKey> random(RandomBytes random = system_random);
  // HKDF-SHA256 (RFC 5869) with this key as input. Another salt or label gives an unrelated key. Fails with
  // out_of_memory, internal.
  Result<SecretKey> derive(std::span<const uint8_t> salt, std::string_view label) const;

  SecretKey(SecretKey&& other) noexcept : bytes_(std::exchange(other.bytes_, nullptr)) {}
  SecretKey& operator=(SecretKey&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~SecretKey();

  std::span<const uint8_t, kKey_bytes> bytes() const {
    return std::span<const uint8_t, kKey_bytes>(bytes_, kKey_bytes);
  }

 private:
  explicit SecretKey(uint8_t* bytes) : bytes_(bytes) {}
  static Result<SecretKey> allocate();
  uint8_t* bytes_;  // a memory page of its own
};

}  // namespace leoam
