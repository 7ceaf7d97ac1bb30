// Checksum: XXH3 with 128 bits, in its canonical (big-endian) bytes.
#pragma once

#include <array>
#include <cstdint>
#include <span>

// Part of this file's code, so that no symbol of another copy in the process can take its place.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace leoam {

class Checksum {
 public:
  Checksum() { (void)XXH3_128bits_reset(&state_); }
  void add(std::span<const uint8_t> bytes) { (void)XXH3_128bits_update(&state_, bytes.data(), bytes.size()); }
  std::array<uint8_t, 16> value() const {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state_));
    std::array<uint8_t, 16> bytes;
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = canonical.digest[i];
    return bytes;
  }
  static std::array<uint8_t, 16> of(std::span<const uint8_t> bytes) {
    Checksum sum;
    sum.add(bytes);
    return sum.value();
  }

 private:
  XXH3_state_t state_;
};

}  // namespace leoam
