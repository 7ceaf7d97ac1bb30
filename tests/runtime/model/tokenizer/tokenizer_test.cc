// Rules of the formats, on vocabularies small enough to read.
#include "runtime/model/tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include "tests/runtime/model/tokenizer/tiny_vocabulary.h"
#include "tests/runtime/model/tokenizer/tokenizer_goldens.h"

namespace leoam {
namespace {

using testing::create_or_fail;
using testing::TinyVocabulary;
using Pieces = std::vector<std::string>;

Pieces pieces(const Tokenizer& tokenizer, std::string_view text, TokenizeOptions options = {}) {
  Pieces found;
  const auto ids = tokenizer.tokenize(text, options);
  EXPECT_TRUE(ids.ok());
  for (const int32_t id : *ids) found.push_back(tokenizer.piece(id));
  return found;
}

TEST(ByteLevelTest, MergesByRankFromLeftToRight) {
  const auto tokenizer = create_or_fail(
      TinyVocabulary::byte_level().merge("b", "c").merge("a", "b").merge("a", "a").merge("aa", "a").build());
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(pieces(*tokenizer, "abc"), (Pieces{"a", "bc"}));
  EXPECT_EQ(pieces(*tokenizer, "aaaaa"), (Pieces{"aa", "aaa"}));
  EXPECT_EQ(pieces(*tokenizer, "ab b"), (Pieces{"ab", "\xC4\xA0", "b"}));
}

TEST(ByteLevelTest, WholeWordsAreTakenByLlamaBpeOnly) {
  auto vocabulary = TinyVocabulary::byte_level().token("\xC4\xA0word").token("stop", TokenType::control);
  const auto llama = create_or_fail(vocabulary.build("llama-bpe"));
  const auto gpt_2 = create_or_fail(vocabulary.build("gpt-2"));
  ASSERT_TRUE(llama && gpt_2);
  EXPECT_EQ(pieces(*llama, "a word"), (Pieces{"a", "\xC4\xA0word"}));
  EXPECT_EQ(pieces(*gpt_2, " word"), (Pieces{"\xC4\xA0", "w", "o", "r", "d"}));
  EXPECT_EQ(pieces(*llama, "stop"), (Pieces{"s", "t", "o", "p"}));
}

TEST(SpecialTokenTest, ControlOnlyWhenAskedUserDefinedAlways) {
  const auto tokenizer = create_or_fail(TinyVocabulary::byte_level()
                                            .token("<c>", TokenType::control)
                                            .token("<u>", TokenType::user_defined)
                                            .build());
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(pieces(*tokenizer, "<c><u>"), (Pieces{"<", "c", ">", "<u>"}));
  EXPECT_EQ(pieces(*tokenizer, "<c><u>", {.parse_special = true}), (Pieces{"<c>", "<u>"}));
  const auto ids = tokenizer->tokenize("a<c>b<u>", {.parse_special = true});
  EXPECT_EQ(tokenizer->decode(*ids, false), "ab<u>");
  EXPECT_EQ(tokenizer->decode(*ids, true), "a<c>b<u>");
}

TEST(SpecialTokenTest, LeftmostThenLongest) {
  const auto tokenizer = create_or_fail(TinyVocabulary::byte_level()
                                            .token("ab", TokenType::user_defined)
                                            .token("abcd", TokenType::user_defined)
                                            .token("bcdefg", TokenType::user_defined)
                                            .token("abcdx", TokenType::control)
                                            .build());
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(pieces(*tokenizer, "abc"), (Pieces{"ab", "c"}));
  EXPECT_EQ(pieces(*tokenizer, "abcdx"), (Pieces{"abcd", "x"}));
  EXPECT_EQ(pieces(*tokenizer, "abcdx", {.parse_special = true}), (Pieces{"abcdx"}));
  EXPECT_EQ(pieces(*tokenizer, "abcdefg"), (Pieces{"abcd", "e", "f", "g"}));
}

TEST(SpecialTokenTest, ASpeltTokenNeverComesOutOfMerges) {
  const auto pieces_tokenizer = create_or_fail(TinyVocabulary::sentence_piece().score("<s", -1).build(0));
  ASSERT_TRUE(pieces_tokenizer);
  EXPECT_EQ(pieces(*pieces_tokenizer, "<s>"), (Pieces{"<s", "<0x3E>"}));
  const auto bytes_tokenizer = create_or_fail(TinyVocabulary::byte_level()
                                                  .token("stop", TokenType::control)
                                                  .merge("s", "t")
                                                  .merge("o", "p")
                                                  .merge("st", "op")
                                                  .build());
  ASSERT_TRUE(bytes_tokenizer);
  EXPECT_EQ(pieces(*bytes_tokenizer, "stop"), (Pieces{"st", "op"}));
}

TEST(SpecialTokenTest, EndsOfGeneration) {
  TokenizerData data = TinyVocabulary::byte_level()
                           .token("<eos>", TokenType::control)
                           .token("<eot>", TokenType::control)
                           .token("<|im_end|>")
                           .token("</s>", TokenType::user_defined)
                           .build();
  const int32_t eos = static_cast<int32_t>(data.tokens.size()) - 4;
  data.eos = eos;
  data.eot = eos + 1;
  const auto tokenizer = create_or_fail(std::move(data));
  ASSERT_TRUE(tokenizer);
  EXPECT_TRUE(tokenizer->ends_generation(eos));
  EXPECT_TRUE(tokenizer->ends_generation(eos + 1));
  EXPECT_TRUE(tokenizer->ends_generation(eos + 2));
  EXPECT_FALSE(tokenizer->ends_generation(eos + 3));
  EXPECT_EQ(tokenizer->type(eos + 2), TokenType::control);
  EXPECT_EQ(pieces(*tokenizer, "<|im_end|>").size(), 10u);
}

TEST(BosTest, FollowsTheFileThenTheFamily) {
  TokenizerData data = TinyVocabulary::byte_level().token("<bos>", TokenType::control).build("gpt-2");
  const int32_t bos = static_cast<int32_t>(data.tokens.size()) - 1;
  data.bos = bos;
  const auto first = [&](const char* pre, int32_t add_bos) {
    TokenizerData changed = data;
    changed.pre = pre;
    changed.add_bos = add_bos;
    return create_or_fail(std::move(changed))->tokenize("a", {.add_bos = true})->front();
  };
  EXPECT_NE(first("gpt-2", -1), bos);
  EXPECT_EQ(first("gpt-2", 1), bos);
  EXPECT_EQ(first("llama-bpe", -1), bos);
  EXPECT_NE(first("llama-bpe", 0), bos);

  const auto pieces_tokenizer = create_or_fail(TinyVocabulary::sentence_piece().build());
  EXPECT_TRUE(pieces_tokenizer->add_bos_by_default());
  EXPECT_EQ(pieces_tokenizer->bos(), 1);
  EXPECT_EQ(pieces_tokenizer->eos(), 2);
  EXPECT_EQ(pieces(*pieces_tokenizer, "", {.add_bos = true}), (Pieces{"<s>"}));
  EXPECT_EQ(pieces(*pieces_tokenizer, ""), Pieces());
}

TEST(SentencePieceTest, MergesByScoreThenFromLeftToRight) {
  const auto tokenizer = create_or_fail(TinyVocabulary::sentence_piece()
                                            .score("a", -9)
                                            .score("b", -9)
                                            .score("ab", -2)
                                            .score("ba", -1)
                                            .score("aa", -3)
                                            .build(0));
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(pieces(*tokenizer, "aba"), (Pieces{"a", "ba"}));
  EXPECT_EQ(pieces(*tokenizer, "aaa"), (Pieces{"aa", "a"}));
  EXPECT_EQ(pieces(*tokenizer, "\xC3\xA9"), (Pieces{"<0xC3>", "<0xA9>"}));
}

TEST(SentencePieceTest, BlankInFrontAndAfterRecognisedTokens) {
  auto vocabulary = TinyVocabulary::sentence_piece()
                        .score("\xE2\x96\x81", -5)
                        .score("x", -6)
                        .score("\xE2\x96\x81x", -1)
                        .score("<u>", 0, TokenType::user_defined);
  const auto tokenizer = create_or_fail(vocabulary.build());
  ASSERT_TRUE(tokenizer);
  EXPECT_TRUE(tokenizer->strips_leading_space());
  const std::string blank_x = "\xE2\x96\x81x";
  EXPECT_EQ(pieces(*tokenizer, "x<u>x x"), (Pieces{blank_x, "<u>", blank_x, blank_x}));
  EXPECT_EQ(pieces(*tokenizer, " x"), (Pieces{"\xE2\x96\x81", blank_x}));
  for (const char* text : {"x<u>x x", " x", "<u> x<u>", "  ", "x  x", "<u><u>x"}) {
    EXPECT_EQ(tokenizer->decode(*tokenizer->tokenize(text, {}), false), text);
  }
  EXPECT_EQ(tokenizer->decode(*tokenizer->tokenize("<s>x", {.parse_special = true}), true), "<s>x");

  const auto bare = create_or_fail(vocabulary.build(0));
  EXPECT_FALSE(bare->strips_leading_space());
  EXPECT_EQ(pieces(*bare, "x x"), (Pieces{"x", blank_x}));
}

TEST(SentencePieceTest, TokensAcrossBlanksAreFound) {
  const std::string blank = "\xE2\x96\x81";
  const auto tokenizer = create_or_fail(TinyVocabulary::sentence_piece()
                                            .score(blank, -9)
                                            .score("a", -9)
                                            .score("a" + blank, -2)
                                            .score("a" + blank + "a", -1)
                                            .build(0));
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(pieces(*tokenizer, "a a"), (Pieces{"a" + blank + "a"}));
}

TEST(SentencePieceTest, UnknownWithoutByteFallback) {
  TokenizerData data;
  data.model = "llama";
  data.tokens = {"<unk>", "a"};
  data.types = {2, 1};
  data.scores = {0, -1};
  data.add_space_prefix = 0;
  const auto tokenizer = create_or_fail(std::move(data));
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(*tokenizer->tokenize("ab\xC3\xA9", {}), (std::vector<int32_t>{1, 0, 0}));
}

TEST(TokenizerTest, ASetFlagCancelsItsMaking) {
  CancelFlag cancel;
  for (const auto& vocabulary : {TinyVocabulary::byte_level(), TinyVocabulary::sentence_piece()}) {
    cancel.reset();
    EXPECT_TRUE(Tokenizer::create(vocabulary.build(), &cancel).ok());
    cancel.cancel();
    EXPECT_EQ(Tokenizer::create(vocabulary.build(), &cancel).status().kind(), ErrorKind::cancelled);
  }
}

TEST(TokenizerTest, IdsOutsideTheVocabularyGiveNothing) {
  const auto tokenizer = create_or_fail(TinyVocabulary::byte_level().build());
  ASSERT_TRUE(tokenizer);
  for (const int32_t id : {-1, 256, INT32_MAX, INT32_MIN}) {
    EXPECT_EQ(tokenizer->token_bytes(id, true), "");
    EXPECT_EQ(tokenizer->piece(id), "");
    EXPECT_EQ(tokenizer->type(id), TokenType::unknown);
    EXPECT_FALSE(tokenizer->ends_generation(id));
  }
  EXPECT_EQ(tokenizer->decode({-1, 300}, true), "");
  EXPECT_EQ(tokenizer->find("nothing"), -1);
  EXPECT_EQ(tokenizer->piece(tokenizer->find("a")), "a");
}

}  // namespace
}  // namespace leoam
