// AlignedBuffer: one owned block of raw memory, 64-byte aligned (a cache line, a ZMM register), zeroed by the
// operating system or by request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "runtime/base/status.h"

namespace leoam {

// What x86-64 maps as one page.
constexpr size_t kHugePage_bytes = size_t{2} << 20;

class AlignedBuffer {
 public:
  static constexpr size_t kAlignment = 64;

  AlignedBuffer() = default;
  AlignedBuffer(AlignedBuffer&& other) noexcept { swap(other); }
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~AlignedBuffer();

  // Contents are zero. bytes == 0 gives an empty buffer. Fails with out_of_memory. Blocks of kHugePage_bytes
  // and more start at a multiple of that and come from the operating system directly, on huge pages where it
  // has them: untouched pages cost nothing and release gives them back.
  static Result<AlignedBuffer> allocate(size_t bytes);

  uint8_t* data() { return data_; }
  const uint8_t* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(data_);
  }
  template <class T>
  const T* as() const {
    return reinterpret_cast<const T*>(data_);
  }

 private:
  void swap(AlignedBuffer& other) {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }
  uint8_t* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace leoam
