#include "runtime/kv/frame_pool.h"

#include <sys/mman.h>

#include <algorithm>

#include "runtime/base/aligned_buffer.h"

namespace leoam {
namespace {

// On one huge page: fewer TLB misses when attention streams over pages.
constexpr size_t kSlab_bytes = kHugePage_bytes;
constexpr uintptr_t kSystemPage_bytes = 4096;

}  // namespace

// Frames of one size. A slab whose last frame comes home goes back to where it came from.
struct FrameSlab {
  uint32_t frame_bytes = 0;
  std::vector<uint32_t> free;  // frame numbers, the lowest last
  uint32_t n_frames = 0;
  std::unique_ptr<DeviceBuffer> buffer;
};

FramePool::FramePool(Allocate allocate, bool in_ram) : allocate_(std::move(allocate)), in_ram_(in_ram) {}

FramePool::~FramePool() = default;

Result<Frame> FramePool::allocate(uint32_t bytes) {
  auto found = std::find_if(with_room_.begin(), with_room_.end(),
                            [bytes](const FrameSlab* slab) { return slab->frame_bytes == bytes; });
  if (found == with_room_.end()) {
    auto slab = std::make_unique<FrameSlab>();
    slab->frame_bytes = bytes;
    slab->n_frames = static_cast<uint32_t>(std::max<size_t>(1, kSlab_bytes / bytes));
    LEOAM_ASSIGN_OR_RETURN(slab->buffer, allocate_(std::max(kSlab_bytes, size_t{slab->n_frames} * bytes)));
    slab->free.reserve(slab->n_frames);
    for (uint32_t i = slab->n_frames; i-- > 0;) slab->free.push_back(i);
    slab_bytes_ += slab->buffer->bytes();
    with_room_.push_back(slab.get());
    slabs_.push_back(std::move(slab));
    found = with_room_.end() - 1;
  }
  FrameSlab* slab = *found;
  const Frame frame = {slab->buffer->data() + size_t{slab->free.back()} * bytes, slab};
  slab->free.pop_back();
  if (slab->free.empty()) with_room_.erase(found);
  return frame;
}

void FramePool::free(const Frame& frame) {
  FrameSlab* slab = frame.slab;
  if (slab->free.empty()) with_room_.push_back(slab);
  slab->free.push_back(static_cast<uint32_t>(frame.data - slab->buffer->data()) / slab->frame_bytes);
  if (slab->free.size() < slab->n_frames) return;
  slab_bytes_ -= slab->buffer->bytes();
  std::erase(with_room_, slab);
  std::erase_if(slabs_,
                [slab](const std::unique_ptr<FrameSlab>& candidate) { return candidate.get() == slab; });
}

void FramePool::trim() {
  if (!in_ram_) return;
  for (FrameSlab* slab : with_room_) {
    std::sort(slab->free.begin(), slab->free.end(), std::greater<>());
    for (const uint32_t frame : slab->free) {
      uint8_t* const begin = slab->buffer->data() + size_t{frame} * slab->frame_bytes;
      const uintptr_t address = reinterpret_cast<uintptr_t>(begin);
      const uintptr_t first = (address + kSystemPage_bytes - 1) / kSystemPage_bytes * kSystemPage_bytes;
      const uintptr_t last = (address + slab->frame_bytes) / kSystemPage_bytes * kSystemPage_bytes;
      // Advice only: memory that cannot be given back stays.
      if (first < last) madvise(begin + (first - address), last - first, MADV_DONTNEED);
    }
  }
}

}  // namespace leoam
