// The two real models: their headers, and that they load whole within the memory promised.
#include <gtest/gtest.h>

#include "kernels/cpu_table.h"
#include "runtime/device/cpu/cpu_device.h"
#include "runtime/model/model.h"
#include "tests/support/process_memory.h"
#include "tests/support/real_models.h"

namespace leoam::testing {
namespace {

void expect_loads(const std::string& path, uint64_t n_vocab) {
  const auto pool = ThreadPool::create(2).value();
  const auto device = create_cpu_device(*pool, kernels::cpu_table(kernels::best_cpu_level()));
  const PeakMemory memory;
  const auto model = Model::load(path, {}, *device, *pool, nullptr, nullptr);
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ((*model)->embedding().packed.n_rows, n_vocab);
  EXPECT_EQ(&(*model)->head(), &(*model)->embedding());
  ASSERT_NE((*model)->tokenizer(), nullptr);
  EXPECT_EQ((*model)->tokenizer()->n_vocab(), n_vocab);
  EXPECT_LT(memory.extra_bytes(), static_cast<int64_t>((*model)->device_bytes()) + (200 << 20));
}

TEST(RealModel, SmolLm2) {
  LEOAM_REAL_MODEL_OR_SKIP(path, kSmolLm2);
  const auto header = Model::read_header(path, {});
  ASSERT_TRUE(header.ok()) << header.status().message();
  const ModelConfig& config = header->config;
  EXPECT_STREQ(config.architecture->name, "llama");
  EXPECT_EQ(config.n_layers, 30u);
  EXPECT_EQ(config.n_embd, 576u);
  EXPECT_EQ(config.n_heads, 9u);
  EXPECT_EQ(config.n_kv_heads, 3u);
  EXPECT_EQ(config.head_dim, 64u);
  EXPECT_EQ(config.n_ff, 1536u);
  EXPECT_EQ(config.context_tokens, 8192u);
  EXPECT_EQ(config.rope.base, 100000.0f);
  EXPECT_EQ(header->file_bytes, 98362432u);
  EXPECT_EQ(header->n_parameters, 134515008u);
  EXPECT_EQ(header->quantization, "q4_1");
  EXPECT_EQ(header->pre_tokenizer, "smollm");
  EXPECT_TRUE(header->has_chat_template);
  EXPECT_EQ(header->trailing_bytes, 0u);
  expect_loads(path, 49152);
}

TEST(RealModel, Gemma3) {
  LEOAM_REAL_MODEL_OR_SKIP(path, kGemma3);
  const auto header = Model::read_header(path, {});
  ASSERT_TRUE(header.ok()) << header.status().message();
  const ModelConfig& config = header->config;
  EXPECT_STREQ(config.architecture->name, "gemma3");
  EXPECT_EQ(config.n_layers, 18u);
  EXPECT_EQ(config.n_embd, 640u);
  EXPECT_EQ(config.n_heads, 4u);
  EXPECT_EQ(config.n_kv_heads, 1u);
  EXPECT_EQ(config.head_dim, 256u);
  EXPECT_EQ(config.sliding_window_tokens, 512u);
  EXPECT_TRUE(config.is_sliding(0));
  EXPECT_FALSE(config.is_sliding(5));
  EXPECT_EQ(config.rope.base, 1e6f);
  EXPECT_EQ(config.local_rope.base, 1e4f);
  EXPECT_FLOAT_EQ(config.attention_scale, 0.0625f);
  EXPECT_EQ(header->tokenizer_model, "llama");
  EXPECT_FALSE(header->has_chat_template);
  expect_loads(path, 262144);
}

}  // namespace
}  // namespace leoam::testing
