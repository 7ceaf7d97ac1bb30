// Well-formed files of models that cannot be: hyper-parameters, tensors and vocabularies that do not fit
// together.
#include <limits>

#include "tests/runtime/model/malformed.h"

namespace leoam::testing {
namespace {

using kernels::WeightType;

constexpr ErrorKind kUnsupported = ErrorKind::unsupported;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

std::vector<uint8_t> floats(const std::vector<float>& values) {
  std::vector<uint8_t> out;
  for (const float value : values) append_raw(&out, value);
  return out;
}

void add_rope_freqs(GgufFile& file, const std::vector<float>& values) {
  file.add_tensor("rope_freqs.weight", {values.size()}, WeightType::f32, floats(values));
}

// Adds one tensor in front of the others, so that its data has a place.
void add_extra(GgufFile& file, const char* name) {
  file.add_tensor(name, {4}, WeightType::f32, floats({1, 2, 3, 4}));
}

const Malformed kKeys[] = {
    {"architecture_missing", [](GgufFile& f) { f.remove_key("general.architecture"); },
     "general.architecture"},
    {"architecture_unknown", [](GgufFile& f) { f.set("general.architecture", "mamba"); }, "found \"mamba\"",
     kUnsupported},
    {"architecture_empty", [](GgufFile& f) { f.set("general.architecture", ""); }, "general.architecture",
     kUnsupported},
    {"architecture_control_bytes", [](GgufFile& f) { f.set("general.architecture", "\x1B[2J"); }, "\\x1b[2J",
     kUnsupported},
    {"architecture_number", [](GgufFile& f) { f.set("general.architecture", uint32_t{1}); },
     "general.architecture at offset"},
    {"type_adapter", [](GgufFile& f) { f.set("general.type", "adapter"); }, "found \"adapter\"",
     kUnsupported},
    {"name_is_array", [](GgufFile& f) { f.set_strings("general.name", {"a"}); }, "general.name"},
    {"split_in_3", [](GgufFile& f) { f.set("split.count", uint16_t{3}); }, "split.count", kUnsupported},
    {"block_count_missing", [](GgufFile& f) { f.remove_key("llama.block_count"); },
     "llama.block_count: required"},
    {"embedding_length_missing", [](GgufFile& f) { f.remove_key("llama.embedding_length"); },
     "llama.embedding_length"},
    {"feed_forward_length_missing", [](GgufFile& f) { f.remove_key("llama.feed_forward_length"); },
     "llama.feed_forward_length"},
    {"context_length_missing", [](GgufFile& f) { f.remove_key("llama.context_length"); },
     "llama.context_length"},
    {"head_count_missing", [](GgufFile& f) { f.remove_key("llama.attention.head_count"); },
     "llama.attention.head_count"},
    {"eps_missing", [](GgufFile& f) { f.remove_key("llama.attention.layer_norm_rms_epsilon"); },
     "llama.attention.layer_norm_rms_epsilon"},

    {"block_count_0", [](GgufFile& f) { f.set("llama.block_count", uint32_t{0}); }, "llama.block_count"},
    {"block_count_2_32_minus_1", [](GgufFile& f) { f.set("llama.block_count", UINT32_MAX); }, "1 to 1024"},
    {"block_count_negative", [](GgufFile& f) { f.set("llama.block_count", int32_t{-2}); }, "found -2"},
    {"block_count_string", [](GgufFile& f) { f.set("llama.block_count", "2"); }, "an integer, found string"},
    {"block_count_float", [](GgufFile& f) { f.set("llama.block_count", 2.0f); }, "an integer, found f32"},
    {"block_count_array", [](GgufFile& f) { f.set_array<uint32_t>("llama.block_count", {2}); },
     "array of u32"},
    {"block_count_too_high", [](GgufFile& f) { f.set("llama.block_count", uint32_t{3}); },
     "blk.2.attn_norm.weight"},
    {"block_count_too_low", [](GgufFile& f) { f.set("llama.block_count", uint32_t{1}); }, "blk.1.",
     kUnsupported},
    {"embedding_length_0", [](GgufFile& f) { f.set("llama.embedding_length", uint32_t{0}); },
     "llama.embedding_length"},
    {"embedding_length_2_20", [](GgufFile& f) { f.set("llama.embedding_length", 1u << 20); },
     "llama.embedding_length"},
    {"feed_forward_length_0", [](GgufFile& f) { f.set("llama.feed_forward_length", uint32_t{0}); },
     "llama.feed_forward_length"},
    {"feed_forward_length_2_63", [](GgufFile& f) { f.set("llama.feed_forward_length", 1ull << 63); },
     "found 9223372036854775808"},
    {"context_length_0", [](GgufFile& f) { f.set("llama.context_length", uint32_t{0}); },
     "llama.context_length"},
    {"context_length_2_31", [](GgufFile& f) { f.set("llama.context_length", 1u << 31); },
     "llama.context_length"},
    {"context_length_bool", [](GgufFile& f) { f.set("llama.context_length", true); }, "found bool"},
    {"head_count_0", [](GgufFile& f) { f.set("llama.attention.head_count", uint32_t{0}); },
     "llama.attention.head_count"},
    {"head_count_100000", [](GgufFile& f) { f.set("llama.attention.head_count", uint32_t{100000}); },
     "llama.attention.head_count"},
    {"head_count_array_of_strings",
     [](GgufFile& f) {
       f.set_strings("llama.attention.head_count", {"4", "4"});
     },
     "array of integers"},
    {"kv_heads_0", [](GgufFile& f) { f.set("llama.attention.head_count_kv", uint32_t{0}); },
     "llama.attention.head_count_kv"},
    {"kv_heads_above_heads", [](GgufFile& f) { f.set("llama.attention.head_count_kv", uint32_t{8}); },
     "llama.attention.head_count_kv"},
    {"kv_heads_no_divisor", [](GgufFile& f) { f.set("llama.attention.head_count_kv", uint32_t{3}); },
     "a divisor of the 4 heads"},
    {"heads_no_divisor",
     [](GgufFile& f) {
       f.set("llama.attention.head_count", uint32_t{5});
       f.set("llama.attention.head_count_kv", uint32_t{5});
     },
     "a multiple of the 5 heads"},
    {"heads_above_embedding",
     [](GgufFile& f) {
       f.set("llama.attention.head_count", uint32_t{64});
       f.set("llama.attention.head_count_kv", uint32_t{64});
     },
     "an even head size"},
    {"vocab_size_0", [](GgufFile& f) { f.set("llama.vocab_size", uint32_t{0}); }, "llama.vocab_size"},
    {"vocab_size_differs", [](GgufFile& f) { f.set("llama.vocab_size", uint32_t{321}); }, "320 (the rows of"},
    {"key_length_0", [](GgufFile& f) { f.set("llama.attention.key_length", uint32_t{0}); },
     "llama.attention.key_length"},
    {"key_length_odd", [](GgufFile& f) { f.set("llama.attention.key_length", uint32_t{15}); },
     "an even head size"},
    {"key_length_4096", [](GgufFile& f) { f.set("llama.attention.key_length", uint32_t{4096}); },
     "llama.attention.key_length"},
    {"key_length_differs", [](GgufFile& f) { f.set("llama.attention.key_length", uint32_t{32}); },
     "blk.0.attn_q.weight dims"},
    {"value_length_differs", [](GgufFile& f) { f.set("llama.attention.value_length", uint32_t{32}); },
     "llama.attention.value_length", kUnsupported},
    {"heads_a_layer_too_few", [](GgufFile& f) { f.set_array<uint32_t>("llama.attention.head_count", {4}); },
     "2 values, one a layer"},
    {"heads_a_layer_too_many",
     [](GgufFile& f) {
       f.set_array<uint32_t>("llama.attention.head_count", {4, 4, 4});
     },
     "llama.attention.head_count count"},
    {"heads_a_layer_differ",
     [](GgufFile& f) {
       f.set_array<uint32_t>("llama.attention.head_count", {4, 2});
     },
     "llama.attention.head_count[1]", kUnsupported},
    {"heads_a_layer_zero",
     [](GgufFile& f) {
       f.set_array<uint32_t>("llama.attention.head_count_kv", {2, 0});
     },
     "llama.attention.head_count_kv[1]"},
    {"heads_a_layer_negative",
     [](GgufFile& f) {
       f.set_array<int32_t>("llama.feed_forward_length", {-1, -1});
     },
     "llama.feed_forward_length[0]"},

    {"eps_0", [](GgufFile& f) { f.set("llama.attention.layer_norm_rms_epsilon", 0.0f); }, "rms_epsilon"},
    {"eps_nan", [](GgufFile& f) { f.set("llama.attention.layer_norm_rms_epsilon", kNan); }, "found nan"},
    {"eps_infinite", [](GgufFile& f) { f.set("llama.attention.layer_norm_rms_epsilon", kInf); }, "found inf"},
    {"eps_negative", [](GgufFile& f) { f.set("llama.attention.layer_norm_rms_epsilon", -1e-5f); },
     "rms_epsilon"},
    {"eps_integer", [](GgufFile& f) { f.set("llama.attention.layer_norm_rms_epsilon", uint32_t{1}); },
     "a float, found u32"},
    {"rope_base_0", [](GgufFile& f) { f.set("llama.rope.freq_base", 0.0f); }, "llama.rope.freq_base"},
    {"rope_base_nan", [](GgufFile& f) { f.set("llama.rope.freq_base", kNan); }, "llama.rope.freq_base"},
    {"rope_base_infinite", [](GgufFile& f) { f.set("llama.rope.freq_base", kInf); }, "llama.rope.freq_base"},
    {"rope_base_negative", [](GgufFile& f) { f.set("llama.rope.freq_base", -10000.0f); },
     "llama.rope.freq_base"},
    {"rope_base_f64_overflows", [](GgufFile& f) { f.set("llama.rope.freq_base", 1e300); },
     "llama.rope.freq_base"},
    {"rope_base_string", [](GgufFile& f) { f.set("llama.rope.freq_base", "10000"); }, "llama.rope.freq_base"},
    {"rope_dims_0", [](GgufFile& f) { f.set("llama.rope.dimension_count", uint32_t{0}); },
     "llama.rope.dimension_count"},
    {"rope_dims_odd", [](GgufFile& f) { f.set("llama.rope.dimension_count", uint32_t{7}); },
     "llama.rope.dimension_count"},
    {"rope_dims_above_head", [](GgufFile& f) { f.set("llama.rope.dimension_count", uint32_t{18}); },
     "2 to 16, found 18"},
    {"rope_factor_0", [](GgufFile& f) { f.set("llama.rope.scaling.factor", 0.0f); },
     "llama.rope.scaling.factor"},
    {"rope_factor_nan", [](GgufFile& f) { f.set("llama.rope.scaling.factor", kNan); },
     "llama.rope.scaling.factor"},
    {"rope_factor_negative", [](GgufFile& f) { f.set("llama.rope.scale_linear", -4.0f); },
     "llama.rope.scale_linear"},
    {"rope_scaling_unknown", [](GgufFile& f) { f.set("llama.rope.scaling.type", "longrope"); },
     "found \"longrope\"", kUnsupported},
    {"rope_scaling_number", [](GgufFile& f) { f.set("llama.rope.scaling.type", uint32_t{1}); },
     "llama.rope.scaling.type"},
    {"yarn_original_0", [](GgufFile& f) { f.set("llama.rope.scaling.original_context_length", uint32_t{0}); },
     "original_context_length"},
    {"yarn_beta_nan", [](GgufFile& f) { f.set("llama.rope.scaling.yarn_beta_fast", kNan); },
     "yarn_beta_fast"},
    {"yarn_attn_factor_0", [](GgufFile& f) { f.set("llama.rope.scaling.attn_factor", 0.0f); }, "attn_factor"},
    {"yarn_log_multiplier", [](GgufFile& f) { f.set("llama.rope.scaling.yarn_log_multiplier", 0.1f); },
     "yarn_log_multiplier", kUnsupported},
    {"rope_freqs_short",
     [](GgufFile& f) {
       add_rope_freqs(f, {1, 1, 1});
     },
     "rope_freqs.weight dims"},
    {"rope_freqs_zero",
     [](GgufFile& f) {
       add_rope_freqs(f, {1, 1, 1, 0, 1, 1, 1, 1});
     },
     "rope_freqs.weight[3]"},
    {"rope_freqs_nan",
     [](GgufFile& f) {
       add_rope_freqs(f, {1, 1, 1, 1, 1, 1, 1, kNan});
     },
     "rope_freqs.weight[7]"},
    {"rope_freqs_negative",
     [](GgufFile& f) {
       add_rope_freqs(f, {-1, 1, 1, 1, 1, 1, 1, 1});
     },
     "rope_freqs.weight[0]"},
    {"attention_scale_0", [](GgufFile& f) { f.set("llama.attention.scale", 0.0f); }, "llama.attention.scale"},
    {"attention_scale_nan", [](GgufFile& f) { f.set("llama.attention.scale", kNan); },
     "llama.attention.scale"},
    {"embedding_scale_infinite", [](GgufFile& f) { f.set("llama.embedding_scale", kInf); },
     "llama.embedding_scale"},
    {"logit_scale_negative", [](GgufFile& f) { f.set("llama.logit_scale", -1.0f); }, "llama.logit_scale"},
    {"experts_used_above_experts",
     [](GgufFile& f) {
       f.set("llama.expert_count", uint32_t{4});
       f.set("llama.expert_used_count", uint32_t{5});
     },
     "llama.expert_used_count"},
    {"experts", [](GgufFile& f) { f.set("llama.expert_count", uint32_t{8}); },
     "llama.expert_count: a mixture of 8", kUnsupported},
    {"soft_capping", [](GgufFile& f) { f.set("llama.attn_logit_softcapping", 50.0f); },
     "attn_logit_softcapping", kUnsupported},
    {"not_causal", [](GgufFile& f) { f.set("llama.attention.causal", false); }, "attention.causal",
     kUnsupported},

    {"embedding_missing", [](GgufFile& f) { f.remove_tensor("token_embd.weight"); },
     "tensor token_embd.weight"},
    {"output_norm_missing", [](GgufFile& f) { f.remove_tensor("output_norm.weight"); },
     "tensor output_norm.weight"},
    {"ffn_down_missing", [](GgufFile& f) { f.remove_tensor("blk.1.ffn_down.weight"); },
     "tensor blk.1.ffn_down.weight"},
    {"attn_norm_missing", [](GgufFile& f) { f.remove_tensor("blk.0.attn_norm.weight"); },
     "tensor blk.0.attn_norm.weight"},
    {"extra_tensor", [](GgufFile& f) { add_extra(f, "blk.0.ffn_gate.bias"); }, "blk.0.ffn_gate.bias",
     kUnsupported},
    {"expert_tensor", [](GgufFile& f) { add_extra(f, "blk.0.ffn_gate_exps.weight"); }, "ffn_gate_exps",
     kUnsupported},
    {"embedding_columns",
     [](GgufFile& f) {
       f.tensor("token_embd.weight").dims = {32, 320};
     },
     "token_embd.weight dims at offset"},
    {"q_rows",
     [](GgufFile& f) {
       f.tensor("blk.0.attn_q.weight").dims = {64, 32};
     },
     "expected [64, 64], found [64, 32]"},
    {"k_rows",
     [](GgufFile& f) {
       f.tensor("blk.1.attn_k.weight").dims = {64, 16};
     },
     "blk.1.attn_k.weight dims"},
    {"q_transposed",
     [](GgufFile& f) {
       f.tensor("blk.0.ffn_up.weight").dims = {128, 64};
     },
     "blk.0.ffn_up.weight dims"},
    {"ffn_down_columns",
     [](GgufFile& f) {
       f.tensor("blk.0.ffn_down.weight").dims = {64, 64};
     },
     "blk.0.ffn_down.weight dims"},
    {"matrix_of_3_dims",
     [](GgufFile& f) {
       f.tensor("blk.0.attn_q.weight").dims = {64, 32, 2};
     },
     "found [64, 32, 2]"},
    {"matrix_of_1_dim", [](GgufFile& f) { f.tensor("blk.0.attn_q.weight").dims = {4096}; }, "found [4096]"},
    {"norm_short", [](GgufFile& f) { f.tensor("blk.0.ffn_norm.weight").dims = {32}; },
     "blk.0.ffn_norm.weight dims"},
    {"norm_matrix",
     [](GgufFile& f) {
       f.tensor("output_norm.weight").dims = {32, 2};
     },
     "output_norm.weight dims"},
    {"norm_quantised",
     [](GgufFile& f) {
       f.tensor("output_norm.weight").type = static_cast<uint32_t>(WeightType::q8_0);
       f.tensor("output_norm.weight").data.resize(68);
     },
     "output_norm.weight type", kUnsupported},
    {"vocabulary_above_limit",
     [](GgufFile& f) {
       f.tensor("token_embd.weight").dims = {1, (1u << 20) + 1};
       f.tensor("token_embd.weight").data.resize(4 * ((1u << 20) + 1));
     },
     "token_embd.weight dims[1]"},
};

class MalformedKeys : public ::testing::TestWithParam<Malformed> {};
TEST_P(MalformedKeys, AreRefused) {
  expect_refused(TinyModelOptions(), GetParam());
}
INSTANTIATE_TEST_SUITE_P(Llama, MalformedKeys, ::testing::ValuesIn(kKeys), malformed_name);

const Malformed kGemma[] = {
    {"window_0", [](GgufFile& f) { f.set("gemma3.attention.sliding_window", uint32_t{0}); },
     "sliding_window"},
    {"window_above_context", [](GgufFile& f) { f.set("gemma3.attention.sliding_window", uint32_t{513}); },
     "1 to 512, found 513"},
    {"pattern_number", [](GgufFile& f) { f.set("gemma3.attention.sliding_window_pattern", uint32_t{4}); },
     "sliding_window_pattern", kUnsupported},
    {"pattern_short",
     [](GgufFile& f) { f.set_array<bool>("gemma3.attention.sliding_window_pattern", {true}); }, "2 values"},
    {"pattern_other",
     [](GgufFile& f) {
       f.set_array<bool>("gemma3.attention.sliding_window_pattern", {true, false});
     },
     "sliding_window_pattern", kUnsupported},
    {"final_soft_capping", [](GgufFile& f) { f.set("gemma3.final_logit_softcapping", 30.0f); },
     "final_logit_softcapping", kUnsupported},
    {"q_norm_missing", [](GgufFile& f) { f.remove_tensor("blk.0.attn_q_norm.weight"); },
     "tensor blk.0.attn_q_norm.weight"},
    {"post_norm_missing", [](GgufFile& f) { f.remove_tensor("blk.1.post_ffw_norm.weight"); },
     "tensor blk.1.post_ffw_norm.weight"},
    {"q_norm_size", [](GgufFile& f) { f.tensor("blk.0.attn_k_norm.weight").dims = {8}; },
     "blk.0.attn_k_norm.weight dims"},
};

class MalformedGemma : public ::testing::TestWithParam<Malformed> {};
TEST_P(MalformedGemma, IsRefused) {
  TinyModelOptions options;
  options.architecture = "gemma3";
  expect_refused(options, GetParam());
}
INSTANTIATE_TEST_SUITE_P(Gemma3, MalformedGemma, ::testing::ValuesIn(kGemma), malformed_name);

const Malformed kQwen2[] = {
    {"bias_missing", [](GgufFile& f) { f.remove_tensor("blk.1.attn_v.bias"); }, "tensor blk.1.attn_v.bias"},
    {"bias_size", [](GgufFile& f) { f.tensor("blk.0.attn_k.bias").dims = {16}; }, "blk.0.attn_k.bias dims"},
    {"q_norm_has_no_use", [](GgufFile& f) { add_extra(f, "blk.0.attn_q_norm.weight"); },
     "not part of a qwen2 model", kUnsupported},
};

class MalformedQwen2 : public ::testing::TestWithParam<Malformed> {};
TEST_P(MalformedQwen2, IsRefused) {
  TinyModelOptions options;
  options.architecture = "qwen2";
  expect_refused(options, GetParam());
}
INSTANTIATE_TEST_SUITE_P(Qwen2, MalformedQwen2, ::testing::ValuesIn(kQwen2), malformed_name);

}  // namespace
}  // namespace leoam::testing
