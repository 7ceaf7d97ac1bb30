// The bytes of a record of the token log. FORMAT.md, "Token log".
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "runtime/store/cipher.h"
#include "runtime/store/little_endian.h"
#include "runtime/store/sealer.h"

namespace leoam {

inline constexpr uint32_t kLogMagic = 0x474f4c4c;  // "LLOG"
inline constexpr uint32_t kLogTokens = 1;
inline constexpr uint32_t kLogNext = 2;
inline constexpr uint32_t kLogEndsCommit = 1;  // flag
inline constexpr uint64_t kLogHeader_bytes = 64;
inline constexpr uint64_t kLogTokensHead_bytes = 16;
inline constexpr uint64_t kLogNext_bytes = 24;
inline constexpr uint64_t kMostTokensOfRecord = uint64_t{1} << 18;
inline constexpr uint32_t kStartsPass = uint32_t{1} << 31;

struct LogRecordHeader {
  uint32_t kind = 0;
  uint32_t text_bytes = 0;
  uint32_t flags = 0;
  uint64_t number = 0;
  Salt salt = {};
  uint64_t counter = 0;
  Tag tag = {};

  void put(uint8_t* at) const {
    store(at, kLogMagic);
    store(at + 4, kind);
    store(at + 8, text_bytes);
    store(at + 12, flags);
    store(at + 16, number);
    std::ranges::copy(salt, at + 24);
    store(at + 40, counter);
    std::ranges::copy(tag, at + 48);
  }
  // False: no record begins here.
  bool get(const uint8_t* at) {
    kind = load<uint32_t>(at + 4);
    text_bytes = load<uint32_t>(at + 8);
    flags = load<uint32_t>(at + 12);
    number = load<uint64_t>(at + 16);
    std::copy_n(at + 24, salt.size(), salt.data());
    counter = load<uint64_t>(at + 40);
    std::copy_n(at + 48, tag.size(), tag.data());
    return load<uint32_t>(at) == kLogMagic;
  }
};

// Under the record's tag: which record it is and which one is before it, so that no older one fits its place.
inline std::array<uint8_t, 32> log_identity(uint64_t number, uint32_t kind, uint32_t flags,
                                            const Tag& previous) {
  std::array<uint8_t, 32> bytes;
  store(bytes.data(), number);
  store(bytes.data() + 8, kind);
  store(bytes.data() + 12, flags);
  std::ranges::copy(previous, bytes.data() + 16);
  return bytes;
}

}  // namespace leoam
