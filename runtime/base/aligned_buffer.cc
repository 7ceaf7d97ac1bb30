#include "runtime/base/aligned_buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

namespace leoam {
namespace {

constexpr size_t kMapThreshold_bytes = size_t{2} << 20;

size_t round_up(size_t bytes, size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

}  // namespace

Result<AlignedBuffer> AlignedBuffer::allocate(size_t bytes) {
  AlignedBuffer buffer;
  if (bytes == 0) return buffer;
  if (bytes > SIZE_MAX / 2) return error(ErrorKind::out_of_memory, "cannot allocate {} bytes", bytes);
  void* memory = nullptr;
  if (bytes >= kMapThreshold_bytes) {
    memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) memory = nullptr;
    // Fewer TLB misses in streams over weights; a refusal changes nothing.
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
    munmap(data_, bytes_);
  else
    std::free(data_);
}

}  // namespace leoam
