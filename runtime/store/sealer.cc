#include "runtime/store/sealer.h"

#include <algorithm>
#include <cstring>

#include "runtime/store/little_endian.h"

namespace leoam {

namespace {

constexpr char kEpochLabel[] = "leoam epoch key 1";
constexpr size_t kBinding_bytes = 56;

struct Associated {
  std::array<uint8_t, kBinding_bytes + Sealer::kMostIdentity_bytes> bytes;
  size_t n;
  std::span<const uint8_t> span() const { return {bytes.data(), n}; }
};

Associated associated(const Binding& binding, RecordKind kind, std::span<const uint8_t> identity) {
  Associated data;
  uint8_t* at = data.bytes.data();
  store(at, binding.format_version);
  store(at + 4, static_cast<uint32_t>(kind));
  std::memcpy(at + 8, binding.file.data(), 16);
  std::memcpy(at + 24, binding.model.data(), 16);
  std::memcpy(at + 40, binding.geometry.data(), 16);
  data.n = kBinding_bytes + std::min(identity.size(), Sealer::kMostIdentity_bytes);
  std::copy_n(identity.begin(), data.n - kBinding_bytes, at + kBinding_bytes);
  return data;
}

Nonce nonce_of(RecordKind kind, uint64_t counter) {
  Nonce nonce;
  store(nonce.data(), static_cast<uint32_t>(kind));
  store(nonce.data() + 4, counter);
  return nonce;
}

}  // namespace

Sealer::Sealer(std::optional<SecretKey> data_key, const Binding& binding, RandomBytes random,
               uint64_t records_per_epoch)
    : data_key_(std::move(data_key)),
      binding_(binding),
      random_(random),
      records_per_epoch_(records_per_epoch) {}

Result<std::unique_ptr<Cipher>> Sealer::derive(const Salt& salt) const {
  if (!data_key_) return Cipher::create_plaintext();
  LEOAM_ASSIGN_OR_RETURN(const SecretKey key, data_key_->derive(salt, kEpochLabel));
  return Cipher::create(key);
}

// The caller holds the lock.
Status Sealer::begin_epoch() {
  auto key = std::make_unique<Key>();
  key->epoch.number = keys_.empty() ? 1 : keys_.back()->epoch.number + 1;
  if (key->epoch.number == 0) return Status(ErrorKind::unsupported, "the file has used up its epochs");
  LEOAM_RETURN_IF_ERROR(random_(key->epoch.salt));
  LEOAM_ASSIGN_OR_RETURN(key->cipher, derive(key->epoch.salt));
  keys_.push_back(std::move(key));
  current_ = keys_.back().get();
  counter_.store(0, std::memory_order_relaxed);
  return {};
}

Status Sealer::seal(RecordKind kind, std::span<const uint8_t> identity, std::span<const uint8_t> text,
                    uint8_t* out, Seal* seal) {
  Salt salt;
  return this->seal(kind, identity, text, out, seal, &salt);
}

Status Sealer::seal(RecordKind kind, std::span<const uint8_t> identity, std::span<const uint8_t> text,
                    uint8_t* out, Seal* seal, Salt* salt) {
  const Cipher* cipher = nullptr;
  while (!cipher) {
    {
      const std::shared_lock lock(mutex_);
      if (current_) {
        seal->counter = counter_.fetch_add(1, std::memory_order_relaxed);
        if (seal->counter < records_per_epoch_) {
          cipher = current_->cipher.get();
          seal->epoch = current_->epoch.number;
          *salt = current_->epoch.salt;
          break;
        }
      }
    }
    const std::unique_lock lock(mutex_);
    if (!current_ || counter_.load(std::memory_order_relaxed) >= records_per_epoch_)
      LEOAM_RETURN_IF_ERROR(begin_epoch());
  }
  return cipher->seal(nonce_of(kind, seal->counter), associated(binding_, kind, identity).span(), text, out,
                      &seal->tag);
}

Sealer::Key* Sealer::find(uint32_t number) const {
  const auto at = std::lower_bound(keys_.begin(), keys_.end(), number,
                                   [](const auto& key, uint32_t n) { return key->epoch.number < n; });
  return at != keys_.end() && (*at)->epoch.number == number ? at->get() : nullptr;
}

Result<const Cipher*> Sealer::cipher_of(uint32_t number) const {
  {
    const std::shared_lock lock(mutex_);
    const Key* key = find(number);
    if (!key) return error(ErrorKind::corrupt, "epoch {} is not one of the file's", number);
    if (key->cipher) return static_cast<const Cipher*>(key->cipher.get());
  }
  const std::unique_lock lock(mutex_);
  Key* key = find(number);
  if (!key->cipher) {
    LEOAM_ASSIGN_OR_RETURN(key->cipher, derive(key->epoch.salt));
  }
  return static_cast<const Cipher*>(key->cipher.get());
}

Status Sealer::open(RecordKind kind, std::span<const uint8_t> identity, const Seal& seal,
                    const uint8_t* stored, std::span<uint8_t> out) const {
  LEOAM_ASSIGN_OR_RETURN(const Cipher* cipher, cipher_of(seal.epoch));
  return cipher->open(nonce_of(kind, seal.counter), associated(binding_, kind, identity).span(), stored,
                      seal.tag, out);
}

Status Sealer::open(RecordKind kind, std::span<const uint8_t> identity, const Seal& seal, const Salt& salt,
                    const uint8_t* stored, std::span<uint8_t> out) const {
  const std::lock_guard lock(detached_mutex_);
  if (!detached_ || detached_salt_ != salt) {
    LEOAM_ASSIGN_OR_RETURN(detached_, derive(salt));
    detached_salt_ = salt;
  }
  return detached_->open(nonce_of(kind, seal.counter), associated(binding_, kind, identity).span(), stored,
                         seal.tag, out);
}

Status Sealer::adopt(std::span<const Epoch> epochs) {
  const std::unique_lock lock(mutex_);
  for (const Epoch& epoch : epochs) {
    const uint32_t last = keys_.empty() ? 0 : keys_.back()->epoch.number;
    if (epoch.number <= last)
      return error(ErrorKind::corrupt, "epochs: number {} follows {}", epoch.number, last);
    keys_.push_back(std::make_unique<Key>(Key{epoch, nullptr}));
  }
  return {};
}

std::vector<Epoch> Sealer::epochs() const {
  const std::shared_lock lock(mutex_);
  std::vector<Epoch> epochs;
  epochs.reserve(keys_.size());
  for (const auto& key : keys_) epochs.push_back(key->epoch);
  return epochs;
}

}  // namespace leoam
