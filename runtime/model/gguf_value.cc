#include <algorithm>
#include <cstring>
#include <limits>

#include "runtime/model/gguf.h"
#include "runtime/model/tokenizer/unicode.h"

namespace leoam {
namespace {

constexpr size_t kPrintedString_bytes = 16u << 10;
constexpr size_t kPrintedElement_bytes = 64;
constexpr uint64_t kPrintedElements = 8;

template <class T>
T load(const uint8_t* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

bool is_integer(GgufType type) {
  switch (type) {
    case GgufType::u8:
    case GgufType::i8:
    case GgufType::u16:
    case GgufType::i16:
    case GgufType::u32:
    case GgufType::i32:
    case GgufType::u64:
    case GgufType::i64:
      return true;
    default:
      return false;
  }
}

bool is_float(GgufType type) {
  return type == GgufType::f32 || type == GgufType::f64;
}
bool is_boolean(GgufType type) {
  return type == GgufType::boolean;
}
bool is_string(GgufType type) {
  return type == GgufType::string;
}

// A u64 above INT64_MAX becomes negative; callers with unsigned meaning look at the type.
int64_t load_integer(GgufType type, const uint8_t* bytes) {
  switch (type) {
    case GgufType::u8:
      return load<uint8_t>(bytes);
    case GgufType::i8:
      return load<int8_t>(bytes);
    case GgufType::u16:
      return load<uint16_t>(bytes);
    case GgufType::i16:
      return load<int16_t>(bytes);
    case GgufType::u32:
      return load<uint32_t>(bytes);
    case GgufType::i32:
      return load<int32_t>(bytes);
    default:
      return load<int64_t>(bytes);
  }
}

float load_float(GgufType type, const uint8_t* bytes) {
  return type == GgufType::f64 ? static_cast<float>(load<double>(bytes)) : load<float>(bytes);
}

std::string type_text(const GgufValue& value) {
  return fmt::format("{}{}", value.is_array ? "array of " : "", gguf_type_name(value.type));
}

Status wrong_type(const GgufValue& value, std::string_view expected) {
  return corrupt_field(printable(value.key), value.offset_bytes, expected, type_text(value));
}

std::string print_scalar(GgufType type, const uint8_t* bytes) {
  if (type == GgufType::u64) return fmt::format("{}", load<uint64_t>(bytes));
  if (is_integer(type)) return fmt::format("{}", load_integer(type, bytes));
  if (type == GgufType::f64) return fmt::format("{}", load<double>(bytes));
  if (type == GgufType::f32) return fmt::format("{}", load<float>(bytes));
  return *bytes ? "true" : "false";
}

}  // namespace

const char* gguf_type_name(GgufType type) {
  static constexpr const char* kNames[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                           "bool", "string", "array", "u64", "i64", "f64"};
  const auto index = static_cast<uint32_t>(type);
  return index < std::size(kNames) ? kNames[index] : "unknown type";
}

uint64_t gguf_scalar_bytes(GgufType type) {
  static constexpr uint64_t kBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  const auto index = static_cast<uint32_t>(type);
  return index < std::size(kBytes) ? kBytes[index] : 0;
}

uint64_t GgufTensor::row_bytes() const {
  const kernels::WeightTypeTraits& traits = *kernels::weight_type_traits(static_cast<int32_t>(type));
  return dims[0] / traits.block_values * traits.block_bytes;
}

std::string_view GgufStrings::next() {
  const auto length = load<uint64_t>(data_);
  const std::string_view text(reinterpret_cast<const char*>(data_ + 8), length);
  data_ += 8 + length;
  --left_;
  return text;
}

std::string printable(std::string_view bytes, size_t max_bytes) {
  std::string out;
  for (size_t at = 0; at < bytes.size();) {
    if (out.size() >= max_bytes) return out + "...";
    const CodePoint point = code_point_at(bytes, at);
    const bool control =
        (point.value < 0x20 && point.value != '\n' && point.value != '\t') || point.value == 0x7F;
    if (point.value == kInvalidCodePoint || control)
      out += fmt::format("\\x{:02x}", static_cast<uint8_t>(bytes[at]));
    else
      out += bytes.substr(at, point.size);
    at += point.size;
  }
  return out;
}

const GgufValue* Gguf::find(std::string_view key) const {
  const auto at =
      std::lower_bound(values_by_key_.begin(), values_by_key_.end(), key,
                       [&](uint32_t index, std::string_view k) { return values_[index].key < k; });
  return at != values_by_key_.end() && values_[*at].key == key ? &values_[*at] : nullptr;
}

const GgufTensor* Gguf::find_tensor(std::string_view name) const {
  const auto at =
      std::lower_bound(tensors_by_name_.begin(), tensors_by_name_.end(), name,
                       [&](uint32_t index, std::string_view n) { return tensors_[index].name < n; });
  return at != tensors_by_name_.end() && tensors_[*at].name == name ? &tensors_[*at] : nullptr;
}

Result<std::optional<uint64_t>> Gguf::find_uint(std::string_view key, uint64_t min, uint64_t max) const {
  const GgufValue* value = find(key);
  if (!value) return std::optional<uint64_t>();
  if (value->is_array || !is_integer(value->type)) return wrong_type(*value, "an integer");
  const int64_t integer = load_integer(value->type, bytes_of(*value));
  const auto found = static_cast<uint64_t>(integer);
  const bool negative = integer < 0 && value->type != GgufType::u64;
  if (negative || found < min || found > max)
    return corrupt_field(printable(key), value->offset_bytes, fmt::format("{} to {}", min, max),
                         print_scalar(value->type, bytes_of(*value)));
  return std::optional<uint64_t>(found);
}

Result<std::optional<float>> Gguf::find_float(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return std::optional<float>();
  if (value->is_array || !is_float(value->type)) return wrong_type(*value, "a float");
  return std::optional<float>(load_float(value->type, bytes_of(*value)));
}

Result<std::optional<bool>> Gguf::find_bool(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return std::optional<bool>();
  if (value->is_array || !is_boolean(value->type)) return wrong_type(*value, "bool");
  return std::optional<bool>(*bytes_of(*value) != 0);
}

Result<std::optional<std::string_view>> Gguf::find_string(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return std::optional<std::string_view>();
  if (value->is_array || !is_string(value->type)) return wrong_type(*value, "string");
  return std::optional<std::string_view>(GgufStrings(bytes_of(*value), 1).next());
}

Result<const GgufValue*> Gguf::find_array(std::string_view key, uint64_t max_count, const char* expected,
                                          bool (*accepts)(GgufType)) const {
  const GgufValue* value = find(key);
  if (!value) return value;
  if (!value->is_array || !accepts(value->type)) return wrong_type(*value, expected);
  if (value->count > max_count)
    return corrupt_field(fmt::format("{} count", printable(key)), value->offset_bytes - 8,
                         fmt::format("at most {}", max_count), value->count);
  return value;
}

Result<std::vector<int64_t>> Gguf::find_ints(std::string_view key, uint64_t max_count) const {
  LEOAM_ASSIGN_OR_RETURN(const GgufValue* value, find_array(key, max_count, "array of integers", is_integer));
  std::vector<int64_t> out(value ? value->count : 0);
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = load_integer(value->type, bytes_of(*value) + i * gguf_scalar_bytes(value->type));
  return out;
}

Result<std::vector<float>> Gguf::find_floats(std::string_view key, uint64_t max_count) const {
  LEOAM_ASSIGN_OR_RETURN(const GgufValue* value, find_array(key, max_count, "array of floats", is_float));
  std::vector<float> out(value ? value->count : 0);
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = load_float(value->type, bytes_of(*value) + i * gguf_scalar_bytes(value->type));
  return out;
}

Result<std::vector<bool>> Gguf::find_bools(std::string_view key, uint64_t max_count) const {
  LEOAM_ASSIGN_OR_RETURN(const GgufValue* value, find_array(key, max_count, "array of bool", is_boolean));
  std::vector<bool> out(value ? value->count : 0);
  for (size_t i = 0; i < out.size(); ++i) out[i] = bytes_of(*value)[i] != 0;
  return out;
}

Result<GgufStrings> Gguf::find_strings(std::string_view key, uint64_t max_count) const {
  LEOAM_ASSIGN_OR_RETURN(const GgufValue* value, find_array(key, max_count, "array of strings", is_string));
  return value ? GgufStrings(bytes_of(*value), value->count) : GgufStrings();
}

std::string Gguf::print(const GgufValue& value) const {
  if (!value.is_array)
    return is_string(value.type) ? printable(GgufStrings(bytes_of(value), 1).next(), kPrintedString_bytes)
                                 : print_scalar(value.type, bytes_of(value));
  std::string out = "[";
  GgufStrings strings(bytes_of(value), value.count);
  const uint64_t scalar_bytes = gguf_scalar_bytes(value.type);
  for (uint64_t i = 0; i < std::min(value.count, kPrintedElements); ++i) {
    if (i > 0) out += ", ";
    out += is_string(value.type) ? printable(strings.next(), kPrintedElement_bytes)
                                 : print_scalar(value.type, bytes_of(value) + i * scalar_bytes);
  }
  if (value.count > kPrintedElements) out += fmt::format(", ... {} in all", value.count);
  return out + "]";
}

}  // namespace leoam
