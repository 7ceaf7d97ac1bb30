#include "tests/support/session_forge.h"

#include <algorithm>

#include "runtime/store/checksum.h"
#include "runtime/store/little_endian.h"
#include "runtime/store/token_log_format.h"

namespace leoam::testing {
namespace {

std::span<uint8_t> at(std::vector<uint8_t>& bytes, uint64_t offset, uint64_t size) {
  return std::span(bytes).subspan(offset, size);
}

HeaderBytes header_bytes(const std::vector<uint8_t>& bytes) {
  HeaderBytes header;
  std::copy_n(bytes.begin(), header.size(), header.begin());
  return header;
}

}  // namespace

SessionForge::SessionForge(std::vector<uint8_t> bytes) : bytes_(std::move(bytes)) {
  header_ = std::move(SessionHeader::open(header_bytes(bytes_), nullptr, system_random, &sealer_)).value();
}

size_t SessionForge::newest_slot() const {
  const auto generation = [this](size_t which) {
    const auto slot = Slot::get(std::span(bytes_).subspan(kSlotPlaces_bytes[which], kIoBlock_bytes));
    return slot.ok() ? slot->generation : 0;
  };
  return generation(1) > generation(0) ? 1 : 0;
}

Manifest SessionForge::manifest() const {
  const Slot slot =
      Slot::get(std::span(bytes_).subspan(kSlotPlaces_bytes[newest_slot()], kIoBlock_bytes)).value();
  const auto text = std::span(bytes_).subspan(slot.offset_bytes, slot.bytes);
  return Manifest::decode(text, header_.identity, bytes_.size()).value();
}

void SessionForge::reseal_header() {
  Checksum sum;
  sum.add(std::span(bytes_).first(16));
  sum.add(std::span(bytes_).subspan(32, kHeader_bytes - 32));
  std::ranges::copy(sum.value(), bytes_.begin() + 16);
  std::copy_n(bytes_.begin(), kHeader_bytes,
              bytes_.begin() + static_cast<std::ptrdiff_t>(kHeaderPlaces_bytes[1]));
}

void SessionForge::set_header(size_t offset, std::span<const uint8_t> value) {
  std::ranges::copy(value, bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
  reseal_header();
}

void SessionForge::set_identity(std::span<const uint8_t> identity_bytes) {
  Seal seal;
  Salt salt;
  (void)sealer_->seal(RecordKind::identity, {}, identity_bytes, bytes_.data() + 256, &seal, &salt).ok();
  store(bytes_.data() + 36, static_cast<uint32_t>(identity_bytes.size()));
  std::ranges::copy(salt, bytes_.begin() + 176);
  store(bytes_.data() + 192, seal.counter);
  std::ranges::copy(seal.tag, bytes_.begin() + 200);
  reseal_header();
}

uint64_t SessionForge::add_blocks(std::span<const uint8_t> text) {
  const uint64_t place = whole_blocks(bytes_.size());
  bytes_.resize(place + std::max(whole_blocks(text.size()), kIoBlock_bytes));
  std::ranges::copy(text, bytes_.begin() + static_cast<std::ptrdiff_t>(place));
  return place;
}

void SessionForge::set_manifest(std::span<const uint8_t> text, uint64_t n_log_records) {
  const uint64_t place = add_blocks(text);
  set_slot([&](Slot* slot) {
    slot->offset_bytes = place;
    slot->bytes = static_cast<uint32_t>(text.size());
    slot->n_log_records = n_log_records;
    Seal seal;
    std::vector<uint8_t> sealed(text.size());
    (void)sealer_->seal(RecordKind::manifest, slot->identity(), text, sealed.data(), &seal, &slot->salt).ok();
    slot->counter = seal.counter;
    slot->tag = seal.tag;
  });
}

void SessionForge::set_slot(const std::function<void(Slot*)>& change) {
  const auto block = at(bytes_, kSlotPlaces_bytes[newest_slot()], kIoBlock_bytes);
  Slot slot = Slot::get(block).value();
  change(&slot);
  slot.put(block);
}

BlobRecord SessionForge::put(RecordKind kind, std::span<const uint8_t> identity,
                             std::span<const uint8_t> text) {
  BlobRecord blob;
  std::vector<uint8_t> sealed(text.size());
  // Of an epoch that the manifest knows.
  const Manifest now = manifest();
  (void)sealer_->adopt(sealer_->epochs().empty() ? now.epochs : std::vector<Epoch>()).ok();
  (void)sealer_->seal(kind, identity, text, sealed.data(), &blob.seal).ok();
  blob.offset_bytes = add_blocks(sealed);
  blob.bytes = static_cast<uint32_t>(text.size());
  return blob;
}

void SessionForge::set_index(uint32_t layer, std::span<const uint8_t> text) {
  Manifest changed = manifest();
  const uint32_t part = changed.streams[layer].first_page / kIndexPages;
  const BlobRecord blob = put(RecordKind::index, index_identity(layer, part), text);
  changed.streams[layer].index.assign(1, blob);
  const auto known = [&](const Epoch& epoch) { return epoch.number == blob.seal.epoch; };
  if (std::ranges::none_of(changed.epochs, known)) changed.epochs = sealer_->epochs();
  set_manifest(changed);
}

void SessionForge::append_log(uint32_t kind, uint32_t flags, std::span<const uint8_t> text) {
  const uint64_t first = header_.log.offset_bytes[0];
  uint64_t place = 0;
  LogRecordHeader record;
  LogRecordHeader last;
  while (record.get(bytes_.data() + first + place)) {
    last = record;
    place += whole_blocks(kLogHeader_bytes + record.text_bytes);
  }
  record = {};
  record.kind = kind;
  record.flags = flags;
  record.text_bytes = static_cast<uint32_t>(text.size());
  record.number = last.number + 1;
  Seal seal;
  std::vector<uint8_t> sealed(text.size());
  (void)sealer_
      ->seal(RecordKind::log, log_identity(record.number, kind, flags, last.tag), text, sealed.data(), &seal,
             &record.salt)
      .ok();
  record.counter = seal.counter;
  record.tag = seal.tag;
  for (const uint64_t offset : header_.log.offset_bytes) {
    record.put(bytes_.data() + offset + place);
    std::ranges::copy(sealed,
                      bytes_.begin() + static_cast<std::ptrdiff_t>(offset + place + kLogHeader_bytes));
  }
}

}  // namespace leoam::testing
