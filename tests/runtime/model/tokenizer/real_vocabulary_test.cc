// The real models' vocabularies against ids that two other implementations agree on.
#include <gtest/gtest.h>

#include "runtime/io/file.h"
#include "runtime/model/model_source.h"
#include "tests/runtime/model/tokenizer/tokenizer_goldens.h"
#include "tests/support/real_models.h"

namespace leoam {
namespace {

Result<TokenizerData> read_data(const std::string& path) {
  LEOAM_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, open_for_reading(path));
  LEOAM_ASSIGN_OR_RETURN(const Gguf gguf, Gguf::read(*file));
  LEOAM_ASSIGN_OR_RETURN(const ModelConfig config, read_model_config(*file, gguf, {}));
  LEOAM_ASSIGN_OR_RETURN(std::optional<TokenizerData> data, read_tokenizer_data(gguf, config));
  if (!data) return error(ErrorKind::not_found, "{}: no tokenizer", path);
  return *std::move(data);
}

TEST(RealVocabulary, SmolLm2WithEveryPreTokenizer) {
  LEOAM_REAL_MODEL_OR_SKIP(path, testing::kSmolLm2);
  const Result<TokenizerData> data = read_data(path);
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(data->pre, "smollm");
  for (const char* pre : {"smollm", "gpt-2", "llama-bpe", "qwen2", "default"}) {
    SCOPED_TRACE(pre);
    TokenizerData changed = *data;
    changed.pre = pre;
    const auto tokenizer = testing::create_or_fail(std::move(changed));
    ASSERT_TRUE(tokenizer);
    testing::expect_golden(*tokenizer, testing::load_golden("smollm2", pre));
  }
}

TEST(RealVocabulary, SmolLm2Facts) {
  LEOAM_REAL_MODEL_OR_SKIP(path, testing::kSmolLm2);
  const auto tokenizer = testing::create_or_fail(*read_data(path));
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->n_vocab(), 49152u);
  EXPECT_EQ(tokenizer->bos(), 1);
  EXPECT_EQ(tokenizer->eos(), 2);
  EXPECT_FALSE(tokenizer->add_bos_by_default());
  EXPECT_FALSE(tokenizer->strips_leading_space());
  EXPECT_TRUE(tokenizer->ends_generation(2));
  EXPECT_TRUE(tokenizer->ends_generation(0));
  EXPECT_FALSE(tokenizer->ends_generation(1));
  EXPECT_EQ(tokenizer->tokenize("\x04\x06\x13\x14\x16\x1D", {})->size(), 0u);
}

TEST(RealVocabulary, Gemma3) {
  LEOAM_REAL_MODEL_OR_SKIP(path, testing::kGemma3);
  const auto tokenizer = testing::create_or_fail(*read_data(path));
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->n_vocab(), 262144u);
  EXPECT_TRUE(tokenizer->add_bos_by_default());
  EXPECT_FALSE(tokenizer->strips_leading_space());
  EXPECT_TRUE(tokenizer->ends_generation(1));
  EXPECT_TRUE(tokenizer->ends_generation(tokenizer->find("<end_of_turn>")));
  EXPECT_FALSE(tokenizer->ends_generation(tokenizer->find("</s>")));
  EXPECT_EQ(tokenizer->tokenize("a", {.add_bos = true})->front(), 2);
  testing::expect_golden(*tokenizer, testing::load_golden("gemma", "default"));
}

}  // namespace
}  // namespace leoam
