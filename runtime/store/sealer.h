// Sealer: seals and opens the records of one file: binds each to the file and to what it is, and gives every
// one a nonce of its own.
//
// Why no nonce repeats: a file has a random data key. Whoever opens it for writing begins an epoch with a
// random 128-bit salt, and the epoch's key is HKDF(data key, salt). Within an epoch a 64-bit counter in
// memory only grows, and an epoch ends before 2^32 records. So a pair of key and nonce can repeat only if two
// epochs draw the same salt, whatever crashes, rollbacks of the file or failed writes come between.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/store/cipher.h"
#include "runtime/store/key.h"

namespace leoam {

// Under the tag, and the first four bytes of the nonce.
enum class RecordKind : uint32_t {
  page = 1,
  log = 2,
  index = 3,
  manifest = 4,
  abstract = 5,
  logits = 6,
  identity = 7
};

// What every record of a file is bound to. FORMAT.md, "Binding".
struct Binding {
  uint32_t format_version = 0;
  std::array<uint8_t, 16> file = {};      // random
  std::array<uint8_t, 16> model = {};     // zero in scratch files
  std::array<uint8_t, 16> geometry = {};  // zero in scratch files
};

using Salt = std::array<uint8_t, 16>;

struct Seal {
  uint64_t counter = 0;
  uint32_t epoch = 0;  // number, 1 and up
  Tag tag = {};
};

struct Epoch {
  uint32_t number = 0;
  Salt salt = {};
};

// Thread rule: all calls are thread-safe.
class Sealer {
 public:
  // The most that a record's own identity may take.
  static constexpr size_t kMostIdentity_bytes = 32;
  static constexpr uint64_t kRecordsPerEpoch = uint64_t{1} << 32;

  // Without a data key: plaintext with checksums.
  Sealer(std::optional<SecretKey> data_key, const Binding& binding, RandomBytes random,
         uint64_t records_per_epoch = kRecordsPerEpoch);

  bool encrypts() const { return data_key_.has_value(); }

  // `out` [text.size()]. Begins an epoch when there is none. Fails with io, out_of_memory, internal.
  Status seal(RecordKind kind, std::span<const uint8_t> identity, std::span<const uint8_t> text, uint8_t* out,
              Seal* seal);
  // The same, for records that carry their epoch's salt with them.
  Status seal(RecordKind kind, std::span<const uint8_t> identity, std::span<const uint8_t> text, uint8_t* out,
              Seal* seal, Salt* salt);
  // Fails with corrupt when it is not what was sealed, then `out` holds anything; out_of_memory, internal.
  Status open(RecordKind kind, std::span<const uint8_t> identity, const Seal& seal, const uint8_t* stored,
              std::span<uint8_t> out) const;
  Status open(RecordKind kind, std::span<const uint8_t> identity, const Seal& seal, const Salt& salt,
              const uint8_t* stored, std::span<uint8_t> out) const;

  // Epochs of a file that is opened: numbers ascending. Fails with corrupt.
  Status adopt(std::span<const Epoch> epochs);
  std::vector<Epoch> epochs() const;

 private:
  struct Key {
    Epoch epoch;
    std::unique_ptr<Cipher> cipher;  // null until it is needed
  };
  Status begin_epoch();
  Result<std::unique_ptr<Cipher>> derive(const Salt& salt) const;
  Result<const Cipher*> cipher_of(uint32_t number) const;
  Key* find(uint32_t number) const;

  const std::optional<SecretKey> data_key_;
  const Binding binding_;
  const RandomBytes random_;
  const uint64_t records_per_epoch_;

  mutable std::shared_mutex mutex_;
  mutable std::vector<std::unique_ptr<Key>> keys_;  // ascending
  Key* current_ = nullptr;
  std::atomic<uint64_t> counter_{0};
  mutable std::mutex detached_mutex_;  // the last salt that came with a record
  mutable Salt detached_salt_ = {};
  mutable std::unique_ptr<Cipher> detached_;
};

}  // namespace leoam
