// A part of a session file's index behind a right tag.
#include <cstddef>
#include <cstdint>

#include "runtime/store/manifest.h"
#include "runtime/store/session_header.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr uint64_t kFile_bytes = uint64_t{1} << 24;
  constexpr uint32_t kPage_bytes = 5000;
  const auto part = leoam::decode_index({data, size}, kPage_bytes, kFile_bytes);
  if (!part.ok()) return 0;
  for (const leoam::PageRecord& page : part->pages) {
    if (!page.present()) continue;
    const bool inside = page.offset_bytes >= leoam::kHead_bytes &&
                        page.offset_bytes % leoam::kIoBlock_bytes == 0 &&
                        page.offset_bytes + 2 * leoam::kIoBlock_bytes <= kFile_bytes;
    if (!inside) __builtin_trap();
  }
  return 0;
}
