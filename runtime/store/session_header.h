// SessionHeader: the fixed beginning of a session file: what it is, how it is encrypted, where the token log
// begins. Written twice when the file is made, never changed. FORMAT.md, "Header".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "runtime/base/status.h"
#include "runtime/store/key.h"
#include "runtime/store/sealer.h"
#include "runtime/store/session_identity.h"

namespace leoam {

inline constexpr uint32_t kFormatVersion = 1;
inline constexpr uint64_t kHeader_bytes = 8192;
inline constexpr uint64_t kHeaderPlaces_bytes[2] = {0, 57344};
inline constexpr uint64_t kSlotPlaces_bytes[2] = {16384, 32768};
inline constexpr uint64_t kHead_bytes = 65536;

using HeaderBytes = std::array<uint8_t, kHeader_bytes>;

// A run of blocks of the token log, the same in both copies.
struct LogSegment {
  std::array<uint64_t, 2> offset_bytes = {};
  uint64_t bytes = 0;
};

struct SessionHeader {
  bool encrypted = false;
  std::array<uint8_t, 16> file = {};  // random
  SessionIdentity identity;
  LogSegment log;

  // With a random data key for `sealer`, wrapped under `key`; null: plaintext. Fails with io, out_of_memory.
  Result<HeaderBytes> seal(const SecretKey* key, RandomBytes random, std::unique_ptr<Sealer>* sealer) const;

  // Of one copy. Fails with corrupt (damaged, or no session file), version (newer).
  static Status check(const HeaderBytes& bytes);
  // Of a copy that check() accepts. Fails with invalid_argument (wrong key, or one too many or too few),
  // corrupt.
  static Result<SessionHeader> open(const HeaderBytes& bytes, const SecretKey* key, RandomBytes random,
                                    std::unique_ptr<Sealer>* sealer);
};

}  // namespace leoam
