// Numbers in files: little-endian, at any address.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>

namespace leoam {

static_assert(std::endian::native == std::endian::little);

template <std::unsigned_integral T>
T load(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

template <std::unsigned_integral T>
void store(uint8_t* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

}  // namespace leoam
