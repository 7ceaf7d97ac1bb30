// Hyper-parameters of good files: what each architecture makes of them, and overrides.
#include "runtime/model/model_config.h"

#include <gtest/gtest.h>

#include <cmath>

#include "runtime/model/model_source.h"
#include "tests/support/memory_file.h"
#include "tests/support/tiny_model.h"

namespace leoam::testing {
namespace {

Result<ModelConfig> config_of(const GgufFile& file, const ModelOptions& options = {}) {
  auto source = read_model_source(MemoryFile(file.bytes()), options);
  if (!source.ok()) return std::move(source).status();
  return std::move(source->header.config);
}

ModelConfig good_config(const GgufFile& file, const ModelOptions& options = {}) {
  auto config = config_of(file, options);
  EXPECT_TRUE(config.ok()) << config.status().message();
  return config.ok() ? std::move(config).value() : ModelConfig();
}

GgufFile tiny(const std::string& architecture) {
  TinyModelOptions options;
  options.architecture = architecture;
  return tiny_model(options);
}

void set_yarn(GgufFile& file) {
  file.set("llama.rope.scaling.type", "yarn");
  file.set("llama.rope.scaling.factor", 4.0f);
  file.set("llama.rope.scaling.original_context_length", uint32_t{128});
}

TEST(Architecture, FindsAllFour) {
  for (const char* name : {"llama", "qwen2", "qwen3", "gemma3"}) {
    ASSERT_NE(find_architecture(name), nullptr);
    EXPECT_STREQ(find_architecture(name)->name, name);
  }
  for (const char* name : {"", "llama4", "Llama", "qwen2moe", "gemma"})
    EXPECT_EQ(find_architecture(name), nullptr);
}

TEST(ModelConfig, Llama) {
  const ModelConfig config = good_config(tiny("llama"));
  EXPECT_EQ(config.architecture->rope_pairing, kernels::RopePairing::adjacent);
  EXPECT_EQ(config.name, "tiny");
  EXPECT_EQ(config.n_layers, 2u);
  EXPECT_EQ(config.n_embd, 64u);
  EXPECT_EQ(config.n_heads, 4u);
  EXPECT_EQ(config.n_kv_heads, 2u);
  EXPECT_EQ(config.head_dim, 16u);
  EXPECT_EQ(config.n_ff, 128u);
  EXPECT_EQ(config.n_vocab, 320u);
  EXPECT_EQ(config.context_tokens, 512u);
  EXPECT_FLOAT_EQ(config.attention_scale, 0.25f);
  EXPECT_EQ(config.embedding_scale, 1.0f);
  EXPECT_EQ(config.logit_scale, 1.0f);
  EXPECT_EQ(config.rope.scaling, RopeScaling::none);
  EXPECT_EQ(config.rope.factor, 1.0f);
  EXPECT_EQ(config.rope.n_rot, 16u);
  EXPECT_TRUE(config.rope.freq_factors.empty());
  EXPECT_FALSE(config.is_sliding(0));
}

TEST(ModelConfig, HeadsDefaultToMultiHeadAttention) {
  TinyModelOptions options;
  options.n_kv_heads = 4;
  GgufFile file = tiny_model(options);
  file.remove_key("llama.attention.head_count_kv");
  EXPECT_EQ(good_config(file).n_kv_heads, 4u);
}

TEST(ModelConfig, HeadSizeMayBeGiven) {
  TinyModelOptions options;
  options.head_dim = 32;
  options.n_embd = 96;
  EXPECT_EQ(good_config(tiny_model(options)).head_dim, 32u);
}

TEST(ModelConfig, UniformArraysAndOtherWidthsOfIntegers) {
  GgufFile file = tiny("llama");
  file.set_array<int32_t>("llama.attention.head_count", {4, 4});
  file.set_array<uint8_t>("llama.attention.head_count_kv", {2, 2});
  file.set_array<uint64_t>("llama.feed_forward_length", {128, 128});
  file.set("llama.block_count", int64_t{2});
  file.set("llama.embedding_length", uint16_t{64});
  file.set("llama.rope.freq_base", 500000.0);
  const ModelConfig config = good_config(file);
  EXPECT_EQ(config.n_heads, 4u);
  EXPECT_EQ(config.n_kv_heads, 2u);
  EXPECT_EQ(config.rope.base, 500000.0f);
}

TEST(ModelConfig, Gemma3SlidesAllButEverySixthLayer) {
  TinyModelOptions options;
  options.architecture = "gemma3";
  options.n_layers = 13;
  GgufFile file = tiny_model(options);
  file.set("gemma3.rope.freq_base", 1e6f);
  file.set("gemma3.rope.scaling.type", "linear");
  file.set("gemma3.rope.scaling.factor", 8.0f);
  const ModelConfig config = good_config(file);
  EXPECT_EQ(config.sliding_window_tokens, 64u);
  for (uint32_t layer = 0; layer < 13; ++layer)
    EXPECT_EQ(config.is_sliding(layer), layer != 5 && layer != 11);
  EXPECT_EQ(config.rope.base, 1e6f);
  EXPECT_EQ(config.rope.scaling, RopeScaling::linear);
  EXPECT_EQ(config.rope.factor, 8.0f);
  EXPECT_EQ(config.local_rope.base, 10000.0f);
  EXPECT_EQ(config.local_rope.scaling, RopeScaling::none);
  EXPECT_EQ(config.local_rope.n_rot, 16u);
  EXPECT_FLOAT_EQ(config.embedding_scale, 8.0f);
}

TEST(ModelConfig, Gemma3StatedPatternIsAccepted) {
  GgufFile file = tiny("gemma3");
  file.set("gemma3.attention.sliding_window_pattern", uint32_t{6});
  EXPECT_EQ(good_config(file).sliding_window_tokens, 64u);
  file.set_array<bool>("gemma3.attention.sliding_window_pattern", {true, true});
  EXPECT_EQ(good_config(file).sliding_window_tokens, 64u);
}

TEST(ModelConfig, Gemma3OfTheWideSizeScalesByTheEmbedding) {
  TinyModelOptions options;
  options.architecture = "gemma3";
  options.n_layers = 62;
  options.head_dim = 32;
  options.n_embd = 96;
  EXPECT_FLOAT_EQ(good_config(tiny_model(options)).attention_scale, 1.0f / std::sqrt(24.0f));
  options.n_layers = 2;
  EXPECT_FLOAT_EQ(good_config(tiny_model(options)).attention_scale, 1.0f / std::sqrt(32.0f));
}

TEST(ModelConfig, StatedScales) {
  GgufFile file = tiny("llama");
  file.set("llama.attention.scale", 0.5f);
  file.set("llama.embedding_scale", 12.0f);
  file.set("llama.logit_scale", 0.125f);
  const ModelConfig config = good_config(file);
  EXPECT_EQ(config.attention_scale, 0.5f);
  EXPECT_EQ(config.embedding_scale, 12.0f);
  EXPECT_EQ(config.logit_scale, 0.125f);
}

TEST(RopeConfig, Yarn) {
  GgufFile file = tiny("llama");
  set_yarn(file);
  file.set("llama.rope.scaling.attn_factor", 0.5f);
  file.set("llama.rope.scaling.yarn_attn_factor", 0.5f);
  file.set("llama.rope.scaling.yarn_beta_fast", 16.0f);
  file.set("llama.rope.dimension_count", uint32_t{8});
  const RopeConfig rope = good_config(file).rope;
  EXPECT_EQ(rope.scaling, RopeScaling::yarn);
  EXPECT_EQ(rope.factor, 4.0f);
  EXPECT_EQ(rope.original_context_tokens, 128u);
  EXPECT_EQ(rope.yarn_ext_factor, 1.0f);
  EXPECT_EQ(rope.yarn_attn_factor, 0.25f);
  EXPECT_EQ(rope.yarn_beta_fast, 16.0f);
  EXPECT_EQ(rope.yarn_beta_slow, 1.0f);
  EXPECT_EQ(rope.n_rot, 8u);
}

TEST(RopeConfig, FactorWithoutKindIsLinear) {
  GgufFile file = tiny("llama");
  file.set("llama.rope.scale_linear", 2.0f);
  EXPECT_EQ(good_config(file).rope.scaling, RopeScaling::linear);
  EXPECT_EQ(good_config(file).rope.factor, 2.0f);
  file.set("llama.rope.scaling.factor", 3.0f);
  EXPECT_EQ(good_config(file).rope.factor, 3.0f);
  file.set("llama.rope.scaling.type", "none");
  EXPECT_EQ(good_config(file).rope.scaling, RopeScaling::none);
  EXPECT_EQ(good_config(file).rope.factor, 1.0f);
}

TEST(RopeConfig, FrequencyFactors) {
  GgufFile file = tiny("llama");
  std::vector<uint8_t> data;
  for (int i = 1; i <= 8; ++i) append_raw(&data, static_cast<float>(i));
  file.add_tensor("rope_freqs.weight", {8}, kernels::WeightType::f32, data);
  EXPECT_EQ(good_config(file).rope.freq_factors, (std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}));
}

TEST(RopeConfig, OverridesWin) {
  GgufFile file = tiny("llama");
  set_yarn(file);
  ModelOptions options;
  options.rope_base = 20000.0f;
  options.rope_factor = 8.0f;
  options.rope_original_context_tokens = 256;
  options.context_tokens = 2048;
  ModelConfig config = good_config(file, options);
  EXPECT_EQ(config.rope.base, 20000.0f);
  EXPECT_EQ(config.rope.factor, 8.0f);
  EXPECT_EQ(config.rope.original_context_tokens, 256u);
  EXPECT_EQ(config.rope.scaling, RopeScaling::yarn);
  EXPECT_EQ(config.context_tokens, 2048u);
  options.rope_scaling = RopeScaling::linear;
  EXPECT_EQ(good_config(file, options).rope.scaling, RopeScaling::linear);
  options.rope_scaling = RopeScaling::none;
  EXPECT_EQ(good_config(file, options).rope.factor, 1.0f);
}

TEST(RopeConfig, OverridesOfAPlainModel) {
  ModelOptions options;
  options.rope_factor = 4.0f;
  EXPECT_EQ(good_config(tiny("qwen3"), options).rope.scaling, RopeScaling::linear);
  options.rope_scaling = RopeScaling::yarn;
  const RopeConfig rope = good_config(tiny("qwen3"), options).rope;
  EXPECT_EQ(rope.scaling, RopeScaling::yarn);
  // What it was trained on, when nothing else is said.
  EXPECT_EQ(rope.original_context_tokens, 512u);
}

TEST(RopeConfig, BadOverridesAreTheCallersFault) {
  const GgufFile file = tiny("llama");
  const auto kind = [&](const ModelOptions& options) { return config_of(file, options).status().kind(); };
  EXPECT_EQ(kind({.rope_factor = 0.5f}), ErrorKind::invalid_argument);
  EXPECT_EQ(kind({.rope_factor = NAN}), ErrorKind::invalid_argument);
  EXPECT_EQ(kind({.rope_base = -1.0f}), ErrorKind::invalid_argument);
  EXPECT_EQ(kind({.rope_base = INFINITY}), ErrorKind::invalid_argument);
  EXPECT_EQ(kind({.rope_original_context_tokens = 0}), ErrorKind::invalid_argument);
  EXPECT_EQ(kind({.context_tokens = 0}), ErrorKind::invalid_argument);
  EXPECT_EQ(kind({.context_tokens = UINT32_MAX}), ErrorKind::invalid_argument);
  EXPECT_EQ(kind({.rope_scaling = static_cast<RopeScaling>(7)}), ErrorKind::invalid_argument);
}

TEST(ModelHeader, DescribesTheFile) {
  TinyModelOptions options;
  options.matrix_type = kernels::WeightType::q5_1;
  options.tokenizer = TinyTokenizer::byte_level;
  options.chat_template = true;
  GgufFile file = tiny_model(options);
  file.trailing.resize(5);
  const auto source = read_model_source(MemoryFile(file.bytes()), {});
  ASSERT_TRUE(source.ok()) << source.status().message();
  const ModelHeader& header = source->header;
  EXPECT_EQ(header.file_bytes, file.bytes().size());
  EXPECT_EQ(header.trailing_bytes, 5u);
  EXPECT_EQ(header.gguf_version, 3u);
  EXPECT_EQ(header.quantization, "q5_1");
  EXPECT_EQ(header.tokenizer_model, "gpt2");
  EXPECT_EQ(header.pre_tokenizer, "gpt-2");
  EXPECT_TRUE(header.has_chat_template);
  EXPECT_EQ(header.n_tensors, file.tensors.size());
  EXPECT_EQ(header.metadata.size(), file.keys.size());
  EXPECT_EQ(header.metadata[0], (std::pair<std::string, std::string>("general.architecture", "llama")));
  const uint64_t n_layer = 2 * 64 + 64 * (64 + 32 + 32 + 64) + 3 * 64 * 128;
  EXPECT_EQ(header.n_parameters, 320u * 64 + 64 + 2 * n_layer);
}

}  // namespace
}  // namespace leoam::testing
