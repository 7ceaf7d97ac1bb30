#include "runtime/store/page_file.h"

#include <algorithm>

#include "runtime/store/little_endian.h"

namespace leoam {

namespace {

std::array<uint8_t, 16> bytes_of(const PageIdentity& identity) {
  std::array<uint8_t, 16> bytes;
  store(bytes.data(), identity.sequence);
  store(bytes.data() + 8, identity.stream);
  store(bytes.data() + 12, identity.page);
  return bytes;
}

}  // namespace

PageFile::~PageFile() = default;

Result<uint64_t> PageFile::allocate(uint32_t page_bytes, uint32_t n) {
  return space_->allocate(stored_bytes(page_bytes) * n);
}

void PageFile::free(uint64_t offset_bytes, uint32_t page_bytes, uint32_t n) {
  space_->free({offset_bytes, stored_bytes(page_bytes) * n});
}

Status PageFile::count_written(uint64_t bytes) {
  LEOAM_RETURN_IF_ERROR(account_->count_written(bytes));
  written_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  return {};
}

Status PageFile::seal(const PageIdentity& identity, std::span<const uint8_t> page, uint8_t* out,
                      PageRecord* record) {
  const uint64_t bytes = stored_bytes(page.size());
  LEOAM_RETURN_IF_ERROR(count_written(bytes));
  Seal seal;
  LEOAM_RETURN_IF_ERROR(sealer_->seal(RecordKind::page, bytes_of(identity), page, out, &seal));
  std::fill(out + page.size(), out + bytes, uint8_t{0});
  record->counter = seal.counter;
  record->epoch = seal.epoch;
  record->tag = seal.tag;
  return {};
}

Status PageFile::open(const PageIdentity& identity, const PageRecord& record, const uint8_t* stored,
                      std::span<uint8_t> page) const {
  const Status status = sealer_->open(RecordKind::page, bytes_of(identity),
                                      {record.counter, record.epoch, record.tag}, stored, page);
  if (status.kind() != ErrorKind::corrupt) return status.clone();
  return error(ErrorKind::corrupt, "page {} of stream {} at byte {}: {}", identity.page, identity.stream,
               record.offset_bytes, status.message());
}

}  // namespace leoam
