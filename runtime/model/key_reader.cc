#include "runtime/model/key_reader.h"

#include <cmath>

namespace leoam {

Status KeyReader::missing(std::string_view name) const {
  return error(ErrorKind::corrupt, "{}: required key, found none of that name among {}", key(name),
               gguf_.values().size());
}

Status KeyReader::optional_uint(std::string_view name, uint32_t min, uint32_t max, uint32_t* out) const {
  LEOAM_ASSIGN_OR_RETURN(const std::optional<uint64_t> found, gguf_.find_uint(key(name), min, max));
  if (found) *out = static_cast<uint32_t>(*found);
  return {};
}

Status KeyReader::required_uint(std::string_view name, uint32_t min, uint32_t max, uint32_t* out) const {
  return has(name) ? optional_uint(name, min, max, out) : missing(name);
}

Status KeyReader::optional_float(std::string_view name, float min, float max, float* out) const {
  LEOAM_ASSIGN_OR_RETURN(const std::optional<float> found, gguf_.find_float(key(name)));
  if (!found) return {};
  // Written so that NaN fails.
  if (!(*found >= min && *found <= max))
    return corrupt_field(key(name), gguf_.find(key(name))->offset_bytes, fmt::format("{} to {}", min, max),
                         *found);
  *out = *found;
  return {};
}

Status KeyReader::required_float(std::string_view name, float min, float max, float* out) const {
  return has(name) ? optional_float(name, min, max, out) : missing(name);
}

Status KeyReader::uniform_uint(std::string_view name, uint32_t n_layers, uint32_t min, uint32_t max,
                               uint32_t* out) const {
  const GgufValue* value = gguf_.find(key(name));
  if (!value) return {};
  if (!value->is_array) return optional_uint(name, min, max, out);
  LEOAM_ASSIGN_OR_RETURN(const std::vector<int64_t> layers, gguf_.find_ints(key(name), n_layers));
  if (layers.size() != n_layers)
    return corrupt_field(key(name), value->offset_bytes, fmt::format("{} values, one a layer", n_layers),
                         layers.size());
  for (size_t i = 0; i < layers.size(); ++i) {
    if (layers[i] < min || layers[i] > max)
      return corrupt_field(fmt::format("{}[{}]", key(name), i), value->offset_bytes,
                           fmt::format("{} to {}", min, max), layers[i]);
    if (layers[i] != layers[0])
      return error(ErrorKind::unsupported,
                   "{}[{}] at offset {}: {}, while layer 0 has {}; layers that differ are not "
                   "supported",
                   key(name), i, value->offset_bytes, layers[i], layers[0]);
  }
  *out = static_cast<uint32_t>(layers[0]);
  return {};
}

Status KeyReader::refusal(std::string_view name, const char* feature) const {
  const GgufValue* value = gguf_.find(key(name));
  return error(ErrorKind::unsupported, "{} at offset {}: {} ({}) is not supported", key(name),
               value->offset_bytes, feature, gguf_.print(*value));
}

Status KeyReader::refuse_uint(std::string_view name, const char* feature) const {
  LEOAM_ASSIGN_OR_RETURN(const std::optional<uint64_t> found, gguf_.find_uint(key(name), 0, UINT64_MAX));
  return found.value_or(0) == 0 ? Status() : refusal(name, feature);
}

Status KeyReader::refuse_float(std::string_view name, float neutral, const char* feature) const {
  LEOAM_ASSIGN_OR_RETURN(const std::optional<float> found, gguf_.find_float(key(name)));
  return found.value_or(neutral) == neutral ? Status() : refusal(name, feature);
}

Status KeyReader::refuse_bool(std::string_view name, bool neutral, const char* feature) const {
  LEOAM_ASSIGN_OR_RETURN(const std::optional<bool> found, gguf_.find_bool(key(name)));
  return found.value_or(neutral) == neutral ? Status() : refusal(name, feature);
}

}  // namespace leoam
