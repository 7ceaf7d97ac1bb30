#include "runtime/model/model_config.h"

#include <cmath>
#include <limits>

#include "runtime/model/key_reader.h"
#include "runtime/model/model_source.h"
#include "runtime/model/rope_config.h"

namespace leoam {
namespace {

using kernels::RopePairing;

constexpr Architecture kArchitectures[] = {
    {.name = "llama",
     .rope_pairing = RopePairing::adjacent,
     .activation = Activation::silu,
     .qkv_bias = false,
     .qk_norm = false,
     .post_norms = false,
     .scale_embedding = false,
     .sliding_period = 0,
     .local_rope_base = 0},
    {.name = "qwen2",
     .rope_pairing = RopePairing::halves,
     .activation = Activation::silu,
     .qkv_bias = true,
     .qk_norm = false,
     .post_norms = false,
     .scale_embedding = false,
     .sliding_period = 0,
     .local_rope_base = 0},
    {.name = "qwen3",
     .rope_pairing = RopePairing::halves,
     .activation = Activation::silu,
     .qkv_bias = false,
     .qk_norm = true,
     .post_norms = false,
     .scale_embedding = false,
     .sliding_period = 0,
     .local_rope_base = 0},
    {.name = "gemma3",
     .rope_pairing = RopePairing::halves,
     .activation = Activation::gelu_tanh,
     .qkv_bias = false,
     .qk_norm = true,
     .post_norms = true,
     .scale_embedding = true,
     .sliding_period = 6,
     .local_rope_base = 10000.0f},
};

// Beyond every published model by a factor of four or more; they bound products to 64 bits and tables to
// memory.
constexpr uint32_t kMaxLayers = 1024;
constexpr uint32_t kMaxEmbd = 1u << 17;
constexpr uint32_t kMaxHeads = 1024;
constexpr uint32_t kMaxHeadDim = 1024;
constexpr uint32_t kMaxFf = 1u << 20;
constexpr uint32_t kMaxVocab = 1u << 20;
constexpr uint32_t kMaxContext_tokens = std::numeric_limits<int32_t>::max();
// The one size of Gemma 3 (27B) whose attention scale comes from the embedding.
constexpr uint32_t kGemma3WideLayers = 62;

class ConfigReader {
 public:
  ConfigReader(const File& file, const Gguf& gguf, const ModelOptions& options,
               const Architecture& architecture)
      : file_(file), gguf_(gguf), options_(options), keys_(gguf, std::string(architecture.name) + ".") {
    config_.architecture = &architecture;
  }

  Result<ModelConfig> read() {
    LEOAM_ASSIGN_OR_RETURN(const std::optional<std::string_view> name, gguf_.find_string("general.name"));
    config_.name = printable(name.value_or(""), 256);
    LEOAM_RETURN_IF_ERROR(refuse_other_models());
    LEOAM_RETURN_IF_ERROR(read_sizes());
    LEOAM_RETURN_IF_ERROR(read_heads());
    LEOAM_RETURN_IF_ERROR(read_vocab());
    LEOAM_RETURN_IF_ERROR(read_scales());
    LEOAM_RETURN_IF_ERROR(read_window());
    LEOAM_RETURN_IF_ERROR(read_rope_config(file_, keys_, options_, &config_));
    if (options_.context_tokens) {
      if (*options_.context_tokens == 0 || *options_.context_tokens > kMaxContext_tokens)
        return error(ErrorKind::invalid_argument, "context_tokens: expected 1 to {}, found {}",
                     kMaxContext_tokens, *options_.context_tokens);
      config_.context_tokens = *options_.context_tokens;
    }
    return std::move(config_);
  }

 private:
  // Keys whose neglect would give wrong answers instead of none.
  Status refuse_other_models() const {
    uint32_t n_experts = 0;
    uint32_t n_experts_used = 0;
    LEOAM_RETURN_IF_ERROR(keys_.optional_uint("expert_count", 0, UINT32_MAX, &n_experts));
    LEOAM_RETURN_IF_ERROR(keys_.optional_uint("expert_used_count", 0, n_experts, &n_experts_used));
    if (n_experts > 0)
      return error(ErrorKind::unsupported, "{}: a mixture of {} experts is not supported",
                   keys_.key("expert_count"), n_experts);
    LEOAM_RETURN_IF_ERROR(
        keys_.refuse_float("attn_logit_softcapping", 0, "soft-capping of attention scores"));
    LEOAM_RETURN_IF_ERROR(keys_.refuse_float("final_logit_softcapping", 0, "soft-capping of logits"));
    LEOAM_RETURN_IF_ERROR(keys_.refuse_float("residual_scale", 1, "scaling of the residual"));
    LEOAM_RETURN_IF_ERROR(keys_.refuse_float("attention.clamp_kqv", 0, "clamping of q, k and v"));
    LEOAM_RETURN_IF_ERROR(keys_.refuse_float("attention.max_alibi_bias", 0, "ALiBi"));
    LEOAM_RETURN_IF_ERROR(keys_.refuse_bool("attention.causal", true, "attention to later tokens"));
    return keys_.refuse_bool("use_parallel_residual", false, "a parallel residual");
  }

  Status read_sizes() {
    LEOAM_RETURN_IF_ERROR(keys_.required_uint("block_count", 1, kMaxLayers, &config_.n_layers));
    LEOAM_RETURN_IF_ERROR(keys_.required_uint("embedding_length", 1, kMaxEmbd, &config_.n_embd));
    if (!keys_.has("feed_forward_length")) return keys_.missing("feed_forward_length");
    LEOAM_RETURN_IF_ERROR(
        keys_.uniform_uint("feed_forward_length", config_.n_layers, 1, kMaxFf, &config_.n_ff));
    return keys_.required_uint("context_length", 1, kMaxContext_tokens, &config_.context_tokens);
  }

  Status read_heads() {
    if (!keys_.has("attention.head_count")) return keys_.missing("attention.head_count");
    const uint32_t n_layers = config_.n_layers;
    LEOAM_RETURN_IF_ERROR(
        keys_.uniform_uint("attention.head_count", n_layers, 1, kMaxHeads, &config_.n_heads));
    config_.n_kv_heads = config_.n_heads;
    LEOAM_RETURN_IF_ERROR(
        keys_.uniform_uint("attention.head_count_kv", n_layers, 1, config_.n_heads, &config_.n_kv_heads));
    if (config_.n_heads % config_.n_kv_heads != 0)
      return error(ErrorKind::corrupt, "{}: expected a divisor of the {} heads, found {}",
                   keys_.key("attention.head_count_kv"), config_.n_heads, config_.n_kv_heads);
    return read_head_dim();
  }

  Status read_head_dim() {
    if (keys_.has("attention.key_length")) {
      LEOAM_RETURN_IF_ERROR(keys_.required_uint("attention.key_length", 1, kMaxHeadDim, &config_.head_dim));
    } else {
      if (config_.n_embd % config_.n_heads != 0)
        return error(ErrorKind::corrupt, "{}: expected a multiple of the {} heads (no {}), found {}",
                     keys_.key("embedding_length"), config_.n_heads, keys_.key("attention.key_length"),
                     config_.n_embd);
      config_.head_dim = config_.n_embd / config_.n_heads;
    }
    if (config_.head_dim % 2 != 0 || config_.head_dim > kMaxHeadDim)
      return error(ErrorKind::corrupt, "{}: expected an even head size up to {}, found {}",
                   keys_.key("attention.key_length"), kMaxHeadDim, config_.head_dim);
    uint32_t value_length = config_.head_dim;
    LEOAM_RETURN_IF_ERROR(keys_.optional_uint("attention.value_length", 1, kMaxHeadDim, &value_length));
    if (value_length != config_.head_dim)
      return error(ErrorKind::unsupported,
                   "{}: {}, while keys have {}; head sizes that differ are not supported",
                   keys_.key("attention.value_length"), value_length, config_.head_dim);
    return {};
  }

  // The embedding's rows are the vocabulary; everything else has to agree with them.
  Status read_vocab() {
    constexpr std::string_view kName = "token_embd.weight";
    const GgufTensor* embedding = gguf_.find_tensor(kName);
    if (!embedding)
      return error(ErrorKind::corrupt, "tensor {}: required, found none of that name among {}", kName,
                   gguf_.tensors().size());
    const uint64_t n_rows = embedding->dims[1];
    if (n_rows > kMaxVocab)
      return corrupt_field(fmt::format("{} dims[1]", kName), embedding->entry_offset_bytes,
                           fmt::format("1 to {}", kMaxVocab), n_rows);
    config_.n_vocab = static_cast<uint32_t>(n_rows);
    uint32_t stated = config_.n_vocab;
    LEOAM_RETURN_IF_ERROR(keys_.optional_uint("vocab_size", 1, UINT32_MAX, &stated));
    if (stated != config_.n_vocab)
      return corrupt_field(keys_.key("vocab_size"), gguf_.find(keys_.key("vocab_size"))->offset_bytes,
                           fmt::format("{} (the rows of {})", config_.n_vocab, kName), stated);
    return {};
  }

  Status read_scales() {
    constexpr float kTiny = std::numeric_limits<float>::min();
    LEOAM_RETURN_IF_ERROR(
        keys_.required_float("attention.layer_norm_rms_epsilon", kTiny, 1.0f, &config_.norm_eps));
    const bool wide =
        std::string_view(config_.architecture->name) == "gemma3" && config_.n_layers == kGemma3WideLayers;
    const uint32_t scaled_dim = wide ? config_.n_embd / config_.n_heads : config_.head_dim;
    config_.attention_scale = 1.0f / std::sqrt(static_cast<float>(scaled_dim));
    LEOAM_RETURN_IF_ERROR(keys_.optional_float("attention.scale", kTiny, 1e6f, &config_.attention_scale));
    if (config_.architecture->scale_embedding)
      config_.embedding_scale = std::sqrt(static_cast<float>(config_.n_embd));
    LEOAM_RETURN_IF_ERROR(keys_.optional_float("embedding_scale", kTiny, 1e6f, &config_.embedding_scale));
    return keys_.optional_float("logit_scale", kTiny, 1e6f, &config_.logit_scale);
  }

  Status read_window() {
    // Files of architectures without sliding layers may carry a window that their models do not use.
    if (config_.architecture->sliding_period == 0) return {};
    LEOAM_RETURN_IF_ERROR(keys_.optional_uint("attention.sliding_window", 1, config_.context_tokens,
                                              &config_.sliding_window_tokens));
    constexpr std::string_view kPattern = "attention.sliding_window_pattern";
    const GgufValue* pattern = gguf_.find(keys_.key(kPattern));
    if (!pattern) return {};
    if (!pattern->is_array) {
      uint32_t period = 0;
      LEOAM_RETURN_IF_ERROR(keys_.required_uint(kPattern, 1, UINT32_MAX, &period));
      return period == config_.architecture->sliding_period ? Status() : refuse_pattern(*pattern);
    }
    LEOAM_ASSIGN_OR_RETURN(const std::vector<bool> layers, gguf_.find_bools(keys_.key(kPattern), kMaxLayers));
    if (layers.size() != config_.n_layers)
      return corrupt_field(keys_.key(kPattern), pattern->offset_bytes,
                           fmt::format("{} values, one a layer", config_.n_layers), layers.size());
    for (uint32_t layer = 0; layer < config_.n_layers; ++layer)
      if (layers[layer] != config_.is_sliding(layer)) return refuse_pattern(*pattern);
    return {};
  }

  Status refuse_pattern(const GgufValue& pattern) const {
    return error(ErrorKind::unsupported, "{} at offset {}: expected every {}th layer to be global, found {}",
                 printable(pattern.key), pattern.offset_bytes, config_.architecture->sliding_period,
                 gguf_.print(pattern));
  }

  const File& file_;
  const Gguf& gguf_;
  const ModelOptions& options_;
  KeyReader keys_;
  ModelConfig config_;
};

std::string architecture_names() {
  std::string names;
  for (const Architecture& architecture : kArchitectures) {
    if (!names.empty()) names += ", ";
    names += architecture.name;
  }
  return names;
}

}  // namespace

const Architecture* find_architecture(const std::string& name) {
  for (const Architecture& architecture : kArchitectures)
    if (name == architecture.name) return &architecture;
  return nullptr;
}

Result<ModelConfig> read_model_config(const File& file, const Gguf& gguf, const ModelOptions& options) {
  // A missing type means a model; files of the same format also hold adapters, projectors and bare
  // vocabularies.
  LEOAM_ASSIGN_OR_RETURN(const std::optional<std::string_view> type, gguf.find_string("general.type"));
  if (type.value_or("model") != "model")
    return error(ErrorKind::unsupported, "general.type: expected \"model\", found \"{}\"", printable(*type));
  constexpr std::string_view kKey = "general.architecture";
  LEOAM_ASSIGN_OR_RETURN(const std::optional<std::string_view> name, gguf.find_string(kKey));
  if (!name)
    return error(ErrorKind::corrupt, "{}: required key, found none of that name among {}", kKey,
                 gguf.values().size());
  const Architecture* architecture = find_architecture(std::string(*name));
  if (!architecture)
    return error(ErrorKind::unsupported, "{} at offset {}: expected one of {}; found \"{}\"", kKey,
                 gguf.find(kKey)->offset_bytes, architecture_names(), printable(*name));
  KeyReader split(gguf, "split.");
  uint32_t n_parts = 1;
  LEOAM_RETURN_IF_ERROR(split.optional_uint("count", 0, UINT32_MAX, &n_parts));
  if (n_parts > 1)
    return error(ErrorKind::unsupported,
                 "split.count: a model in {} files is not supported; merge them first", n_parts);
  return ConfigReader(file, gguf, options, *architecture).read();
}

}  // namespace leoam
