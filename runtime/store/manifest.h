// Manifest: what one commit made durable, and the two slots that say where the newest one is. FORMAT.md,
// "Slots", "Manifest" and "Index".
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/store/page_file.h"
#include "runtime/store/sealer.h"
#include "runtime/store/session_identity.h"

namespace leoam {

// A sealed record on blocks of its own. `offset_bytes` 0: none.
struct BlobRecord {
  uint64_t offset_bytes = 0;
  uint32_t bytes = 0;  // before padding
  Seal seal;
  bool present() const { return offset_bytes != 0; }
  Extent extent() const { return {offset_bytes, whole_blocks(bytes)}; }
};

inline constexpr uint64_t kMostManifest_bytes = uint64_t{64} << 20;
// Pages of one index blob. Few, so that a commit writes little; many, so that a manifest is short.
inline constexpr uint32_t kIndexPages = 1024;

struct StreamRecord {
  uint32_t first_page = 0;
  uint32_t n_pages = 0;
  std::vector<BlobRecord>
      index;  // of pages [k * kIndexPages, (k + 1) * kIndexPages), k from first_page / kIndexPages
};

struct AbstractRecord {
  uint32_t layer = 0;
  uint32_t level = 0;
  BlobRecord blob;

  bool is_of(uint32_t one_layer, uint32_t one_level) const {
    return layer == one_layer && level == one_level;
  }
  // It stands above abstract pages, and says nothing without them.
  bool needs_pages() const { return level == 0; }
};

struct Manifest {
  uint64_t generation = 0;
  uint64_t n_tokens = 0;
  uint64_t n_kv_tokens = 0;
  // The first token whose KV was made by a pass of several that attended to a selection; 0: there is none.
  uint64_t selects_from = 0;
  uint64_t n_log_records = 0;
  Tag log_tag = {};  // of the last record
  std::vector<Epoch> epochs;
  std::vector<StreamRecord> streams;  // by stream_number: [n_layers] of KV, or [kPageKinds * n_layers]
  std::array<uint32_t, kPageKinds - 1> kind_page_bytes = {};  // of the kinds behind KV; 0: no pages
  BlobRecord logits;
  std::vector<AbstractRecord> abstracts;  // in the order of level, layer

  uint32_t page_bytes(PageKind kind, const SessionIdentity& identity) const {
    return kind == PageKind::kv ? identity.page_bytes : kind_page_bytes[static_cast<size_t>(kind) - 1];
  }
  uint32_t page_bytes_of(uint32_t stream, const SessionIdentity& identity) const {
    return page_bytes(static_cast<PageKind>(stream / identity.n_layers), identity);
  }
  // There are streams of all kinds, else of KV alone.
  bool has_all_kinds() const {
    return std::ranges::any_of(kind_page_bytes, [](uint32_t bytes) { return bytes != 0; });
  }
  bool has_abstracts() const { return kind_page_bytes[static_cast<size_t>(PageKind::records) - 1] != 0; }
  // Abstract pages and the records above them go; records that name the tokens they are of stay.
  void drop_abstracts(uint32_t n_layers);

  std::vector<uint8_t> encode() const;
  // Checks every number against the others, the identity and the size of the file; what lies outside the file
  // is not present. Fails with corrupt.
  static Result<Manifest> decode(std::span<const uint8_t> bytes, const SessionIdentity& identity,
                                 uint64_t file_bytes);
};

// Pages of a layer in [begin, begin + kIndexPages).
std::vector<uint8_t> encode_index(uint32_t first_page, std::span<const PageRecord> pages);
struct IndexPart {
  uint32_t first_page = 0;
  std::vector<PageRecord> pages;
};
// Pages outside the file are not present. Fails with corrupt.
Result<IndexPart> decode_index(std::span<const uint8_t> bytes, uint32_t page_bytes, uint64_t file_bytes);

// Which blob it is, under its tag.
std::array<uint8_t, 8> index_identity(uint32_t layer, uint32_t part);
std::array<uint8_t, 8> abstract_identity(uint32_t layer, uint32_t level);

// A block that says where a manifest is.
struct Slot {
  uint64_t generation = 0;
  uint64_t offset_bytes = 0;  // 0: no manifest yet
  uint32_t bytes = 0;
  Salt salt = {};
  uint64_t counter = 0;
  Tag tag = {};
  uint64_t n_log_records = 0;  // so that a log that has lost some is found out without the manifest

  void put(std::span<uint8_t> block) const;
  // Fails with corrupt.
  static Result<Slot> get(std::span<const uint8_t> block);
  // Under the manifest's tag.
  std::array<uint8_t, 32> identity() const;
};

}  // namespace leoam
