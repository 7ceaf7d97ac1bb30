// GgufFile: a GGUF file as it is to be written, right or deliberately wrong, for tests.
//
//   GgufFile file;
//   file.set("general.architecture", "llama");
//   file.add_tensor("token_embd.weight", {64, 320}, WeightType::f32, bytes);
//   file.tensor("token_embd.weight").offset = 7;  // damage
//   std::vector<uint8_t> bytes = file.bytes();
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "kernels/weight_type.h"
#include "runtime/model/gguf.h"

namespace leoam::testing {

// The GGUF type of a C++ type.
template <class T>
requires std::is_arithmetic_v<T>
constexpr GgufType gguf_type_of() {
  if (std::is_same_v<T, bool>) return GgufType::boolean;
  if (std::is_floating_point_v<T>) return sizeof(T) == 8 ? GgufType::f64 : GgufType::f32;
  constexpr bool kSigned = std::is_signed_v<T>;
  switch (sizeof(T)) {
    case 1:
      return kSigned ? GgufType::i8 : GgufType::u8;
    case 2:
      return kSigned ? GgufType::i16 : GgufType::u16;
    case 4:
      return kSigned ? GgufType::i32 : GgufType::u32;
    default:
      return kSigned ? GgufType::i64 : GgufType::u64;
  }
}

template <class T>
void append_raw(std::vector<uint8_t>* out, const T& value) {
  const size_t at = out->size();
  out->resize(at + sizeof(T));
  std::memcpy(out->data() + at, &value, sizeof(T));
}
void append_string(std::vector<uint8_t>* out, std::string_view text);

struct GgufKeyRecord {
  std::string key;
  uint32_t type = 0;             // GgufType, or anything
  std::vector<uint8_t> payload;  // everything after the type
  std::optional<uint64_t> key_length;
};

struct GgufTensorRecord {
  std::string name;
  std::vector<uint64_t> dims;  // dims[0] is contiguous
  uint32_t type = 0;           // WeightType, or anything
  std::vector<uint8_t> data;
  // Written instead of the true values.
  std::optional<uint64_t> name_length;
  std::optional<uint32_t> n_dims;
  std::optional<uint64_t> offset;
};

class GgufFile {
 public:
  std::string magic = "GGUF";
  uint32_t version = 3;
  uint64_t alignment = 32;  // of the data as written; the key is separate
  std::optional<uint64_t> n_tensors;
  std::optional<uint64_t> n_values;
  std::vector<GgufKeyRecord> keys;
  std::vector<GgufTensorRecord> tensors;
  std::vector<uint8_t> trailing;
  bool pads_last_tensor = true;

  // Replaces the key when it is there.
  template <class T>
  requires std::is_arithmetic_v<T>
  void set(const std::string& key, T value) {
    std::vector<uint8_t> payload;
    append_raw(&payload, value);
    set_raw(key, static_cast<uint32_t>(gguf_type_of<T>()), std::move(payload));
  }
  void set(const std::string& key, std::string_view value);
  void set(const std::string& key, const char* value) { set(key, std::string_view(value)); }
  template <class T>
  requires std::is_arithmetic_v<T>
  void set_array(const std::string& key, const std::vector<T>& values) {
    std::vector<uint8_t> elements;
    for (const T value : values) append_raw(&elements, value);
    set_array_raw(key, static_cast<uint32_t>(gguf_type_of<T>()), values.size(), elements);
  }
  void set_strings(const std::string& key, const std::vector<std::string>& values);
  // Any element type and count over any bytes.
  void set_array_raw(const std::string& key, uint32_t element_type, uint64_t count,
                     const std::vector<uint8_t>& elements);
  void set_raw(const std::string& key, uint32_t type, std::vector<uint8_t> payload);
  void remove_key(const std::string& key);
  // The key must be there.
  GgufKeyRecord& key(const std::string& key);

  void add_tensor(const std::string& name, std::vector<uint64_t> dims, kernels::WeightType type,
                  std::vector<uint8_t> data);
  void remove_tensor(const std::string& name);
  GgufTensorRecord& tensor(const std::string& name);

  std::vector<uint8_t> bytes() const;
  // Bytes before the tensor data, without padding.
  size_t header_bytes() const;

 private:
  std::vector<uint8_t> header() const;
};

}  // namespace leoam::testing
