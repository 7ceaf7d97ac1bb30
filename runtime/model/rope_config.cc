#include "runtime/model/rope_config.h"

#include <algorithm>
#include <limits>

#include "kernels/matmul/matmul.h"

namespace leoam {
namespace {

constexpr float kMaxBase = 1e15f;
constexpr float kMaxFactor = 1e6f;
constexpr float kMaxYarn = 1e6f;
constexpr uint32_t kMaxContext_tokens = std::numeric_limits<int32_t>::max();

// Sets what the file says of scaling. `named` tells whether it names a kind.
Status read_scaling(const KeyReader& keys, RopeConfig* rope, bool* named) {
  LEOAM_RETURN_IF_ERROR(keys.optional_float("rope.scaling.factor", 1.0f, kMaxFactor, &rope->factor));
  // The key of files from before there were kinds.
  if (!keys.has("rope.scaling.factor"))
    LEOAM_RETURN_IF_ERROR(keys.optional_float("rope.scale_linear", 1.0f, kMaxFactor, &rope->factor));
  const std::string key = keys.key("rope.scaling.type");
  LEOAM_ASSIGN_OR_RETURN(const std::optional<std::string_view> kind, keys.gguf().find_string(key));
  *named = kind.has_value();
  if (!kind)
    rope->scaling = rope->factor != 1.0f ? RopeScaling::linear : RopeScaling::none;
  else if (*kind == "none")
    rope->scaling = RopeScaling::none;
  else if (*kind == "linear")
    rope->scaling = RopeScaling::linear;
  else if (*kind == "yarn")
    rope->scaling = RopeScaling::yarn;
  else
    return error(ErrorKind::unsupported, "{} at offset {}: expected none, linear or yarn; found \"{}\"", key,
                 keys.gguf().find(key)->offset_bytes, printable(*kind));
  return {};
}

Status read_yarn(const KeyReader& keys, RopeConfig* rope) {
  LEOAM_RETURN_IF_ERROR(keys.optional_uint("rope.scaling.original_context_length", 1, kMaxContext_tokens,
                                           &rope->original_context_tokens));
  constexpr float kTiny = std::numeric_limits<float>::min();
  LEOAM_RETURN_IF_ERROR(
      keys.optional_float("rope.scaling.yarn_ext_factor", 0, kMaxYarn, &rope->yarn_ext_factor));
  LEOAM_RETURN_IF_ERROR(
      keys.optional_float("rope.scaling.yarn_attn_factor", kTiny, kMaxYarn, &rope->yarn_attn_factor));
  float attn_factor = 1.0f;
  LEOAM_RETURN_IF_ERROR(keys.optional_float("rope.scaling.attn_factor", kTiny, kMaxYarn, &attn_factor));
  rope->yarn_attn_factor *= attn_factor;
  LEOAM_RETURN_IF_ERROR(
      keys.optional_float("rope.scaling.yarn_beta_fast", kTiny, kMaxYarn, &rope->yarn_beta_fast));
  LEOAM_RETURN_IF_ERROR(
      keys.optional_float("rope.scaling.yarn_beta_slow", kTiny, kMaxYarn, &rope->yarn_beta_slow));
  return keys.refuse_float("rope.scaling.yarn_log_multiplier", 0, "a YaRN logarithm multiplier");
}

Status check_override(const char* name, float value, float min, float max) {
  if (value >= min && value <= max) return {};
  return error(ErrorKind::invalid_argument, "{}: expected {} to {}, found {}", name, min, max, value);
}

Status apply_overrides(const ModelOptions& options, bool kind_named, RopeConfig* rope) {
  if (options.rope_base) {
    LEOAM_RETURN_IF_ERROR(check_override("rope_base", *options.rope_base, 1.0f, kMaxBase));
    rope->base = *options.rope_base;
  }
  if (options.rope_factor) {
    LEOAM_RETURN_IF_ERROR(check_override("rope_factor", *options.rope_factor, 1.0f, kMaxFactor));
    rope->factor = *options.rope_factor;
    // A factor alone scales as files without a kind do.
    if (!kind_named && rope->scaling == RopeScaling::none) rope->scaling = RopeScaling::linear;
  }
  if (options.rope_scaling) {
    const RopeScaling scaling = *options.rope_scaling;
    if (scaling != RopeScaling::none && scaling != RopeScaling::linear && scaling != RopeScaling::yarn)
      return error(ErrorKind::invalid_argument, "rope_scaling: expected 0 to 2, found {}",
                   static_cast<int>(scaling));
    rope->scaling = scaling;
  }
  if (options.rope_original_context_tokens) {
    const uint32_t tokens = *options.rope_original_context_tokens;
    if (tokens == 0 || tokens > kMaxContext_tokens)
      return error(ErrorKind::invalid_argument, "rope_original_context_tokens: expected 1 to {}, found {}",
                   kMaxContext_tokens, tokens);
    rope->original_context_tokens = tokens;
  }
  if (rope->scaling == RopeScaling::none) rope->factor = 1.0f;
  return {};
}

Status read_freq_factors(const File& file, const Gguf& gguf, RopeConfig* rope) {
  constexpr std::string_view kName = "rope_freqs.weight";
  const GgufTensor* tensor = gguf.find_tensor(kName);
  if (!tensor) return {};
  const uint32_t n_factors = rope->n_rot / 2;
  if (tensor->n_values() != n_factors || tensor->dims[0] != n_factors)
    return corrupt_field(fmt::format("{} dims", kName), tensor->entry_offset_bytes,
                         fmt::format("[{}]", n_factors),
                         fmt::format("[{}, {}]", tensor->dims[0], tensor->dims[1]));
  if (tensor->type != kernels::WeightType::f32)
    return error(ErrorKind::unsupported, "{} type at offset {}: expected f32, found {}", kName,
                 tensor->entry_offset_bytes,
                 kernels::weight_type_traits(static_cast<int32_t>(tensor->type))->name);
  rope->freq_factors.resize(n_factors);
  LEOAM_RETURN_IF_ERROR(
      file.read_at(tensor->offset_bytes,
                   {reinterpret_cast<uint8_t*>(rope->freq_factors.data()), n_factors * sizeof(float)}));
  for (size_t i = 0; i < n_factors; ++i) {
    const float factor = rope->freq_factors[i];
    if (!(factor > 0 && factor <= kMaxFactor))
      return corrupt_field(fmt::format("{}[{}]", kName, i), tensor->offset_bytes + i * sizeof(float),
                           fmt::format("more than 0, up to {}", kMaxFactor), factor);
  }
  return {};
}

}  // namespace

Status read_rope_config(const File& file, const KeyReader& keys, const ModelOptions& options,
                        ModelConfig* config) {
  RopeConfig rope;
  rope.n_rot = config->head_dim;
  LEOAM_RETURN_IF_ERROR(keys.optional_uint("rope.dimension_count", 2, config->head_dim, &rope.n_rot));
  if (rope.n_rot % 2 != 0)
    return error(ErrorKind::corrupt, "{}: expected an even count, found {}", keys.key("rope.dimension_count"),
                 rope.n_rot);
  LEOAM_RETURN_IF_ERROR(keys.optional_float("rope.freq_base", 1.0f, kMaxBase, &rope.base));
  rope.original_context_tokens = config->context_tokens;
  bool kind_named = false;
  LEOAM_RETURN_IF_ERROR(read_scaling(keys, &rope, &kind_named));
  LEOAM_RETURN_IF_ERROR(read_yarn(keys, &rope));
  LEOAM_RETURN_IF_ERROR(apply_overrides(options, kind_named, &rope));

  LEOAM_RETURN_IF_ERROR(read_freq_factors(file, keys.gguf(), &rope));

  // Sliding layers see few tokens, so extensions of the context do not reach them.
  config->local_rope = rope;
  if (config->architecture->local_rope_base != 0) {
    config->local_rope = RopeConfig{};
    config->local_rope.n_rot = rope.n_rot;
    config->local_rope.base = config->architecture->local_rope_base;
    LEOAM_RETURN_IF_ERROR(
        keys.optional_float("rope.freq_base_swa", 1.0f, kMaxBase, &config->local_rope.base));
  }
  config->rope = std::move(rope);
  return {};
}

}  // namespace leoam
