// MemoryDump: what a core dump of a process would hold, and keys of AES-256 in it.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace leoam::testing {

// Writable memory of a process that stands still, as the system writes it to a core file: mappings that are
// marked MADV_DONTDUMP are left out, or are all that is taken.
enum class DumpPart { dumped, left_out };
// Empty when the system lets nobody read it.
std::string memory_dump(pid_t pid, DumpPart part);

using Aes256Key = std::array<uint8_t, 32>;
// Keys whose expanded form (FIPS 197), as a cipher works with it, lies anywhere in `bytes`.
std::vector<Aes256Key> expanded_keys(std::string_view bytes);

}  // namespace leoam::testing
