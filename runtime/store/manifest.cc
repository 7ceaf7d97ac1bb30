#include "runtime/store/manifest.h"

#include <algorithm>

#include "runtime/store/checksum.h"
#include "runtime/store/flat.h"
#include "runtime/store/little_endian.h"
#include "runtime/store/schema/index_generated.h"
#include "runtime/store/schema/manifest_generated.h"
#include "runtime/store/session_header.h"

namespace leoam {

namespace {

using FlatTag = flatbuffers::span<const uint8_t, 16>;

FlatTag flat(const std::array<uint8_t, 16>& tag) {
  return FlatTag(tag.data(), tag.size());
}

std::array<uint8_t, 16> bytes_of(const flatbuffers::Array<uint8_t, 16>* tag) {
  std::array<uint8_t, 16> bytes;
  std::copy_n(tag->data(), bytes.size(), bytes.data());
  return bytes;
}

schema::Blob flat(const BlobRecord& blob) {
  return {blob.offset_bytes, blob.seal.counter, blob.bytes, blob.seal.epoch, flat(blob.seal.tag)};
}

bool on_blocks_inside(const Extent& extent, uint64_t file_bytes) {
  return extent.offset_bytes >= kHead_bytes && extent.offset_bytes % kIoBlock_bytes == 0 &&
         extent.offset_bytes <= file_bytes && extent.bytes <= file_bytes - extent.offset_bytes;
}

// A record that a shortened file no longer holds is one that is missing: the others are still good.
BlobRecord blob_of(const schema::Blob& flat_blob, uint64_t file_bytes) {
  BlobRecord blob;
  blob.offset_bytes = flat_blob.offset_bytes();
  blob.bytes = flat_blob.bytes();
  blob.seal = {flat_blob.counter(), flat_blob.epoch(), bytes_of(flat_blob.tag())};
  if (blob.bytes == 0 || !on_blocks_inside(blob.extent(), file_bytes)) return {};
  return blob;
}

uint64_t n_index_parts(uint32_t first_page, uint32_t n_pages) {
  if (n_pages == 0) return 0;
  return (uint64_t{first_page} + n_pages - 1) / kIndexPages - first_page / kIndexPages + 1;
}

Result<StreamRecord> stream_of(const schema::Stream& flat_stream, size_t number, uint64_t n_pages,
                               uint64_t file_bytes) {
  StreamRecord stream;
  stream.first_page = flat_stream.first_page();
  stream.n_pages = flat_stream.n_pages();
  if (uint64_t{stream.first_page} + stream.n_pages > n_pages)
    return error(ErrorKind::corrupt, "manifest: stream {} has pages {} to {}, expected at most {}", number,
                 stream.first_page, uint64_t{stream.first_page} + stream.n_pages, n_pages);
  const uint64_t n_parts = flat_stream.index() ? flat_stream.index()->size() : 0;
  if (n_parts != n_index_parts(stream.first_page, stream.n_pages))
    return error(ErrorKind::corrupt, "manifest: stream {} has {} parts of its index, expected {}", number,
                 n_parts, n_index_parts(stream.first_page, stream.n_pages));
  for (uint32_t i = 0; i < n_parts; ++i)
    stream.index.push_back(blob_of(*flat_stream.index()->Get(i), file_bytes));
  return stream;
}

Status read_epochs(const schema::Manifest& root, Manifest* manifest) {
  if (!root.epochs()) return {};
  for (const schema::Epoch* epoch : *root.epochs()) {
    if (epoch->number() <= (manifest->epochs.empty() ? 0 : manifest->epochs.back().number))
      return error(ErrorKind::corrupt, "manifest: epoch {} is not behind those before it", epoch->number());
    manifest->epochs.push_back({epoch->number(), bytes_of(epoch->salt())});
  }
  return {};
}

Status read_page_bytes(const schema::Manifest& root, Manifest* manifest) {
  const auto* page_bytes = root.kind_page_bytes();
  if (!page_bytes || page_bytes->size() == 0) return {};
  if (page_bytes->size() != manifest->kind_page_bytes.size())
    return error(ErrorKind::corrupt, "manifest: sizes of {} kinds of pages expected, found {}",
                 manifest->kind_page_bytes.size(), page_bytes->size());
  for (uint32_t i = 0; i < page_bytes->size(); ++i) {
    const uint32_t bytes = page_bytes->Get(i);
    if (bytes > SessionIdentity::kMostPage_bytes)
      return error(ErrorKind::corrupt, "manifest: pages of {} bytes, expected at most {}", bytes,
                   SessionIdentity::kMostPage_bytes);
    manifest->kind_page_bytes[i] = bytes;
  }
  return {};
}

Status read_abstracts(const schema::Manifest& root, const SessionIdentity& identity, uint64_t file_bytes,
                      Manifest* manifest) {
  if (!root.abstracts()) return {};
  for (const schema::Abstract* entry : *root.abstracts()) {
    AbstractRecord abstract{entry->layer(), entry->level(), {}};
    if (abstract.layer >= identity.n_layers)
      return error(ErrorKind::corrupt, "manifest: abstract of layer {}, there are {}", abstract.layer,
                   identity.n_layers);
    abstract.blob = blob_of(entry->blob(), file_bytes);
    if (abstract.blob.present()) manifest->abstracts.push_back(abstract);
  }
  return {};
}

}  // namespace

void Manifest::drop_abstracts(uint32_t n_layers) {
  std::erase_if(abstracts, [](const AbstractRecord& one) { return one.needs_pages(); });
  for (const PageKind kind : {PageKind::records, PageKind::codes}) {
    kind_page_bytes[static_cast<size_t>(kind) - 1] = 0;
    for (uint32_t layer = 0; layer < n_layers; ++layer)
      if (const uint32_t number = stream_number(kind, layer, n_layers); number < streams.size())
        streams[number] = {};
  }
  if (!has_all_kinds()) streams.resize(n_layers);
}

std::vector<uint8_t> Manifest::encode() const {
  flatbuffers::FlatBufferBuilder builder;
  std::vector<schema::Epoch> flat_epochs;
  for (const Epoch& epoch : epochs) flat_epochs.emplace_back(epoch.number, flat(epoch.salt));
  std::vector<flatbuffers::Offset<schema::Stream>> flat_streams;
  for (const StreamRecord& layer : streams) {
    std::vector<schema::Blob> parts;
    for (const BlobRecord& part : layer.index) parts.push_back(flat(part));
    flat_streams.push_back(schema::CreateStreamDirect(builder, layer.first_page, layer.n_pages, &parts));
  }
  std::vector<schema::Abstract> flat_abstracts;
  for (const AbstractRecord& abstract : abstracts)
    flat_abstracts.emplace_back(flat(abstract.blob), abstract.layer, abstract.level);
  std::vector<uint32_t> flat_page_bytes;
  if (!streams.empty() && has_all_kinds())
    flat_page_bytes.assign(kind_page_bytes.begin(), kind_page_bytes.end());
  const schema::LogEnd log(n_log_records, flat(log_tag));
  const schema::Blob flat_logits = flat(logits);
  builder.Finish(
      schema::CreateManifestDirect(builder, generation, n_tokens, n_kv_tokens, &log, &flat_epochs,
                                   &flat_streams, logits.present() ? &flat_logits : nullptr, &flat_abstracts,
                                   flat_page_bytes.empty() ? nullptr : &flat_page_bytes, selects_from),
      schema::ManifestIdentifier());
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

Result<Manifest> Manifest::decode(std::span<const uint8_t> bytes, const SessionIdentity& identity,
                                  uint64_t file_bytes) {
  LEOAM_ASSIGN_OR_RETURN(const FlatBytes flat_bytes, FlatBytes::copy(bytes));
  const auto* root = flat_bytes.root<schema::Manifest>(schema::ManifestIdentifier());
  if (!root || !root->log() || !root->streams() || !is_aligned(root->epochs()) ||
      !is_aligned(root->abstracts()) ||
      !std::ranges::all_of(*root->streams(),
                           [](const schema::Stream* layer) { return is_aligned(layer->index()); }))
    return Status(ErrorKind::corrupt, "manifest: not a table of its schema");
  Manifest manifest;
  manifest.generation = root->generation();
  manifest.n_tokens = root->n_tokens();
  manifest.n_kv_tokens = root->n_kv_tokens();
  manifest.selects_from = root->selects_from();
  manifest.n_log_records = root->log()->n_records();
  manifest.log_tag = bytes_of(root->log()->tag());
  // A token takes four bytes of the log, so the file's size is a limit to all that is counted in tokens.
  if (manifest.n_tokens > file_bytes / 4)
    return error(ErrorKind::corrupt, "manifest: {} tokens in a file of {} bytes", manifest.n_tokens,
                 file_bytes);
  if (manifest.n_kv_tokens > manifest.n_tokens)
    return error(ErrorKind::corrupt, "manifest: KV of {} tokens, there are {}", manifest.n_kv_tokens,
                 manifest.n_tokens);
  LEOAM_RETURN_IF_ERROR(read_page_bytes(*root, &manifest));
  const uint32_t n_kinds = manifest.has_all_kinds() ? kPageKinds : 1;
  if (root->streams()->size() != n_kinds * identity.n_layers)
    return error(ErrorKind::corrupt, "manifest: {} streams expected, found {}", n_kinds * identity.n_layers,
                 root->streams()->size());
  LEOAM_RETURN_IF_ERROR(read_epochs(*root, &manifest));
  const uint64_t n_pages = (manifest.n_tokens + identity.page_tokens - 1) / identity.page_tokens;
  for (uint32_t stream = 0; stream < root->streams()->size(); ++stream) {
    LEOAM_ASSIGN_OR_RETURN(StreamRecord record,
                           stream_of(*root->streams()->Get(stream), stream, n_pages, file_bytes));
    if (record.n_pages > 0 && manifest.page_bytes_of(stream, identity) == 0)
      return error(ErrorKind::corrupt, "manifest: stream {} has {} pages of 0 bytes", stream, record.n_pages);
    manifest.streams.push_back(std::move(record));
  }
  if (root->logits()) manifest.logits = blob_of(*root->logits(), file_bytes);
  if (manifest.logits.present() && manifest.logits.bytes != identity.n_vocab * sizeof(float))
    return error(ErrorKind::corrupt, "manifest: logits of {} bytes, expected {}", manifest.logits.bytes,
                 identity.n_vocab * sizeof(float));
  LEOAM_RETURN_IF_ERROR(read_abstracts(*root, identity, file_bytes, &manifest));
  return manifest;
}

std::vector<uint8_t> encode_index(uint32_t first_page, std::span<const PageRecord> pages) {
  flatbuffers::FlatBufferBuilder builder(64 + pages.size() * sizeof(schema::Page));
  std::vector<schema::Page> flat_pages;
  flat_pages.reserve(pages.size());
  for (const PageRecord& page : pages)
    flat_pages.emplace_back(page.offset_bytes, page.counter, page.epoch, flat(page.tag));
  builder.Finish(schema::CreateIndexDirect(builder, first_page, &flat_pages), schema::IndexIdentifier());
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

Result<IndexPart> decode_index(std::span<const uint8_t> bytes, uint32_t page_bytes, uint64_t file_bytes) {
  LEOAM_ASSIGN_OR_RETURN(const FlatBytes flat_bytes, FlatBytes::copy(bytes));
  const auto* root = flat_bytes.root<schema::Index>(schema::IndexIdentifier());
  if (!root || !root->pages() || !is_aligned(root->pages()))
    return Status(ErrorKind::corrupt, "index: not a table of its schema");
  if (root->pages()->size() > kIndexPages)
    return error(ErrorKind::corrupt, "index: {} pages expected at most, found {}", kIndexPages,
                 root->pages()->size());
  IndexPart part;
  part.first_page = root->first_page();
  part.pages.reserve(root->pages()->size());
  for (const schema::Page* page : *root->pages()) {
    const PageRecord record{page->offset_bytes(), page->counter(), page->epoch(), bytes_of(page->tag())};
    const bool inside = on_blocks_inside({record.offset_bytes, whole_blocks(page_bytes)}, file_bytes);
    part.pages.push_back(inside ? record : PageRecord{});
  }
  return part;
}

namespace {

constexpr uint64_t kSlotMagic = 0x544f4c534d41454c;  // "LEAMSLOT"
constexpr size_t kSlotChecksum = 80;

std::array<uint8_t, 8> pair_bytes(uint32_t first, uint32_t second) {
  std::array<uint8_t, 8> bytes;
  store(bytes.data(), first);
  store(bytes.data() + 4, second);
  return bytes;
}

}  // namespace

std::array<uint8_t, 8> index_identity(uint32_t layer, uint32_t part) {
  return pair_bytes(layer, part);
}

std::array<uint8_t, 8> abstract_identity(uint32_t layer, uint32_t level) {
  return pair_bytes(layer, level);
}

void Slot::put(std::span<uint8_t> block) const {
  std::ranges::fill(block, uint8_t{0});
  uint8_t* const at = block.data();
  store(at, kSlotMagic);
  store(at + 8, generation);
  store(at + 16, offset_bytes);
  store(at + 24, bytes);
  std::ranges::copy(salt, at + 32);
  store(at + 48, counter);
  std::ranges::copy(tag, at + 56);
  store(at + 72, n_log_records);
  std::ranges::copy(Checksum::of(block.first(kSlotChecksum)), at + kSlotChecksum);
}

Result<Slot> Slot::get(std::span<const uint8_t> block) {
  const uint8_t* const at = block.data();
  if (load<uint64_t>(at) != kSlotMagic ||
      !std::ranges::equal(Checksum::of(block.first(kSlotChecksum)), block.subspan(kSlotChecksum, 16)))
    return Status(ErrorKind::corrupt, "its checksum does not match");
  Slot slot;
  slot.generation = load<uint64_t>(at + 8);
  slot.offset_bytes = load<uint64_t>(at + 16);
  slot.bytes = load<uint32_t>(at + 24);
  std::copy_n(at + 32, slot.salt.size(), slot.salt.data());
  slot.counter = load<uint64_t>(at + 48);
  std::copy_n(at + 56, slot.tag.size(), slot.tag.data());
  slot.n_log_records = load<uint64_t>(at + 72);
  return slot;
}

std::array<uint8_t, 32> Slot::identity() const {
  std::array<uint8_t, 32> bytes_of_slot = {};
  store(bytes_of_slot.data(), generation);
  store(bytes_of_slot.data() + 8, offset_bytes);
  store(bytes_of_slot.data() + 16, uint64_t{bytes});
  store(bytes_of_slot.data() + 24, n_log_records);
  return bytes_of_slot;
}

}  // namespace leoam
