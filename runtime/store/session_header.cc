#include "runtime/store/session_header.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "runtime/io/writable_file.h"
#include "runtime/store/checksum.h"
#include "runtime/store/little_endian.h"

namespace leoam {

namespace {

constexpr std::array<uint8_t, 8> kMagic = {0x89, 'L', 'e', 'o', 'A', 'M', '\r', '\n'};
constexpr char kWrapLabel[] = "leoam key wrap 1";

// Offsets of fields. The first 32 bytes are the same in every version of the format.
constexpr size_t kVersion = 8;
constexpr size_t kBytes = 12;
constexpr size_t kChecksum = 16;
constexpr size_t kCipher = 32;
constexpr size_t kIdentityBytes = 36;
constexpr size_t kFile = 40;
constexpr size_t kModel = 56;
constexpr size_t kGeometry = 72;
constexpr size_t kLog = 88;         // two places, and the bytes of both
constexpr size_t kWrapNonce = 112;  // authenticated up to here and with it
constexpr size_t kWrappedKey = 128;
constexpr size_t kWrapTag = 160;
constexpr size_t kIdentitySalt = 176;
constexpr size_t kIdentityCounter = 192;
constexpr size_t kIdentityTag = 200;
constexpr size_t kIdentity = 256;
constexpr size_t kAuthenticated_bytes = kWrappedKey - kCipher;

std::array<uint8_t, 16> checksum_of(const HeaderBytes& bytes) {
  Checksum sum;
  sum.add(std::span(bytes).first(kChecksum));
  sum.add(std::span(bytes).subspan(kCipher));
  return sum.value();
}

Binding binding_of(const HeaderBytes& bytes) {
  Binding binding;
  binding.format_version = kFormatVersion;
  std::copy_n(bytes.data() + kFile, 16, binding.file.data());
  std::copy_n(bytes.data() + kModel, 16, binding.model.data());
  std::copy_n(bytes.data() + kGeometry, 16, binding.geometry.data());
  return binding;
}

Result<std::unique_ptr<Cipher>> wrapping_cipher(const SecretKey& key, const HeaderBytes& bytes) {
  LEOAM_ASSIGN_OR_RETURN(const SecretKey wrapping, key.derive({bytes.data() + kFile, 16}, kWrapLabel));
  return Cipher::create(wrapping);
}

Status wrap(const SecretKey& key, const SecretKey& data_key, RandomBytes random, HeaderBytes* bytes) {
  LEOAM_ASSIGN_OR_RETURN(const auto cipher, wrapping_cipher(key, *bytes));
  Nonce nonce;
  LEOAM_RETURN_IF_ERROR(random(nonce));
  std::ranges::copy(nonce, bytes->data() + kWrapNonce);
  Tag tag;
  LEOAM_RETURN_IF_ERROR(cipher->seal(nonce, {bytes->data() + kCipher, kAuthenticated_bytes}, data_key.bytes(),
                                     bytes->data() + kWrappedKey, &tag));
  std::ranges::copy(tag, bytes->data() + kWrapTag);
  return {};
}

Result<SecretKey> unwrap(const SecretKey& key, const HeaderBytes& bytes) {
  LEOAM_ASSIGN_OR_RETURN(const auto cipher, wrapping_cipher(key, bytes));
  Nonce nonce;
  std::copy_n(bytes.data() + kWrapNonce, nonce.size(), nonce.data());
  Tag tag;
  std::copy_n(bytes.data() + kWrapTag, tag.size(), tag.data());
  return SecretKey::from([&](std::span<uint8_t> out) -> Status {
    const Status status = cipher->open(nonce, {bytes.data() + kCipher, kAuthenticated_bytes},
                                       bytes.data() + kWrappedKey, tag, out);
    if (status.kind() == ErrorKind::corrupt)
      return Status(ErrorKind::invalid_argument, "key: not the one that the session was saved with");
    return status.clone();
  });
}

}  // namespace

Result<HeaderBytes> SessionHeader::seal(const SecretKey* key, RandomBytes random,
                                        std::unique_ptr<Sealer>* sealer) const {
  const std::vector<uint8_t> text = identity.encode();
  if (text.size() > kHeader_bytes - kIdentity)
    return error(ErrorKind::invalid_argument, "identity: {} bytes, more than the header holds", text.size());
  HeaderBytes bytes = {};
  std::ranges::copy(kMagic, bytes.data());
  store(bytes.data() + kVersion, kFormatVersion);
  store(bytes.data() + kBytes, static_cast<uint32_t>(kHeader_bytes));
  store(bytes.data() + kCipher, uint32_t{key ? 1u : 0u});
  store(bytes.data() + kIdentityBytes, static_cast<uint32_t>(text.size()));
  std::ranges::copy(file, bytes.data() + kFile);
  std::ranges::copy(identity.model, bytes.data() + kModel);
  std::ranges::copy(identity.geometry(), bytes.data() + kGeometry);
  store(bytes.data() + kLog, log.offset_bytes[0]);
  store(bytes.data() + kLog + 8, log.offset_bytes[1]);
  store(bytes.data() + kLog + 16, log.bytes);
  std::optional<SecretKey> data_key;
  if (key) {
    LEOAM_ASSIGN_OR_RETURN(data_key, SecretKey::random(random));
    LEOAM_RETURN_IF_ERROR(wrap(*key, *data_key, random, &bytes));
  }
  *sealer = std::make_unique<Sealer>(std::move(data_key), binding_of(bytes), random);
  Seal seal;
  Salt salt;
  LEOAM_RETURN_IF_ERROR(
      (*sealer)->seal(RecordKind::identity, {}, text, bytes.data() + kIdentity, &seal, &salt));
  std::ranges::copy(salt, bytes.data() + kIdentitySalt);
  store(bytes.data() + kIdentityCounter, seal.counter);
  std::ranges::copy(seal.tag, bytes.data() + kIdentityTag);
  std::ranges::copy(checksum_of(bytes), bytes.data() + kChecksum);
  return bytes;
}

Status SessionHeader::check(const HeaderBytes& bytes) {
  if (!std::equal(kMagic.begin(), kMagic.end(), bytes.begin()))
    return Status(ErrorKind::corrupt, "not a session file: the first 8 bytes are not its mark");
  const auto version = load<uint32_t>(bytes.data() + kVersion);
  const bool whole = std::ranges::equal(checksum_of(bytes), std::span(bytes).subspan(kChecksum, 16));
  if (whole && version > kFormatVersion)
    return error(ErrorKind::version, "the session has format {}, this library reads formats up to {}",
                 version, kFormatVersion);
  if (!whole) return Status(ErrorKind::corrupt, "header: the checksum at byte 16 does not match");
  if (version != kFormatVersion)
    return error(ErrorKind::corrupt, "header: format {} expected, found {}", kFormatVersion, version);
  if (const auto size = load<uint32_t>(bytes.data() + kBytes); size != kHeader_bytes)
    return error(ErrorKind::corrupt, "header: {} bytes expected at byte 12, found {}", kHeader_bytes, size);
  if (const auto cipher = load<uint32_t>(bytes.data() + kCipher); cipher > 1)
    return error(ErrorKind::corrupt, "header: cipher 0 or 1 expected at byte 32, found {}", cipher);
  if (const auto size = load<uint32_t>(bytes.data() + kIdentityBytes); size > kHeader_bytes - kIdentity)
    return error(ErrorKind::corrupt, "header: identity of at most {} bytes expected at byte 36, found {}",
                 kHeader_bytes - kIdentity, size);
  return {};
}

Result<SessionHeader> SessionHeader::open(const HeaderBytes& bytes, const SecretKey* key, RandomBytes random,
                                          std::unique_ptr<Sealer>* sealer) {
  SessionHeader header;
  header.encrypted = load<uint32_t>(bytes.data() + kCipher) == 1;
  if (header.encrypted && !key)
    return Status(ErrorKind::invalid_argument, "key: none given for an encrypted session");
  if (!header.encrypted && key)
    return Status(ErrorKind::invalid_argument, "key: given for a session in plaintext");
  std::optional<SecretKey> data_key;
  if (key) {
    LEOAM_ASSIGN_OR_RETURN(data_key, unwrap(*key, bytes));
  }
  *sealer = std::make_unique<Sealer>(std::move(data_key), binding_of(bytes), random);

  Seal seal;
  Salt salt;
  std::copy_n(bytes.data() + kIdentitySalt, salt.size(), salt.data());
  seal.counter = load<uint64_t>(bytes.data() + kIdentityCounter);
  std::copy_n(bytes.data() + kIdentityTag, seal.tag.size(), seal.tag.data());
  std::vector<uint8_t> text(load<uint32_t>(bytes.data() + kIdentityBytes));
  LEOAM_RETURN_IF_ERROR((*sealer)
                            ->open(RecordKind::identity, {}, seal, salt, bytes.data() + kIdentity, text)
                            .with_context("header: identity"));
  LEOAM_ASSIGN_OR_RETURN(header.identity, SessionIdentity::decode(text));
  if (!std::ranges::equal(header.identity.geometry(), std::span(bytes).subspan(kGeometry, 16)))
    return Status(ErrorKind::corrupt, "header: the geometry at byte 72 is not that of the identity");
  std::copy_n(bytes.data() + kModel, 16, header.identity.model.data());
  std::copy_n(bytes.data() + kFile, 16, header.file.data());
  header.log = {{load<uint64_t>(bytes.data() + kLog), load<uint64_t>(bytes.data() + kLog + 8)},
                load<uint64_t>(bytes.data() + kLog + 16)};
  return header;
}

}  // namespace leoam
