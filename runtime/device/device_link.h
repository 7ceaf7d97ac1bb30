// DeviceLink: the way between RAM and the memory of a device that does not compute in RAM.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "runtime/base/status.h"

namespace leoam {

class DeviceBuffer;

// One copy. Owner: the caller, untouched from submit until `done` was called.
struct DeviceCopy {
  enum class Direction : uint8_t { to_device, to_host, within_device };
  Direction direction = Direction::to_device;
  const uint8_t* from = nullptr;
  uint8_t* to = nullptr;
  uint64_t bytes = 0;
  // Called once, on the link's thread, with the outcome in `status`: device_lost. Must not block and must not
  // call the link.
  void (*done)(DeviceCopy* copy) = nullptr;
  void* user_data = nullptr;
  Status status;
};

// Thread rule: all calls are thread-safe. Belongs to its Device.
class DeviceLink {
 public:
  virtual ~DeviceLink() = default;
  // RAM that copies reach at their full rate. Contents are zero. Fails with out_of_memory.
  virtual Result<std::unique_ptr<DeviceBuffer>> allocate_host(size_t bytes) = 0;
  // Starts copies, in their order; they run beside the device's operations and touch nothing that a running
  // operation uses. Does not call `done` itself.
  virtual void submit(std::span<DeviceCopy* const> copies) = 0;
};

}  // namespace leoam
