#include "runtime/model/model_identity.h"

#include <algorithm>

#include "runtime/store/checksum.h"

namespace leoam {
namespace {

constexpr uint64_t kRead_bytes = 1u << 20;

template <class Value>
void add_value(Checksum* sum, const Value& value) {
  sum->add(std::span<const uint8_t>(reinterpret_cast<const uint8_t*>(&value), sizeof(value)));
}

void add_rope(Checksum* sum, const RopeConfig& rope) {
  add_value(sum, rope.base);
  add_value(sum, rope.scaling);
  add_value(sum, rope.factor);
  add_value(sum, rope.original_context_tokens);
  for (const float factor : rope.freq_factors) add_value(sum, factor);
}

}  // namespace

Result<std::array<uint8_t, 16>> model_identity(const File& file, uint64_t header_bytes,
                                               const ModelConfig& config, const WeightDigest& weights) {
  Checksum sum;
  std::vector<uint8_t> buffer(std::min(header_bytes, kRead_bytes));
  for (uint64_t at = 0; at < header_bytes; at += buffer.size()) {
    const std::span<uint8_t> part =
        std::span(buffer).first(std::min<uint64_t>(buffer.size(), header_bytes - at));
    LEOAM_RETURN_IF_ERROR(file.read_at(at, part));
    sum.add(part);
  }
  add_value(&sum, weights);
  add_rope(&sum, config.rope);
  add_rope(&sum, config.local_rope);
  return sum.value();
}

}  // namespace leoam
