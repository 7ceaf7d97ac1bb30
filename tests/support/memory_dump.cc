#include "tests/support/memory_dump.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>

#include "runtime/io/unique_fd.h"

namespace leoam::testing {
namespace {

constexpr size_t kExpanded_bytes = 240;
constexpr size_t kWord_bytes = 4;

// The substitution of AES: inverses of GF(2^8) by walking through its powers, then the affine map.
std::array<uint8_t, 256> substitution() {
  std::array<uint8_t, 256> table = {};
  uint8_t p = 1;
  uint8_t q = 1;
  do {
    p = static_cast<uint8_t>(p ^ (p << 1) ^ ((p & 0x80) ? 0x1b : 0));
    q = static_cast<uint8_t>(q ^ (q << 1));
    q = static_cast<uint8_t>(q ^ (q << 2));
    q = static_cast<uint8_t>(q ^ (q << 4));
    if (q & 0x80) q ^= 0x09;
    const auto turned = [q](int n) { return static_cast<uint8_t>((q << n) | (q >> (8 - n))); };
    table[p] = static_cast<uint8_t>(q ^ turned(1) ^ turned(2) ^ turned(3) ^ turned(4) ^ 0x63);
  } while (p != 1);
  table[0] = 0x63;
  return table;
}

// Whether the words from the ninth on follow from the first eight.
bool is_expanded(const uint8_t* bytes) {
  static const std::array<uint8_t, 256> kTable = substitution();
  uint8_t round = 1;
  for (size_t i = 8; i < kExpanded_bytes / kWord_bytes; ++i) {
    const uint8_t* before = bytes + (i - 1) * kWord_bytes;
    for (size_t b = 0; b < kWord_bytes; ++b) {
      uint8_t mixed = before[b];
      if (i % 8 == 0)
        mixed = static_cast<uint8_t>(kTable[before[(b + 1) % kWord_bytes]] ^ (b == 0 ? round : 0));
      if (i % 8 == 4) mixed = kTable[before[b]];
      if (bytes[i * kWord_bytes + b] != (bytes[(i - 8) * kWord_bytes + b] ^ mixed)) return false;
    }
    if (i % 8 == 0) round = static_cast<uint8_t>(round << 1);
  }
  return true;
}

}  // namespace

std::string memory_dump(pid_t pid, DumpPart part) {
  const std::string folder = "/proc/" + std::to_string(pid);
  const UniqueFd memory(open((folder + "/mem").c_str(), O_RDONLY | O_CLOEXEC));
  std::ifstream maps(folder + "/smaps");
  std::string dump;
  unsigned long long begin = 0;
  unsigned long long end = 0;
  char rights[8] = {};
  for (std::string line; memory.ok() && std::getline(maps, line);) {
    unsigned long long first = 0;
    unsigned long long last = 0;
    char flags[8] = {};
    if (std::sscanf(line.c_str(), "%llx-%llx %4s", &first, &last, flags) == 3) {
      begin = first;
      end = last;
      std::memcpy(rights, flags, sizeof rights);
      continue;
    }
    if (!line.starts_with("VmFlags:") || std::strncmp(rights, "rw", 2) != 0) continue;
    const bool left_out = (line + " ").find(" dd ") != std::string::npos;
    if (left_out != (part == DumpPart::left_out)) continue;
    const size_t before = dump.size();
    dump.resize(before + (end - begin));
    const ssize_t n = pread(memory.get(), dump.data() + before, end - begin, static_cast<off_t>(begin));
    dump.resize(before + static_cast<size_t>(n > 0 ? n : 0));
  }
  return dump;
}

std::vector<Aes256Key> expanded_keys(std::string_view bytes) {
  std::vector<Aes256Key> keys;
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  for (size_t at = 0; at + kExpanded_bytes <= bytes.size(); at += kWord_bytes) {
    if (!is_expanded(data + at)) continue;
    keys.emplace_back();
    std::memcpy(keys.back().data(), data + at, keys.back().size());
  }
  return keys;
}

}  // namespace leoam::testing
