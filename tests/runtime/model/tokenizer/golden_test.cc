// Small vocabularies against ids that two other implementations agree on; always run.
#include <gtest/gtest.h>

#include <random>

#include "tests/runtime/model/tokenizer/tokenizer_goldens.h"

namespace leoam {
namespace {

using testing::create_or_fail;

std::unique_ptr<Tokenizer> small_tokenizer(const std::string& name, const std::string& pre) {
  TokenizerData data = testing::small_vocabulary(name);
  data.pre = pre;
  return create_or_fail(std::move(data));
}

class SmallByteLevel : public ::testing::TestWithParam<const char*> {};

TEST_P(SmallByteLevel, IdsAreThoseOfTheReferences) {
  const auto tokenizer = small_tokenizer("bpe", GetParam());
  ASSERT_TRUE(tokenizer);
  testing::expect_golden(*tokenizer, testing::load_golden("bpe", GetParam()));
}

INSTANTIATE_TEST_SUITE_P(PreTokenizers, SmallByteLevel,
                         ::testing::Values("smollm", "gpt-2", "llama-bpe", "qwen2", "default"));

TEST(SmallSentencePiece, IdsAreThoseOfTheReferences) {
  for (const char* name : {"pieces", "pieces_prefixed"}) {
    const auto tokenizer = small_tokenizer(name, "");
    ASSERT_TRUE(tokenizer);
    testing::expect_golden(*tokenizer, testing::load_golden(name, "default"));
  }
}

std::string random_bytes(std::mt19937* random) {
  std::string text((*random)() % 64, '\0');
  for (char& c : text) c = static_cast<char>((*random)());
  return text;
}

std::string random_unicode(std::mt19937* random) {
  std::string text;
  for (size_t left = (*random)() % 32; left > 0; --left) {
    const uint32_t planes[] = {0x80, 0x800, 0x3100, 0x10000, 0x20000, 0x110000};
    uint32_t point = static_cast<uint32_t>((*random)()) % planes[(*random)() % 6];
    if ((point >= 0xD800 && point < 0xE000) || point == 0x2581) point = ' ';
    if (point < 0x80) {
      text.push_back(static_cast<char>(point));
    } else if (point < 0x800) {
      text.append({static_cast<char>(0xC0 | point >> 6), static_cast<char>(0x80 | (point & 63))});
    } else if (point < 0x10000) {
      text.append({static_cast<char>(0xE0 | point >> 12), static_cast<char>(0x80 | (point >> 6 & 63)),
                   static_cast<char>(0x80 | (point & 63))});
    } else {
      text.append({static_cast<char>(0xF0 | point >> 18), static_cast<char>(0x80 | (point >> 12 & 63)),
                   static_cast<char>(0x80 | (point >> 6 & 63)), static_cast<char>(0x80 | (point & 63))});
    }
  }
  return text;
}

TEST(TokenizerProperty, DecodeGivesTheTextBack) {
  std::mt19937 random(7);
  for (const auto& [name, pre] : std::vector<std::pair<const char*, const char*>>{{"bpe", "smollm"},
                                                                                  {"bpe", "gpt-2"},
                                                                                  {"bpe", "llama-bpe"},
                                                                                  {"bpe", "qwen2"},
                                                                                  {"bpe", "default"},
                                                                                  {"pieces", ""},
                                                                                  {"pieces_prefixed", ""}}) {
    const auto tokenizer = small_tokenizer(name, pre);
    ASSERT_TRUE(tokenizer);
    for (int round = 0; round < 2000; ++round) {
      const std::string text = round % 2 == 0 ? random_bytes(&random) : random_unicode(&random);
      const auto ids = tokenizer->tokenize(text, {});
      ASSERT_TRUE(ids.ok());
      ASSERT_EQ(tokenizer->decode(*ids, false), text) << name << " " << pre << " round " << round;
      std::string streamed;
      for (const int32_t id : *ids) streamed += tokenizer->token_bytes(id, false);
      if (tokenizer->strips_leading_space() && !text.empty()) streamed.erase(0, 1);
      ASSERT_EQ(streamed, text);
    }
  }
}

// 128 KiB of one thing: a quadratic step would take minutes.
TEST(TokenizerProperty, LongRunsStayLinear) {
  for (const char* pre : {"smollm", "gpt-2", "llama-bpe", "qwen2", "default", "pieces"}) {
    const bool pieces = std::string_view(pre) == "pieces";
    const auto tokenizer = small_tokenizer(pieces ? "pieces" : "bpe", pieces ? "" : pre);
    ASSERT_TRUE(tokenizer);
    for (const char* unit :
         {"a", " ", "\n", "1", ".", "'", "\xC3\xA9", " \n", " 1", "<", "\xFF", "\t ", "1\xD9\xA3"}) {
      std::string text;
      while (text.size() < (1 << 17)) text += unit;
      const auto ids = tokenizer->tokenize(text, {});
      ASSERT_TRUE(ids.ok());
      ASSERT_EQ(tokenizer->decode(*ids, false), text) << pre << " " << unit;
    }
  }
}

TEST(TokenizerProperty, AMegabyteOfOneCharacter) {
  for (const char* name : {"bpe", "pieces"}) {
    const auto tokenizer = small_tokenizer(name, "");
    ASSERT_TRUE(tokenizer);
    const std::string text(1 << 20, 'a');
    EXPECT_EQ(tokenizer->decode(*tokenizer->tokenize(text, {}), false), text);
  }
}

}  // namespace
}  // namespace leoam
