// Model files whose tokenizer keys contradict the model, each other or themselves.
#include "tests/runtime/model/malformed.h"

namespace leoam::testing {
namespace {

constexpr ErrorKind kUnsupported = ErrorKind::unsupported;
constexpr const char* kTokens = "tokenizer.ggml.tokens";
constexpr const char* kScores = "tokenizer.ggml.scores";
constexpr const char* kTypes = "tokenizer.ggml.token_type";
constexpr const char* kMerges = "tokenizer.ggml.merges";

std::vector<std::string> tokens_of(GgufFile& file) {
  const std::vector<uint8_t>& payload = file.key(kTokens).payload;
  uint64_t count = 0;
  std::memcpy(&count, payload.data() + 4, sizeof(count));
  GgufStrings strings(payload.data() + 12, count);
  std::vector<std::string> out;
  while (strings.left() > 0) out.emplace_back(strings.next());
  return out;
}

void set_token(GgufFile& file, size_t index, const std::string& text) {
  std::vector<std::string> tokens = tokens_of(file);
  tokens.at(index) = text;
  file.set_strings(kTokens, tokens);
}

// Index of byte token 0x41 in the sentencepiece vocabulary.
constexpr size_t kByteToken = 3 + 0x41;

const Malformed kBoth[] = {
    {"model_number", [](GgufFile& f) { f.set("tokenizer.ggml.model", uint32_t{1}); }, "tokenizer.ggml.model"},
    {"model_array", [](GgufFile& f) { f.set_strings("tokenizer.ggml.model", {"gpt2"}); },
     "tokenizer.ggml.model"},
    {"model_unknown", [](GgufFile& f) { f.set("tokenizer.ggml.model", "t5"); }, "tokenizer.ggml.model",
     kUnsupported},
    {"tokens_missing", [](GgufFile& f) { f.remove_key(kTokens); }, "tokenizer.ggml.tokens: required"},
    {"tokens_of_integers",
     [](GgufFile& f) {
       f.set_array<uint32_t>(kTokens, {1, 2, 3});
     },
     "array of strings"},
    {"tokens_string", [](GgufFile& f) { f.set(kTokens, "a"); }, "array of strings, found string"},
    {"tokens_none", [](GgufFile& f) { f.set_strings(kTokens, std::vector<std::string>()); }, "found 0"},
    {"tokens_one_less",
     [](GgufFile& f) {
       std::vector<std::string> tokens = tokens_of(f);
       tokens.pop_back();
       f.set_strings(kTokens, tokens);
     },
     "320 tokens (the rows of token_embd.weight), found 319"},
    {"tokens_one_more",
     [](GgufFile& f) {
       std::vector<std::string> tokens = tokens_of(f);
       tokens.push_back("one more");
       f.set_strings(kTokens, tokens);
     },
     "found 321"},
    {"token_empty", [](GgufFile& f) { set_token(f, 300, ""); }, "tokenizer.ggml.tokens[300]"},
    {"token_twice", [](GgufFile& f) { set_token(f, 300, tokens_of(f)[299]); }, "tokenizer.ggml.tokens[300]"},
    {"token_not_utf8", [](GgufFile& f) { set_token(f, 300, "\xFF\xFE"); }, "tokenizer.ggml.tokens[300]"},
    {"token_of_65_kib", [](GgufFile& f) { set_token(f, 300, std::string(65u << 10, 'x')); },
     "tokenizer.ggml.tokens[300]"},
    {"types_one_less", [](GgufFile& f) { f.set_array(kTypes, std::vector<int32_t>(319, 1)); }, kTypes},
    {"types_one_more", [](GgufFile& f) { f.set_array(kTypes, std::vector<int32_t>(321, 1)); }, kTypes},
    {"types_of_floats", [](GgufFile& f) { f.set_array(kTypes, std::vector<float>(320, 1)); },
     "array of integers"},
    {"types_0", [](GgufFile& f) { f.set_array(kTypes, std::vector<int32_t>(320, 0)); }, "token_type[0]"},
    {"types_7", [](GgufFile& f) { f.set_array(kTypes, std::vector<int32_t>(320, 7)); }, "token_type[0]"},
    {"types_2_40", [](GgufFile& f) { f.set_array(kTypes, std::vector<int64_t>(320, 1ll << 40)); },
     "token_type[0]"},
    {"bos_beyond_vocabulary", [](GgufFile& f) { f.set("tokenizer.ggml.bos_token_id", uint32_t{320}); },
     "bos_token_id"},
    {"eos_negative", [](GgufFile& f) { f.set("tokenizer.ggml.eos_token_id", int32_t{-1}); }, "eos_token_id"},
    {"eot_2_32_minus_1", [](GgufFile& f) { f.set("tokenizer.ggml.eot_token_id", UINT32_MAX); },
     "eot_token_id"},
    {"padding_2_63", [](GgufFile& f) { f.set("tokenizer.ggml.padding_token_id", 1ull << 63); },
     "padding_token_id"},
    {"unknown_string", [](GgufFile& f) { f.set("tokenizer.ggml.unknown_token_id", "0"); },
     "unknown_token_id"},
    {"add_bos_integer", [](GgufFile& f) { f.set("tokenizer.ggml.add_bos_token", uint32_t{1}); },
     "add_bos_token"},
    {"add_eos_string", [](GgufFile& f) { f.set("tokenizer.ggml.add_eos_token", "true"); }, "add_eos_token"},
    {"add_space_prefix_float", [](GgufFile& f) { f.set("tokenizer.ggml.add_space_prefix", 1.0f); },
     "add_space_prefix"},
    {"pre_number", [](GgufFile& f) { f.set("tokenizer.ggml.pre", uint32_t{1}); }, "tokenizer.ggml.pre"},
    {"chat_template_array", [](GgufFile& f) { f.set_strings("tokenizer.chat_template", {"x"}); },
     "tokenizer.chat_template"},
};

const Malformed kSentencePiece[] = {
    {"scores_missing", [](GgufFile& f) { f.remove_key(kScores); }, kScores},
    {"scores_one_less", [](GgufFile& f) { f.set_array(kScores, std::vector<float>(319, 0.0f)); }, kScores},
    {"scores_one_more", [](GgufFile& f) { f.set_array(kScores, std::vector<float>(321, 0.0f)); }, kScores},
    {"scores_of_integers", [](GgufFile& f) { f.set_array(kScores, std::vector<int32_t>(320, 0)); },
     "array of floats"},
    {"scores_nan", [](GgufFile& f) { f.set_array(kScores, std::vector<float>(320, __builtin_nanf(""))); },
     kScores},
    {"byte_token_minus_1", [](GgufFile& f) { set_token(f, kByteToken, "<0x-1>"); },
     "tokenizer.ggml.tokens[68]"},
    {"byte_token_no_hex", [](GgufFile& f) { set_token(f, kByteToken, "<0xZZ>"); },
     "tokenizer.ggml.tokens[68]"},
    {"byte_token_one_digit", [](GgufFile& f) { set_token(f, kByteToken, "<0x4>"); },
     "tokenizer.ggml.tokens[68]"},
    {"byte_token_three_digits", [](GgufFile& f) { set_token(f, kByteToken, "<0x141>"); },
     "tokenizer.ggml.tokens[68]"},
};

const Malformed kByteLevel[] = {
    {"pre_unknown", [](GgufFile& f) { f.set("tokenizer.ggml.pre", "quantum"); }, "quantum", kUnsupported},
    {"merges_missing", [](GgufFile& f) { f.remove_key(kMerges); }, kMerges},
    {"merges_of_integers", [](GgufFile& f) { f.set_array<uint32_t>(kMerges, {1}); }, "array of strings"},
    {"merge_without_blank", [](GgufFile& f) { f.set_strings(kMerges, {"he"}); }, "merges[0]"},
    {"merge_empty", [](GgufFile& f) { f.set_strings(kMerges, {""}); }, "merges[0]"},
    {"merge_of_unknown_parts", [](GgufFile& f) { f.set_strings(kMerges, {"zz yy"}); }, "merges[0]"},
    {"merge_of_unknown_result", [](GgufFile& f) { f.set_strings(kMerges, {"z y"}); }, "merges[0]"},
    {"merges_above_limit",
     [](GgufFile& f) { f.set_strings(kMerges, std::vector<std::string>((1u << 20) + 1, "h e")); },
     "tokenizer.ggml.merges count"},
};

class MalformedTokenizer : public ::testing::TestWithParam<Malformed> {
 protected:
  void expect(TinyTokenizer kind) const {
    TinyModelOptions options;
    options.tokenizer = kind;
    expect_refused(options, GetParam());
  }
};
class MalformedSentencePiece : public MalformedTokenizer {};
class MalformedByteLevel : public MalformedTokenizer {};

TEST_P(MalformedTokenizer, IsRefusedBySentencePiece) {
  expect(TinyTokenizer::sentencepiece);
}
TEST_P(MalformedTokenizer, IsRefusedByByteLevel) {
  expect(TinyTokenizer::byte_level);
}
TEST_P(MalformedSentencePiece, IsRefused) {
  expect(TinyTokenizer::sentencepiece);
}
TEST_P(MalformedByteLevel, IsRefused) {
  expect(TinyTokenizer::byte_level);
}

INSTANTIATE_TEST_SUITE_P(Keys, MalformedTokenizer, ::testing::ValuesIn(kBoth), malformed_name);
INSTANTIATE_TEST_SUITE_P(Keys, MalformedSentencePiece, ::testing::ValuesIn(kSentencePiece), malformed_name);
INSTANTIATE_TEST_SUITE_P(Keys, MalformedByteLevel, ::testing::ValuesIn(kByteLevel), malformed_name);

}  // namespace
}  // namespace leoam::testing
