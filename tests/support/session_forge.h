// SessionForge: takes a session file in plaintext apart and puts it together again with other contents under
// right checksums: what only a hostile file has.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/store/manifest.h"
#include "runtime/store/sealer.h"
#include "runtime/store/session_header.h"

namespace leoam::testing {

class SessionForge {
 public:
  // `bytes`: a whole session file in plaintext.
  explicit SessionForge(std::vector<uint8_t> bytes);

  std::vector<uint8_t>& bytes() { return bytes_; }
  const SessionHeader& header() const { return header_; }
  Manifest manifest() const;

  // Bytes of both copies of the header; the checksum follows.
  void set_header(size_t at, std::span<const uint8_t> value);
  template <class T>
  void set_header_number(size_t at, T value) {
    set_header(at, std::span(reinterpret_cast<const uint8_t*>(&value), sizeof value));
  }
  // The identity, sealed as the file's; `bytes` may be no identity at all.
  void set_identity(std::span<const uint8_t> identity_bytes);

  // A manifest, or bytes that are none, in the newest slot.
  void set_manifest(const Manifest& manifest) { set_manifest(manifest.encode(), manifest.n_log_records); }
  void set_manifest(std::span<const uint8_t> text, uint64_t n_log_records);
  void set_slot(const std::function<void(Slot*)>& change);

  // The first part of a layer's index.
  void set_index(uint32_t layer, std::span<const uint8_t> text);
  // A record at the end of the log, in both copies.
  void append_log(uint32_t kind, uint32_t flags, std::span<const uint8_t> text);
  // Sealed with a place at the end of the file.
  BlobRecord put(RecordKind kind, std::span<const uint8_t> identity, std::span<const uint8_t> text);

 private:
  size_t newest_slot() const;
  uint64_t add_blocks(std::span<const uint8_t> text);
  void reseal_header();

  std::vector<uint8_t> bytes_;
  SessionHeader header_;
  std::unique_ptr<Sealer> sealer_;
};

}  // namespace leoam::testing
