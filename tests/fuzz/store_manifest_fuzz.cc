// The manifest of a session file, and the identity and slot beside it, behind a right tag: what only a
// hostile file in plaintext has.
#include <cstddef>
#include <cstdint>

#include "runtime/store/manifest.h"
#include "runtime/store/session_identity.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr uint64_t kFile_bytes = uint64_t{1} << 24;
  const std::span<const uint8_t> bytes(data, size);
  leoam::SessionIdentity identity;
  identity.n_layers = 3;
  identity.n_vocab = 50;
  identity.page_tokens = 4;
  identity.page_bytes = 517;
  identity.windows = {0, 8, 0};
  if (const auto found = leoam::SessionIdentity::decode(bytes); found.ok()) identity = *found;
  if (const auto manifest = leoam::Manifest::decode(bytes, identity, kFile_bytes); manifest.ok()) {
    // What was believed is sound enough to be written again.
    if (!leoam::Manifest::decode(manifest->encode(), identity, kFile_bytes).ok()) __builtin_trap();
  }
  if (size >= leoam::kIoBlock_bytes) (void)leoam::Slot::get(bytes.first(leoam::kIoBlock_bytes)).ok();
  return 0;
}
