// A token log: records with right tags and any contents, then any bytes. The input is a list of records:
// kind, flags, two bytes of length, text.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "runtime/store/token_log.h"
#include "runtime/store/token_log_format.h"

namespace {

constexpr uint64_t kSegment_bytes = leoam::kFirstLogSegment_bytes;
constexpr uint64_t kFile_bytes = leoam::kHead_bytes + 4 * kSegment_bytes;
constexpr uint32_t kVocab = 50;

class FuzzFile final : public leoam::WritableFile {
 public:
  leoam::Result<uint64_t> size_bytes() const override { return kFile_bytes; }
  leoam::Status read_at(uint64_t offset_bytes, std::span<uint8_t> out) const override {
    if (offset_bytes > bytes.size() || out.size() > bytes.size() - offset_bytes)
      return leoam::Status(leoam::ErrorKind::corrupt, "beyond the file");
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset_bytes), out.size(), out.begin());
    return {};
  }
  leoam::Status write_at(uint64_t, std::span<const uint8_t>) override { return {}; }
  leoam::Status resize(uint64_t) override { return {}; }
  leoam::Status sync() override { return {}; }

  std::vector<uint8_t> bytes = std::vector<uint8_t>(kFile_bytes);
};

void write_records(const uint8_t* data, size_t size, const leoam::LogSegment& segment, leoam::Sealer* sealer,
                   FuzzFile* file) {
  leoam::Tag previous = {};
  uint64_t at = 0;
  for (uint64_t number = 0; size >= 4; ++number) {
    leoam::LogRecordHeader header;
    header.kind = data[0] % 4;
    header.flags = data[1];
    header.number = number;
    const size_t text_bytes = std::min<size_t>(leoam::load<uint16_t>(data + 2), size - 4);
    header.text_bytes = static_cast<uint32_t>(text_bytes);
    const std::vector<uint8_t> text(data + 4, data + 4 + text_bytes);
    data += 4 + text_bytes;
    size -= 4 + text_bytes;
    if (at + leoam::whole_blocks(leoam::kLogHeader_bytes + text_bytes) > kSegment_bytes) break;
    uint8_t* const record = file->bytes.data() + segment.offset_bytes[number % 2] + at;
    leoam::Seal seal;
    const auto identity = leoam::log_identity(number, header.kind, header.flags, previous);
    (void)sealer
        ->seal(leoam::RecordKind::log, identity, text, record + leoam::kLogHeader_bytes, &seal, &header.salt)
        .ok();
    header.counter = seal.counter;
    header.tag = previous = seal.tag;
    header.put(record);
    at += leoam::whole_blocks(leoam::kLogHeader_bytes + text_bytes);
  }
  if (size > 0)
    std::memcpy(file->bytes.data() + segment.offset_bytes[0] + std::min(at, kSegment_bytes - size), data,
                size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const leoam::LogSegment segment{{leoam::kHead_bytes, leoam::kHead_bytes + kSegment_bytes}, kSegment_bytes};
  leoam::Sealer sealer(std::nullopt, {}, leoam::system_random);
  FuzzFile file;
  write_records(data, std::min<size_t>(size, 1u << 15), segment, &sealer, &file);
  leoam::TokenLog::Contents contents;
  const auto log = leoam::TokenLog::read(file, sealer, segment, kFile_bytes, kVocab, &contents);
  if (!log.ok()) return 0;
  for (const leoam::LoggedToken& token : contents.tokens)
    if (token.id < 0 || token.id >= static_cast<int32_t>(kVocab)) __builtin_trap();
  return 0;
}
