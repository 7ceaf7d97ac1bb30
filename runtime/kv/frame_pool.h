// FramePool: memory for pages in one tier, cut from larger blocks.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/device/device.h"

namespace leoam {

struct FrameSlab;

// Room for one page. 64-byte aligned, in the address space of its tier; contents are unspecified.
struct Frame {
  uint8_t* data = nullptr;
  FrameSlab* slab = nullptr;
};

// Thread rule: one thread at a time.
class FramePool {
 public:
  using Allocate = std::function<Result<std::unique_ptr<DeviceBuffer>>(size_t bytes)>;
  // `in_ram`: the blocks are ordinary memory of this process.
  FramePool(Allocate allocate, bool in_ram);
  ~FramePool();

  // Fails with out_of_memory. Frames allocated in a row lie in ascending addresses where they can.
  Result<Frame> allocate(uint32_t bytes);
  void free(const Frame& frame);
  // Memory of the blocks: what frames are in use, and what waits to be used again.
  uint64_t slab_bytes() const { return slab_bytes_; }
  // Gives the memory of free frames in RAM back to the system.
  void trim();

 private:
  const Allocate allocate_;
  const bool in_ram_;
  std::vector<std::unique_ptr<FrameSlab>> slabs_;
  std::vector<FrameSlab*> with_room_;  // of any size of frame
  uint64_t slab_bytes_ = 0;
};

}  // namespace leoam
