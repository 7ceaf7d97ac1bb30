// Gguf: the header of a GGUF file (versions 2 and 3, little-endian), checked as hostile input: keys and
// values, and the tensor table. Source: "GGUF" in the documentation of ggml (docs/gguf.md).
//
//   "GGUF" u32 version, u64 n_tensors, u64 n_values
//   n_values x  { string key, u32 type, value }            string: u64 length, bytes
//   n_tensors x { string name, u32 n_dims, u64 dims[n_dims], u32 type, u64 offset }
//   padding to the alignment, then tensor data; offsets count from there
//
// Every count, length, product and offset is checked against the file's size and the limits below before it
// is used, so reading needs at most kMaxHeader_bytes and the two tables, whatever the file says. A failure is
// `corrupt` (or `unsupported`: well formed, beyond this library) and names field, offset, expected and found.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/weight_type.h"
#include "runtime/base/aligned_buffer.h"
#include "runtime/base/status.h"
#include "runtime/io/file.h"

namespace leoam {

enum class GgufType : uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12,
};

// "u32"; "unknown type" for a value outside the enumeration.
const char* gguf_type_name(GgufType type);

struct GgufLimits {
  static constexpr uint64_t kMaxHeader_bytes = 32u << 20;  // 3 times the largest vocabularies in use
  static constexpr uint64_t kMaxValues = 1u << 16;
  static constexpr uint64_t kMaxTensors = 1u << 16;
  static constexpr uint64_t kMaxKey_bytes = (1u << 16) - 1;
  static constexpr uint64_t kMaxString_bytes = 16u << 20;
  static constexpr uint64_t kMaxTensorName_bytes = 63;
  static constexpr uint32_t kMaxDims = 4;
  static constexpr uint64_t kMaxAlignment_bytes = 1u << 20;
};

// Where a value lies. Views point into the Gguf.
struct GgufValue {
  std::string_view key;
  GgufType type = GgufType::u8;  // of the value, or of an array's elements; never `array`
  bool is_array = false;
  uint64_t count = 1;         // elements
  uint64_t offset_bytes = 0;  // of the first element, in the file
  uint64_t bytes = 0;         // of all elements
};

struct GgufTensor {
  std::string_view name;
  kernels::WeightType type = kernels::WeightType::f32;
  uint32_t n_dims = 0;
  std::array<uint64_t, GgufLimits::kMaxDims> dims = {1, 1, 1, 1};  // dims[0] is contiguous: a row
  uint64_t entry_offset_bytes = 0;                                 // of the table entry, for messages
  uint64_t offset_bytes = 0;                                       // of the data, from the file's beginning
  uint64_t bytes = 0;                                              // of the data

  uint64_t n_values() const { return dims[0] * dims[1] * dims[2] * dims[3]; }
  uint64_t row_bytes() const;
};

// The strings of an array, front to back.
class GgufStrings {
 public:
  GgufStrings() = default;
  GgufStrings(const uint8_t* data, uint64_t count) : data_(data), left_(count) {}
  uint64_t left() const { return left_; }
  // Needs left() > 0.
  std::string_view next();

 private:
  const uint8_t* data_ = nullptr;
  uint64_t left_ = 0;
};

// Thread rule: immutable; everything const is safe from any thread. Owns a copy of the header's bytes.
class Gguf {
 public:
  static Result<Gguf> read(const File& file);

  uint32_t version() const { return version_; }
  uint64_t file_bytes() const { return file_bytes_; }
  uint64_t data_offset_bytes() const { return data_offset_bytes_; }
  uint64_t weight_bytes() const { return weight_bytes_; }
  // Bytes behind the last tensor and its padding, which nothing refers to.
  uint64_t trailing_bytes() const { return trailing_bytes_; }
  const std::vector<GgufValue>& values() const { return values_; }
  // In the order of their data, which the format asks the table to have.
  const std::vector<GgufTensor>& tensors() const { return tensors_; }

  // nullptr when absent.
  const GgufValue* find(std::string_view key) const;
  const GgufTensor* find_tensor(std::string_view name) const;

  // The value of a key, or nothing when the key is absent. Fails with corrupt when the key has another type;
  // integers and floats of any width will do when the value fits.
  Result<std::optional<uint64_t>> find_uint(std::string_view key, uint64_t min, uint64_t max) const;
  Result<std::optional<float>> find_float(std::string_view key) const;  // any value, NaN too
  Result<std::optional<bool>> find_bool(std::string_view key) const;
  Result<std::optional<std::string_view>> find_string(std::string_view key) const;
  // An empty vector or range when the key is absent. Fails with corrupt when there are more than max_count.
  Result<std::vector<int64_t>> find_ints(std::string_view key, uint64_t max_count) const;
  Result<std::vector<float>> find_floats(std::string_view key, uint64_t max_count) const;
  Result<std::vector<bool>> find_bools(std::string_view key, uint64_t max_count) const;
  Result<GgufStrings> find_strings(std::string_view key, uint64_t max_count) const;

  // A value as text for people: strings as they are (bytes that are not UTF-8 as \xNN), arrays as their first
  // elements and their count. At most about 16 KiB.
  std::string print(const GgufValue& value) const;

 private:
  friend class GgufParser;
  const uint8_t* bytes_of(const GgufValue& value) const { return header_.data() + value.offset_bytes; }
  Result<const GgufValue*> find_array(std::string_view key, uint64_t max_count, const char* expected,
                                      bool (*accepts)(GgufType)) const;

  AlignedBuffer header_;
  uint32_t version_ = 0;
  uint64_t file_bytes_ = 0;
  uint64_t data_offset_bytes_ = 0;
  uint64_t weight_bytes_ = 0;
  uint64_t trailing_bytes_ = 0;
  std::vector<GgufValue> values_;
  std::vector<GgufTensor> tensors_;
  std::vector<uint32_t> values_by_key_;    // indices in ascending order of key
  std::vector<uint32_t> tensors_by_name_;  // likewise
};

// Bytes of one scalar; 0 for string, array and unknown types.
uint64_t gguf_scalar_bytes(GgufType type);

// "field at offset N: expected X, found Y", kind corrupt: the one shape of a complaint about a file.
template <class Found>
Status corrupt_field(std::string_view field, uint64_t offset_bytes, std::string_view expected,
                     const Found& found) {
  return error(ErrorKind::corrupt, "{} at offset {}: expected {}, found {}", field, offset_bytes, expected,
               found);
}

// Any bytes as UTF-8 text for messages: others than UTF-8 and control characters as \xNN, shortened to
// max_bytes.
std::string printable(std::string_view bytes, size_t max_bytes = 128);

}  // namespace leoam
