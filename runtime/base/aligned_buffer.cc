#include "runtime/base/aligned_buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

namespace leoam {
namespace {

constexpr size_t kSystemPage_bytes = 4096;
constexpr size_t kMapThreshold_bytes = kHugePage_bytes;

size_t round_up(size_t bytes, size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

// Starts at a multiple of kHugePage_bytes: what the system does not align by itself it cannot back with huge
// pages. Null: refused.
void* map_aligned(size_t bytes) {
  const size_t mapped_bytes = round_up(bytes, kSystemPage_bytes) + kHugePage_bytes;
  void* const mapped =
      mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* const begin = static_cast<uint8_t*>(mapped);
  const size_t before =
      round_up(reinterpret_cast<uintptr_t>(begin), kHugePage_bytes) - reinterpret_cast<uintptr_t>(begin);
  const size_t used = round_up(bytes, kSystemPage_bytes);
  if (before > 0) munmap(begin, before);
  if (before < kHugePage_bytes) munmap(begin + before + used, kHugePage_bytes - before);
  return begin + before;
}

}  // namespace

Result<AlignedBuffer> AlignedBuffer::allocate(size_t bytes) {
  AlignedBuffer buffer;
  if (bytes == 0) return buffer;
  if (bytes > SIZE_MAX / 2) return error(ErrorKind::out_of_memory, "cannot allocate {} bytes", bytes);
  void* memory = nullptr;
  if (bytes >= kMapThreshold_bytes) {
    memory = map_aligned(bytes);
    // Fewer TLB misses in streams over weights, and a disk fills one piece of memory instead of many; a
    // refusal changes nothing.
    if (memory) madvise(memory, bytes, MADV_HUGEPAGE);
  } else {
    memory = std::aligned_alloc(kAlignment, round_up(bytes, kAlignment));
    if (memory) std::memset(memory, 0, bytes);
  }
  if (!memory) return error(ErrorKind::out_of_memory, "cannot allocate {} bytes", bytes);
  buffer.data_ = static_cast<uint8_t*>(memory);
  buffer.bytes_ = bytes;
  return buffer;
}

AlignedBuffer::~AlignedBuffer() {
  if (!data_) return;
  if (bytes_ >= kMapThreshold_bytes)
    munmap(data_, round_up(bytes_, kSystemPage_bytes));
  else
    std::free(data_);
}

}  // namespace leoam
