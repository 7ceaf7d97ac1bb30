#include "runtime/model/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <numeric>

#include "runtime/model/tokenizer/unicode.h"

namespace leoam {

static_assert(std::endian::native == std::endian::little, "GGUF fields are read as they lie");

namespace {

using Limits = GgufLimits;

// Large enough that a header takes few reads, small enough that a short one costs little.
constexpr uint64_t kReadAhead_bytes = 1u << 20;
constexpr uint64_t kDefaultAlignment_bytes = 32;
// The shortest records: {length, 1 byte, type, 1 byte} and {length, 1 byte, n_dims, 1 dim, type, offset}.
constexpr uint64_t kMinValueRecord_bytes = 8 + 1 + 4 + 1;
constexpr uint64_t kMinTensorRecord_bytes = 8 + 1 + 4 + 8 + 4 + 8;

uint64_t align_up(uint64_t value, uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

// Types that files may have and this library does not read, for messages.
const char* foreign_tensor_type(uint32_t id) {
  struct Row {
    uint32_t id;
    const char* name;
  };
  static constexpr Row kRows[] = {
      {4, "q4_2, removed"},
      {5, "q4_3, removed"},
      {9, "q8_1"},
      {15, "q8_k"},
      {16, "iq2_xxs"},
      {17, "iq2_xs"},
      {18, "iq3_xxs"},
      {19, "iq1_s"},
      {20, "iq4_nl"},
      {21, "iq3_s"},
      {22, "iq2_s"},
      {23, "iq4_xs"},
      {24, "i8"},
      {25, "i16"},
      {26, "i32"},
      {27, "i64"},
      {28, "f64"},
      {29, "iq1_m"},
      {34, "tq1_0"},
      {35, "tq2_0"},
      {31, "q4_0_4_4, removed"},
      {32, "q4_0_4_8, removed"},
      {33, "q4_0_8_8, removed"},
      {39, "mxfp4"},
  };
  for (const Row& row : kRows)
    if (row.id == id) return row.name;
  return nullptr;
}

// What a complaint is about; put into words only when there is one.
struct Where {
  std::string_view name;
  int64_t index = -1;
  std::string_view part = {};

  std::string text() const {
    std::string out = printable(name);
    if (index >= 0) out += fmt::format("[{}]", index);
    if (!part.empty()) out += fmt::format(" {}", part);
    return out;
  }
};

template <class Found>
Status corrupt_at(const Where& where, uint64_t offset_bytes, std::string_view expected, const Found& found) {
  return corrupt_field(where.text(), offset_bytes, expected, found);
}

template <class Entry>
std::vector<uint32_t> sorted_indices(const std::vector<Entry>& entries, std::string_view Entry::*name) {
  std::vector<uint32_t> order(entries.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const int compared = (entries[a].*name).compare(entries[b].*name);
    return compared != 0 ? compared < 0 : a < b;
  });
  return order;
}

}  // namespace

class GgufParser {
 public:
  explicit GgufParser(const File& file) : file_(file) { gguf_.file_bytes_ = file.size_bytes(); }

  Status parse() {
    LEOAM_ASSIGN_OR_RETURN(gguf_.header_,
                           AlignedBuffer::allocate(std::min(gguf_.file_bytes_, Limits::kMaxHeader_bytes)));
    uint64_t n_tensors = 0;
    uint64_t n_values = 0;
    LEOAM_RETURN_IF_ERROR(parse_start(&n_tensors, &n_values));
    gguf_.values_.reserve(n_values);
    for (uint64_t i = 0; i < n_values; ++i) LEOAM_RETURN_IF_ERROR(parse_value(static_cast<int64_t>(i)));
    LEOAM_RETURN_IF_ERROR(index_values());
    LEOAM_RETURN_IF_ERROR(read_alignment());
    LEOAM_RETURN_IF_ERROR(
        check_count({"tensor count"}, 8, n_tensors, Limits::kMaxTensors, kMinTensorRecord_bytes));
    gguf_.tensors_.reserve(n_tensors);
    for (uint64_t i = 0; i < n_tensors; ++i) LEOAM_RETURN_IF_ERROR(parse_tensor(static_cast<int64_t>(i)));
    LEOAM_RETURN_IF_ERROR(index_tensors());
    return place_tensors();
  }

  Gguf take() { return std::move(gguf_); }

 private:
  // Makes `bytes` bytes from the position readable.
  Status need(uint64_t bytes, const Where& where) {
    if (bytes <= filled_ - position_) return {};
    const uint64_t left = gguf_.file_bytes_ - position_;
    if (bytes > left)
      return corrupt_at(where, position_, fmt::format("{} bytes", bytes),
                        fmt::format("{} left in the file", left));
    if (bytes > gguf_.header_.bytes() - position_)
      return error(ErrorKind::unsupported, "{} at offset {}: the header goes beyond {} bytes", where.text(),
                   position_, gguf_.header_.bytes());
    const uint64_t end =
        std::min<uint64_t>(gguf_.header_.bytes(), std::max(position_ + bytes, filled_ + kReadAhead_bytes));
    LEOAM_RETURN_IF_ERROR(file_.read_at(filled_, {gguf_.header_.data() + filled_, end - filled_}));
    filled_ = end;
    return {};
  }

  template <class T>
  Status take_scalar(T* out, const Where& where) {
    LEOAM_RETURN_IF_ERROR(need(sizeof(T), where));
    std::memcpy(out, gguf_.header_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return {};
  }

  Status take_string(std::string_view* out, uint64_t max_bytes, const Where& where) {
    const uint64_t offset = position_;
    uint64_t length = 0;
    LEOAM_RETURN_IF_ERROR(take_scalar(&length, where));
    if (length > max_bytes)
      return corrupt_at({where.name, where.index, "length"}, offset, fmt::format("at most {}", max_bytes),
                        length);
    LEOAM_RETURN_IF_ERROR(need(length, where));
    *out = {reinterpret_cast<const char*>(gguf_.header_.data() + position_), length};
    position_ += length;
    return {};
  }

  // A name that can be printed and compared: not empty, UTF-8, no NUL.
  Status take_name(std::string_view* out, uint64_t max_bytes, const Where& where) {
    const uint64_t offset = position_;
    LEOAM_RETURN_IF_ERROR(take_string(out, max_bytes, where));
    if (out->empty()) return corrupt_at(where, offset, "a name", "an empty string");
    if (out->find('\0') != std::string_view::npos || first_invalid_utf8(*out) != out->size())
      return corrupt_at(where, offset, "UTF-8 without NUL", printable(*out));
    return {};
  }

  Status check_count(const Where& where, uint64_t offset_bytes, uint64_t count, uint64_t limit,
                     uint64_t min_record_bytes) {
    const uint64_t possible = (gguf_.file_bytes_ - position_) / min_record_bytes;
    if (count <= std::min(limit, possible)) return {};
    return corrupt_at(where, offset_bytes,
                      possible < limit ? fmt::format("at most {} (what the file has room for)", possible)
                                       : fmt::format("at most {}", limit),
                      count);
  }

  Status parse_start(uint64_t* n_tensors, uint64_t* n_values) {
    LEOAM_RETURN_IF_ERROR(need(4, {"magic"}));
    const std::string_view magic(reinterpret_cast<const char*>(gguf_.header_.data()), 4);
    if (magic != "GGUF") return corrupt_at({"magic"}, 0, "\"GGUF\"", fmt::format("\"{}\"", printable(magic)));
    position_ = 4;
    LEOAM_RETURN_IF_ERROR(take_scalar(&gguf_.version_, {"version"}));
    if (gguf_.version_ != 2 && gguf_.version_ != 3) return refuse_version();
    LEOAM_RETURN_IF_ERROR(take_scalar(n_tensors, {"tensor count"}));
    LEOAM_RETURN_IF_ERROR(take_scalar(n_values, {"value count"}));
    LEOAM_RETURN_IF_ERROR(
        check_count({"tensor count"}, 8, *n_tensors, Limits::kMaxTensors, kMinTensorRecord_bytes));
    return check_count({"value count"}, 16, *n_values, Limits::kMaxValues, kMinValueRecord_bytes);
  }

  Status refuse_version() const {
    const uint32_t version = gguf_.version_;
    if (version == 0) return corrupt_at({"version"}, 4, "2 or 3", 0);
    const char* reason = version == 1              ? " (an old layout)"
                         : (version & 0xFFFF) == 0 ? " (a big-endian file)"
                                                   : " (newer than this library)";
    return error(ErrorKind::unsupported, "version at offset 4: expected 2 or 3, found {}{}", version, reason);
  }

  Status parse_value(int64_t index) {
    GgufValue value;
    LEOAM_RETURN_IF_ERROR(take_name(&value.key, Limits::kMaxKey_bytes, {"key", index}));
    const uint64_t type_offset = position_;
    LEOAM_RETURN_IF_ERROR(take_scalar(&value.type, {value.key, -1, "type"}));
    if (value.type == GgufType::array) {
      value.is_array = true;
      LEOAM_RETURN_IF_ERROR(parse_array_start(&value));
    } else if (gguf_scalar_bytes(value.type) == 0 && value.type != GgufType::string) {
      return corrupt_at({value.key, -1, "type"}, type_offset, "a value type (0 to 12)",
                        static_cast<uint32_t>(value.type));
    }
    value.offset_bytes = position_;
    LEOAM_RETURN_IF_ERROR(skip_elements(value));
    value.bytes = position_ - value.offset_bytes;
    gguf_.values_.push_back(value);
    return {};
  }

  Status parse_array_start(GgufValue* value) {
    const uint64_t type_offset = position_;
    LEOAM_RETURN_IF_ERROR(take_scalar(&value->type, {value->key, -1, "element type"}));
    if (value->type == GgufType::array)
      return error(ErrorKind::unsupported,
                   "{} element type at offset {}: expected a scalar or a string, found array",
                   printable(value->key), type_offset);
    const uint64_t scalar_bytes = gguf_scalar_bytes(value->type);
    if (scalar_bytes == 0 && value->type != GgufType::string)
      return corrupt_at({value->key, -1, "element type"}, type_offset, "a value type (0 to 12)",
                        static_cast<uint32_t>(value->type));
    const uint64_t count_offset = position_;
    LEOAM_RETURN_IF_ERROR(take_scalar(&value->count, {value->key, -1, "count"}));
    const uint64_t element_bytes = scalar_bytes != 0 ? scalar_bytes : 8;
    return check_count({value->key, -1, "count"}, count_offset, value->count,
                       Limits::kMaxHeader_bytes / element_bytes, element_bytes);
  }

  Status skip_elements(const GgufValue& value) {
    if (value.type == GgufType::string) {
      std::string_view text;
      for (uint64_t i = 0; i < value.count; ++i)
        LEOAM_RETURN_IF_ERROR(take_string(&text, Limits::kMaxString_bytes,
                                          {value.key, value.is_array ? static_cast<int64_t>(i) : -1}));
      return {};
    }
    const uint64_t bytes = value.count * gguf_scalar_bytes(value.type);
    LEOAM_RETURN_IF_ERROR(need(bytes, {value.key}));
    if (value.type == GgufType::boolean) LEOAM_RETURN_IF_ERROR(check_booleans(value));
    position_ += bytes;
    return {};
  }

  Status check_booleans(const GgufValue& value) const {
    for (uint64_t i = 0; i < value.count; ++i) {
      const uint8_t byte = gguf_.header_.data()[position_ + i];
      if (byte > 1)
        return corrupt_at({value.key, value.is_array ? static_cast<int64_t>(i) : -1}, position_ + i,
                          "a boolean (0 or 1)", byte);
    }
    return {};
  }

  uint64_t offset_of(std::string_view name) const {
    return static_cast<uint64_t>(reinterpret_cast<const uint8_t*>(name.data()) - gguf_.header_.data());
  }

  template <class Entry>
  Status check_unique(const std::vector<Entry>& entries, const std::vector<uint32_t>& order,
                      std::string_view Entry::*name, std::string_view what) const {
    for (size_t i = 1; i < order.size(); ++i) {
      const std::string_view first = entries[order[i - 1]].*name;
      const std::string_view second = entries[order[i]].*name;
      if (first == second)
        return corrupt_at({what}, offset_of(second), "unique names",
                          fmt::format("{} again (first at offset {})", printable(second), offset_of(first)));
    }
    return {};
  }

  Status index_values() {
    gguf_.values_by_key_ = sorted_indices(gguf_.values_, &GgufValue::key);
    return check_unique(gguf_.values_, gguf_.values_by_key_, &GgufValue::key, "key");
  }

  Status index_tensors() {
    gguf_.tensors_by_name_ = sorted_indices(gguf_.tensors_, &GgufTensor::name);
    return check_unique(gguf_.tensors_, gguf_.tensors_by_name_, &GgufTensor::name, "tensor name");
  }

  Status read_alignment() {
    constexpr std::string_view kKey = "general.alignment";
    const GgufValue* value = gguf_.find(kKey);
    if (!value) return {};
    if (value->is_array || value->type != GgufType::u32)
      return corrupt_at({kKey}, value->offset_bytes, "u32",
                        fmt::format("{}{}", value->is_array ? "array of " : "", gguf_type_name(value->type)));
    uint32_t alignment = 0;
    std::memcpy(&alignment, gguf_.header_.data() + value->offset_bytes, sizeof(alignment));
    if (!std::has_single_bit(alignment) || alignment > Limits::kMaxAlignment_bytes)
      return corrupt_at({kKey}, value->offset_bytes,
                        fmt::format("a power of two up to {}", Limits::kMaxAlignment_bytes), alignment);
    alignment_ = alignment;
    return {};
  }

  Status parse_tensor(int64_t index) {
    GgufTensor tensor;
    tensor.entry_offset_bytes = position_;
    LEOAM_RETURN_IF_ERROR(take_name(&tensor.name, Limits::kMaxTensorName_bytes, {"tensor name", index}));
    LEOAM_RETURN_IF_ERROR(parse_dims(&tensor));
    LEOAM_RETURN_IF_ERROR(parse_type(&tensor));
    LEOAM_RETURN_IF_ERROR(size_tensor(&tensor));
    LEOAM_RETURN_IF_ERROR(parse_offset(&tensor));
    gguf_.tensors_.push_back(tensor);
    return {};
  }

  Status parse_dims(GgufTensor* tensor) {
    const uint64_t count_offset = position_;
    LEOAM_RETURN_IF_ERROR(take_scalar(&tensor->n_dims, {tensor->name, -1, "n_dims"}));
    if (tensor->n_dims == 0 || tensor->n_dims > Limits::kMaxDims)
      return corrupt_at({tensor->name, -1, "n_dims"}, count_offset, fmt::format("1 to {}", Limits::kMaxDims),
                        tensor->n_dims);
    constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
    uint64_t product = 1;
    for (uint32_t i = 0; i < tensor->n_dims; ++i) {
      const uint64_t offset = position_;
      uint64_t& dim = tensor->dims[i];
      LEOAM_RETURN_IF_ERROR(take_scalar(&dim, {tensor->name, -1, "dims"}));
      if (dim == 0 || dim > kMax)
        return corrupt_at({tensor->name, -1, fmt::format("dims[{}]", i)}, offset, "1 to 2^63 - 1", dim);
      if (__builtin_mul_overflow(product, dim, &product) || product > kMax)
        return corrupt_at({tensor->name, -1, fmt::format("dims[{}]", i)}, offset,
                          "a product of dims up to 2^63 - 1", dim);
    }
    return {};
  }

  Status parse_type(GgufTensor* tensor) {
    const uint64_t offset = position_;
    uint32_t id = 0;
    LEOAM_RETURN_IF_ERROR(take_scalar(&id, {tensor->name, -1, "type"}));
    if (kernels::weight_type_traits(static_cast<int32_t>(id))) {
      tensor->type = static_cast<kernels::WeightType>(id);
      return {};
    }
    if (const char* foreign = foreign_tensor_type(id))
      return error(ErrorKind::unsupported, "{} type at offset {}: {} ({}) is not supported",
                   printable(tensor->name), offset, id, foreign);
    return corrupt_at({tensor->name, -1, "type"}, offset, "a tensor type", static_cast<int32_t>(id));
  }

  Status size_tensor(GgufTensor* tensor) const {
    const kernels::WeightTypeTraits& traits =
        *kernels::weight_type_traits(static_cast<int32_t>(tensor->type));
    if (tensor->dims[0] % traits.block_values != 0)
      return corrupt_at({tensor->name, -1, "dims[0]"}, tensor->entry_offset_bytes,
                        fmt::format("a multiple of {} ({})", traits.block_values, traits.name),
                        tensor->dims[0]);
    const uint64_t n_blocks = tensor->n_values() / traits.block_values;
    if (__builtin_mul_overflow(n_blocks, uint64_t{traits.block_bytes}, &tensor->bytes) ||
        tensor->bytes > gguf_.file_bytes_)
      return corrupt_at({tensor->name, -1, "size"}, tensor->entry_offset_bytes,
                        fmt::format("at most the file's {} bytes", gguf_.file_bytes_),
                        fmt::format("{} blocks of {} bytes", n_blocks, traits.block_bytes));
    return {};
  }

  Status parse_offset(GgufTensor* tensor) {
    const uint64_t field_offset = position_;
    const Where where{tensor->name, -1, "offset"};
    LEOAM_RETURN_IF_ERROR(take_scalar(&tensor->offset_bytes, where));
    if (tensor->offset_bytes % alignment_ != 0)
      return corrupt_at(where, field_offset, fmt::format("a multiple of {}", alignment_),
                        tensor->offset_bytes);
    // Ascending ends, so no two tensors share a byte and no sum of sizes can be larger than the last end.
    if (tensor->offset_bytes < data_end_)
      return corrupt_at(where, field_offset,
                        fmt::format("at least {} (the end of the tensor before)", data_end_),
                        tensor->offset_bytes);
    if (tensor->bytes > gguf_.file_bytes_ || tensor->offset_bytes > gguf_.file_bytes_ - tensor->bytes)
      return corrupt_at(
          where, field_offset,
          fmt::format("at most {}, for {} bytes of data", gguf_.file_bytes_ - tensor->bytes, tensor->bytes),
          tensor->offset_bytes);
    data_end_ = tensor->offset_bytes + tensor->bytes;
    gguf_.weight_bytes_ += tensor->bytes;
    return {};
  }

  // Offsets in the table count from the end of the table, which is known only now.
  Status place_tensors() {
    gguf_.data_offset_bytes_ = align_up(position_, alignment_);
    for (GgufTensor& tensor : gguf_.tensors_) {
      tensor.offset_bytes += gguf_.data_offset_bytes_;
      if (tensor.offset_bytes > gguf_.file_bytes_ || tensor.bytes > gguf_.file_bytes_ - tensor.offset_bytes) {
        const uint64_t left = gguf_.file_bytes_ - std::min(gguf_.file_bytes_, tensor.offset_bytes);
        return corrupt_at({tensor.name, -1, "data"}, tensor.offset_bytes,
                          fmt::format("{} bytes", tensor.bytes), fmt::format("{} left in the file", left));
      }
    }
    const uint64_t end = align_up(gguf_.data_offset_bytes_ + data_end_, alignment_);
    gguf_.trailing_bytes_ = gguf_.file_bytes_ - std::min(gguf_.file_bytes_, end);
    return {};
  }

  const File& file_;
  Gguf gguf_;
  uint64_t position_ = 0;
  uint64_t filled_ = 0;
  uint64_t alignment_ = kDefaultAlignment_bytes;
  uint64_t data_end_ = 0;  // of the tensors so far, from the data's beginning
};

Result<Gguf> Gguf::read(const File& file) {
  GgufParser parser(file);
  LEOAM_RETURN_IF_ERROR(parser.parse());
  return parser.take();
}

}  // namespace leoam
