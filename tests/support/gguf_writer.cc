#include "tests/support/gguf_writer.h"

#include <algorithm>
#include <stdexcept>

namespace leoam::testing {
namespace {

size_t align_up(size_t value, size_t unit) {
  return (value + unit - 1) / unit * unit;
}

template <class Records>
auto find_record(Records& records, const std::string& name) {
  return std::find_if(records.begin(), records.end(), [&](const auto& record) {
    if constexpr (requires { record.key; })
      return record.key == name;
    else
      return record.name == name;
  });
}

template <class Records>
auto& existing_record(Records& records, const std::string& name) {
  const auto at = find_record(records, name);
  if (at == records.end()) throw std::out_of_range(name);
  return *at;
}

template <class Records>
void remove_record(Records& records, const std::string& name) {
  const auto at = find_record(records, name);
  if (at == records.end()) throw std::out_of_range(name);
  records.erase(at);
}

}  // namespace

void append_string(std::vector<uint8_t>* out, std::string_view text) {
  append_raw(out, static_cast<uint64_t>(text.size()));
  out->insert(out->end(), text.begin(), text.end());
}

void GgufFile::set(const std::string& key, std::string_view value) {
  std::vector<uint8_t> payload;
  append_string(&payload, value);
  set_raw(key, static_cast<uint32_t>(GgufType::string), std::move(payload));
}

void GgufFile::set_strings(const std::string& key, const std::vector<std::string>& values) {
  std::vector<uint8_t> elements;
  for (const std::string& value : values) append_string(&elements, value);
  set_array_raw(key, static_cast<uint32_t>(GgufType::string), values.size(), elements);
}

void GgufFile::set_array_raw(const std::string& key, uint32_t element_type, uint64_t count,
                             const std::vector<uint8_t>& elements) {
  std::vector<uint8_t> payload;
  append_raw(&payload, element_type);
  append_raw(&payload, count);
  payload.insert(payload.end(), elements.begin(), elements.end());
  set_raw(key, static_cast<uint32_t>(GgufType::array), std::move(payload));
}

void GgufFile::set_raw(const std::string& key, uint32_t type, std::vector<uint8_t> payload) {
  GgufKeyRecord record;
  record.key = key;
  record.type = type;
  record.payload = std::move(payload);
  const auto at = find_record(keys, key);
  if (at == keys.end())
    keys.push_back(std::move(record));
  else
    *at = std::move(record);
}

void GgufFile::remove_key(const std::string& key) {
  remove_record(keys, key);
}
GgufKeyRecord& GgufFile::key(const std::string& key) {
  return existing_record(keys, key);
}

void GgufFile::add_tensor(const std::string& name, std::vector<uint64_t> dims, kernels::WeightType type,
                          std::vector<uint8_t> data) {
  GgufTensorRecord record;
  record.name = name;
  record.dims = std::move(dims);
  record.type = static_cast<uint32_t>(type);
  record.data = std::move(data);
  tensors.push_back(std::move(record));
}

void GgufFile::remove_tensor(const std::string& name) {
  remove_record(tensors, name);
}
GgufTensorRecord& GgufFile::tensor(const std::string& name) {
  return existing_record(tensors, name);
}

std::vector<uint8_t> GgufFile::header() const {
  std::vector<uint8_t> out(magic.begin(), magic.end());
  append_raw(&out, version);
  append_raw(&out, n_tensors.value_or(tensors.size()));
  append_raw(&out, n_values.value_or(keys.size()));
  for (const GgufKeyRecord& record : keys) {
    append_raw(&out, record.key_length.value_or(record.key.size()));
    out.insert(out.end(), record.key.begin(), record.key.end());
    append_raw(&out, record.type);
    out.insert(out.end(), record.payload.begin(), record.payload.end());
  }
  uint64_t offset = 0;
  for (const GgufTensorRecord& record : tensors) {
    append_raw(&out, record.name_length.value_or(record.name.size()));
    out.insert(out.end(), record.name.begin(), record.name.end());
    append_raw(&out, record.n_dims.value_or(static_cast<uint32_t>(record.dims.size())));
    for (const uint64_t dim : record.dims) append_raw(&out, dim);
    append_raw(&out, record.type);
    append_raw(&out, record.offset.value_or(offset));
    offset += align_up(record.data.size(), alignment);
  }
  return out;
}

size_t GgufFile::header_bytes() const {
  return header().size();
}

std::vector<uint8_t> GgufFile::bytes() const {
  std::vector<uint8_t> out = header();
  out.resize(align_up(out.size(), alignment));
  for (const GgufTensorRecord& record : tensors) {
    out.insert(out.end(), record.data.begin(), record.data.end());
    if (pads_last_tensor || &record != &tensors.back()) out.resize(align_up(out.size(), alignment));
  }
  out.insert(out.end(), trailing.begin(), trailing.end());
  return out;
}

}  // namespace leoam::testing
