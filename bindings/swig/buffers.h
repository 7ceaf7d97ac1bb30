// buffers.h: arrays that cross between a language and the shim, by pointer and length, and what is done
// inside the shim with them. They are the language's and valid during one call.
#pragma once

#include <leoam/leoam.h>

#include <cstdint>
#include <memory>
#include <new>

namespace leoam_shim {

struct Tokens {
  const int32_t* data;
  uint64_t size;
};

struct TokenBuffer {
  int32_t* data;
  uint64_t size;
};

struct Floats {
  const float* data;
  uint64_t size;
};

struct FloatBuffer {
  float* data;
  uint64_t size;
};

struct TextBuffer {
  char* data;
  uint64_t size;
};

// Bytes that a language's typemap wipes behind the call.
struct Key {
  const uint8_t* data;
  uint64_t size;
};

// A pair of texts that the library owns: copy them before the object that they belong to is released.
struct Fact {
  leoam_string key{};
  leoam_string value{};
};

template <class T>
T make() {
  T value;
  LEOAM_INIT(value);
  return value;
}

// Structs that the library fills in one call, each with its struct_size set. Empty when memory is out.
template <class T>
class Structs {
 public:
  explicit Structs(uint64_t count) : data_(new (std::nothrow) T[count]), count_(data_ ? count : 0) {
    for (uint64_t i = 0; i < count_; ++i) data_[i] = make<T>();
  }
  uint64_t count() const { return count_; }
  // nullptr outside of [0, count).
  const T* at(uint64_t index) const { return index < count_ ? &data_[index] : nullptr; }
  T* data() { return data_.get(); }

 private:
  std::unique_ptr<T[]> data_;
  uint64_t count_;
};

}  // namespace leoam_shim
