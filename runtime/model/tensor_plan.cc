#include "runtime/model/tensor_plan.h"

#include <algorithm>
#include <unordered_set>

namespace leoam {
namespace {

using Matrix = DeviceMatrix LayerWeights::*;
using Vector = std::vector<float> LayerWeights::*;
using Place = TensorPlan::Place;

class PlanBuilder {
 public:
  explicit PlanBuilder(const ModelConfig& config) : config_(config) {}

  std::vector<TensorPlan> build() {
    global("token_embd.weight", Place::embedding, true, config_.n_vocab, config_.n_embd);
    global("rope_freqs.weight", Place::config, false, 0, config_.rope.n_rot / 2);
    for (layer_ = 0; layer_ < config_.n_layers; ++layer_) add_layer();
    global("output_norm.weight", Place::output_norm, true, 0, config_.n_embd);
    // Without it the embedding is the output matrix.
    global("output.weight", Place::head, false, config_.n_vocab, config_.n_embd);
    return std::move(plans_);
  }

 private:
  void global(const char* name, Place place, bool required, uint32_t n_rows, uint32_t n_cols) {
    TensorPlan plan;
    plan.name = name;
    plan.place = place;
    plan.required = required;
    plan.n_rows = n_rows;
    plan.n_cols = n_cols;
    plans_.push_back(std::move(plan));
  }

  TensorPlan& in_layer(const char* suffix, bool required, uint32_t n_cols) {
    TensorPlan plan;
    plan.name = fmt::format("blk.{}.{}", layer_, suffix);
    plan.layer = layer_;
    plan.required = required;
    plan.n_cols = n_cols;
    return plans_.emplace_back(std::move(plan));
  }

  void matrix(const char* suffix, Matrix member, uint32_t n_rows, uint32_t n_cols) {
    TensorPlan& plan = in_layer(suffix, true, n_cols);
    plan.matrix = member;
    plan.n_rows = n_rows;
  }

  void vector(const char* suffix, Vector member, bool required, uint32_t n_cols) {
    in_layer(suffix, required, n_cols).vector = member;
  }

  void add_layer() {
    const Architecture& arch = *config_.architecture;
    const uint32_t n_embd = config_.n_embd;
    const uint32_t n_q = config_.n_heads * config_.head_dim;
    const uint32_t n_kv = config_.n_kv_heads * config_.head_dim;
    vector("attn_norm.weight", &LayerWeights::attention_norm, true, n_embd);
    matrix("attn_q.weight", &LayerWeights::q, n_q, n_embd);
    matrix("attn_k.weight", &LayerWeights::k, n_kv, n_embd);
    matrix("attn_v.weight", &LayerWeights::v, n_kv, n_embd);
    vector("attn_q.bias", &LayerWeights::q_bias, arch.qkv_bias, n_q);
    vector("attn_k.bias", &LayerWeights::k_bias, arch.qkv_bias, n_kv);
    vector("attn_v.bias", &LayerWeights::v_bias, arch.qkv_bias, n_kv);
    if (arch.qk_norm) {
      vector("attn_q_norm.weight", &LayerWeights::q_norm, true, config_.head_dim);
      vector("attn_k_norm.weight", &LayerWeights::k_norm, true, config_.head_dim);
    }
    matrix("attn_output.weight", &LayerWeights::o, n_embd, n_q);
    vector("attn_output.bias", &LayerWeights::o_bias, false, n_embd);
    if (arch.post_norms)
      vector("post_attention_norm.weight", &LayerWeights::attention_post_norm, true, n_embd);
    vector("ffn_norm.weight", &LayerWeights::ffn_norm, true, n_embd);
    matrix("ffn_gate.weight", &LayerWeights::gate, config_.n_ff, n_embd);
    matrix("ffn_up.weight", &LayerWeights::up, config_.n_ff, n_embd);
    matrix("ffn_down.weight", &LayerWeights::down, n_embd, config_.n_ff);
    if (arch.post_norms) vector("post_ffw_norm.weight", &LayerWeights::ffn_post_norm, true, n_embd);
  }

  const ModelConfig& config_;
  std::vector<TensorPlan> plans_;
  uint32_t layer_ = 0;
};

std::string shape_text(const GgufTensor& tensor) {
  return fmt::format("[{}]", fmt::join(tensor.dims.begin(), tensor.dims.begin() + tensor.n_dims, ", "));
}

// Older converters stored the RoPE frequencies of every layer; they follow from the hyper-parameters.
bool is_redundant(std::string_view name) {
  return name.ends_with(".attn_rot_embd.weight");
}

Status check_shape(const TensorPlan& plan) {
  const GgufTensor& tensor = *plan.tensor;
  const uint64_t n_rows = plan.is_vector() ? 1 : plan.n_rows;
  if (tensor.dims[0] != plan.n_cols || tensor.dims[1] != n_rows || tensor.dims[2] != 1 || tensor.dims[3] != 1)
    return corrupt_field(fmt::format("{} dims", plan.name), tensor.entry_offset_bytes,
                         plan.is_vector() ? fmt::format("[{}]", plan.n_cols)
                                          : fmt::format("[{}, {}]", plan.n_cols, plan.n_rows),
                         shape_text(tensor));
  const bool is_float = kernels::takes_float_activations(tensor.type);
  if (plan.is_vector() && !is_float)
    return error(ErrorKind::unsupported,
                 "{} type at offset {}: expected f32, f16 or bf16 for a vector, found {}", plan.name,
                 tensor.entry_offset_bytes,
                 kernels::weight_type_traits(static_cast<int32_t>(tensor.type))->name);
  return {};
}

Status check_no_others(const Gguf& gguf, const ModelConfig& config, const std::vector<TensorPlan>& plans) {
  std::unordered_set<std::string_view> known;
  for (const TensorPlan& plan : plans) known.insert(plan.name);
  for (const GgufTensor& tensor : gguf.tensors())
    if (!known.contains(tensor.name) && !is_redundant(tensor.name))
      return error(ErrorKind::unsupported, "tensor {} at offset {}: not part of a {} model with {} layers",
                   printable(tensor.name), tensor.entry_offset_bytes, config.architecture->name,
                   config.n_layers);
  return {};
}

}  // namespace

Result<std::vector<TensorPlan>> plan_tensors(const Gguf& gguf, const ModelConfig& config) {
  std::vector<TensorPlan> plans = PlanBuilder(config).build();
  for (TensorPlan& plan : plans) {
    plan.tensor = gguf.find_tensor(plan.name);
    if (plan.tensor)
      LEOAM_RETURN_IF_ERROR(check_shape(plan));
    else if (plan.required)
      return error(ErrorKind::corrupt, "tensor {}: required by {}, found none of that name among {}",
                   plan.name, config.architecture->name, gguf.tensors().size());
  }
  LEOAM_RETURN_IF_ERROR(check_no_others(gguf, config, plans));
  std::erase_if(plans, [](const TensorPlan& plan) { return plan.tensor == nullptr; });
  return plans;
}

}  // namespace leoam
