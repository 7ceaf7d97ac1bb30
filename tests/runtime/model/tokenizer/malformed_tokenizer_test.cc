// What a hostile file may say of its tokenizer: each case is one change to data that is accepted.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "runtime/model/tokenizer/token_table.h"
#include "tests/runtime/model/tokenizer/tiny_vocabulary.h"
#include "tests/runtime/model/tokenizer/tokenizer_goldens.h"

namespace leoam {
namespace {

using testing::TinyVocabulary;

struct Malformed {
  const char* name;
  bool sentence_piece;
  std::function<void(TokenizerData*)> change;
  ErrorKind kind;
  const char* message;  // part of it
};

void PrintTo(const Malformed& malformed, std::ostream* out) {
  *out << malformed.name;
}

class MalformedTokenizer : public ::testing::TestWithParam<Malformed> {};

TEST_P(MalformedTokenizer, IsRefused) {
  TokenizerData data = GetParam().sentence_piece ? TinyVocabulary::sentence_piece().score("ab", -1).build(0)
                                                 : TinyVocabulary::byte_level().merge("a", "b").build();
  ASSERT_TRUE(Tokenizer::create(data).ok());
  GetParam().change(&data);
  const auto created = Tokenizer::create(std::move(data));
  ASSERT_FALSE(created.ok());
  EXPECT_EQ(created.status().kind(), GetParam().kind);
  EXPECT_NE(created.status().message().find(GetParam().message), std::string::npos)
      << created.status().message();
}

constexpr ErrorKind kCorrupt = ErrorKind::corrupt;
constexpr ErrorKind kUnsupported = ErrorKind::unsupported;
using Data = TokenizerData*;

const Malformed kMalformed[] = {
    {"model", false, [](Data d) { d->model = "bert"; }, kUnsupported, "tokenizer.ggml.model"},
    {"model_bytes", false, [](Data d) { d->model = "\xFF\x01"; }, kUnsupported, "tokenizer.ggml.model"},
    {"pre", false, [](Data d) { d->pre = "tekken"; }, kUnsupported, "tekken"},
    {"no_tokens", false, [](Data d) { d->tokens.clear(); }, kCorrupt, "tokenizer.ggml.tokens"},
    {"few_types", false, [](Data d) { d->types.pop_back(); }, kCorrupt, "token_type"},
    {"many_types", true, [](Data d) { d->types.push_back(1); }, kCorrupt, "token_type"},
    {"few_scores", true, [](Data d) { d->scores.pop_back(); }, kCorrupt, "scores"},
    {"many_scores", false, [](Data d) { d->scores.assign(999, 0); }, kCorrupt, "scores"},
    {"no_scores", true, [](Data d) { d->scores.clear(); }, kCorrupt, "scores"},
    {"nan_score", true, [](Data d) { d->scores[7] = std::nanf(""); }, kCorrupt, "scores[7]"},
    {"infinite_score", true, [](Data d) { d->scores[8] = std::numeric_limits<float>::infinity(); }, kCorrupt,
     "scores[8]"},
    {"type_zero", false, [](Data d) { d->types[3] = 0; }, kCorrupt, "token_type[3]"},
    {"type_seven", false, [](Data d) { d->types[3] = 7; }, kCorrupt, "token_type[3]"},
    {"type_negative", true, [](Data d) { d->types[3] = INT32_MIN; }, kCorrupt, "token_type[3]"},
    {"bos_past_end", false, [](Data d) { d->bos = 257; }, kCorrupt, "bos_token_id"},
    {"bos_negative", false, [](Data d) { d->bos = -2; }, kCorrupt, "bos_token_id"},
    {"eos_huge", true, [](Data d) { d->eos = INT64_MAX; }, kCorrupt, "eos_token_id"},
    {"eot_wraps", true, [](Data d) { d->eot = int64_t{1} << 32; }, kCorrupt, "eot_token_id"},
    {"unknown_past_end", true, [](Data d) { d->unknown = 0xFFFFFFFF; }, kCorrupt, "unknown_token_id"},
    {"separator_past_end", true, [](Data d) { d->separator = 1000; }, kCorrupt, "seperator_token_id"},
    {"padding_past_end", false, [](Data d) { d->padding = 1000; }, kCorrupt, "padding_token_id"},
    {"add_bos", false, [](Data d) { d->add_bos = 2; }, kCorrupt, "add_bos_token"},
    {"add_eos", false, [](Data d) { d->add_eos = -3; }, kCorrupt, "add_eos_token"},
    {"add_space_prefix", true, [](Data d) { d->add_space_prefix = 7; }, kCorrupt, "add_space_prefix"},
    {"empty_token", false, [](Data d) { d->tokens[9].clear(); }, kCorrupt, "tokens[9]"},
    {"long_token", false, [](Data d) { d->tokens[9].assign(65537, 'a'); }, kCorrupt, "tokens[9]"},
    {"doubled_token", true, [](Data d) { d->tokens.back() = "<0x41>"; }, kCorrupt, "<0x41>"},
    {"token_not_utf8", true, [](Data d) { d->tokens.back() = "a\xC3"; }, kCorrupt, "0xC3 at 1"},
    {"token_surrogate", false, [](Data d) { d->tokens.back() = "\xED\xA0\x80"; }, kCorrupt, "0xED at 0"},
    {"byte_negative", true, [](Data d) { d->tokens[5] = "<0x-1>"; }, kCorrupt, "tokens[5]"},
    {"byte_letters", true, [](Data d) { d->tokens[5] = "<0xZZ>"; }, kCorrupt, "tokens[5]"},
    {"byte_short", true, [](Data d) { d->tokens[5] = "<0x1>"; }, kCorrupt, "tokens[5]"},
    {"byte_long", true, [](Data d) { d->tokens[5] = "<0x011>"; }, kCorrupt, "tokens[5]"},
    {"byte_blank", true, [](Data d) { d->tokens[5] = "<0x 1>"; }, kCorrupt, "tokens[5]"},
    {"byte_twice", true, [](Data d) { d->tokens[3 + 0xAB] = "<0xac>"; }, kCorrupt, "<0xAC>"},
    {"byte_missing", true, [](Data d) { d->types[3 + 0x0A] = 1; }, kCorrupt, "<0x0A> is missing"},
    {"no_bytes_no_unknown", true,
     [](Data d) {
       d->tokens = {"a"};
       d->types = {1};
       d->scores = {0};
     },
     kCorrupt, "byte tokens"},
    {"long_control", false,
     [](Data d) {
       d->tokens[9].assign(1025, 'a');
       d->types[9] = 3;
     },
     kCorrupt, "tokens[9]"},
    {"much_control", false,
     [](Data d) {
       for (int i = 0; i < 2000; ++i) {
         d->tokens.push_back(std::string(1000, 'x') + std::to_string(i));
         d->types.push_back(4);
       }
     },
     kCorrupt, "in all"},
    {"merge_without_blank", false, [](Data d) { d->merges[0] = "ab"; }, kCorrupt, "merges[0]"},
    {"merge_empty", false, [](Data d) { d->merges[0].clear(); }, kCorrupt, "merges[0]"},
    {"merge_blank", false, [](Data d) { d->merges[0] = " "; }, kCorrupt, "merges[0]"},
    {"merge_one_part", false, [](Data d) { d->merges[0] = "a "; }, kCorrupt, "merges[0]"},
    {"merge_unknown_left", false, [](Data d) { d->merges[0] = "zz b"; }, kCorrupt, "left part"},
    {"merge_unknown_right", false, [](Data d) { d->merges[0] = "a zz"; }, kCorrupt, "right part"},
    {"merge_unknown_result", false, [](Data d) { d->merges[0] = "a c"; }, kCorrupt, "result"},
    {"merges_too_many", false, [](Data d) { d->merges.assign(64 * 257 + 1, "a b"); }, kCorrupt, "at most"},
};

INSTANTIATE_TEST_SUITE_P(Cases, MalformedTokenizer, ::testing::ValuesIn(kMalformed),
                         [](const auto& made) { return std::string(made.param.name); });

TEST(MalformedTokenizerTest, DoubledMergesKeepTheFirst) {
  TokenizerData data = TinyVocabulary::byte_level().merge("a", "b").merge("b", "c").merge("a", "b").build();
  const auto tokenizer = testing::create_or_fail(std::move(data));
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->tokenize("abc", {})->size(), 2u);
  EXPECT_EQ(tokenizer->piece(tokenizer->tokenize("abc", {})->front()), "ab");
}

// Tokens chosen so that all of them want one place of the hash table are refused before they cost time.
TEST(MalformedTokenizerTest, CollidingTokensAreRefused) {
  TokenizerData data = TinyVocabulary::byte_level().build();
  constexpr uint64_t kPlaces = 2048;  // of a table for 256 + 600 tokens
  for (uint32_t i = 0; data.tokens.size() < 256 + 600; ++i) {
    std::string spelling = fmt::format("x{}", i);
    if (hash_bytes(spelling) % kPlaces == 0) data.tokens.push_back(std::move(spelling));
  }
  data.types.resize(data.tokens.size(), 1);
  const auto created = Tokenizer::create(std::move(data));
  ASSERT_FALSE(created.ok());
  EXPECT_EQ(created.status().kind(), kCorrupt);
  EXPECT_NE(created.status().message().find("share a hash"), std::string::npos) << created.status().message();
}

}  // namespace
}  // namespace leoam
