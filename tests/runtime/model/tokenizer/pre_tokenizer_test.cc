#include "runtime/model/tokenizer/pre_tokenizer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "runtime/model/tokenizer/unicode.h"

namespace leoam {
namespace {

using Words = std::vector<std::string>;

Words words(PreTokenizer kind, std::string_view text) {
  Words found;
  for (WordScanner scanner(kind, text); !scanner.done();) found.emplace_back(scanner.next());
  return found;
}

TEST(PreTokenizerTest, Gpt2) {
  const auto cut = [](std::string_view text) { return words(PreTokenizer::gpt_2, text); };
  EXPECT_EQ(cut(""), Words());
  EXPECT_EQ(cut("Hello, world's 42!"), (Words{"Hello", ",", " world", "'s", " 42", "!"}));
  EXPECT_EQ(cut("a   b"), (Words{"a", "  ", " b"}));
  EXPECT_EQ(cut("a \n b  "), (Words{"a", " \n", " b", "  "}));
  EXPECT_EQ(cut("\n\nx"), (Words{"\n", "\n", "x"}));
  EXPECT_EQ(cut("I'LL 'sure 'll"), (Words{"I", "'", "LL", " '", "sure", " '", "ll"}));
  EXPECT_EQ(cut("'sure'll"), (Words{"'s", "ure", "'ll"}));
  EXPECT_EQ(cut("\xFF\xFE z\xC3"), (Words{"\xFF\xFE", " z", "\xC3"}));
}

TEST(PreTokenizerTest, Smollm) {
  EXPECT_EQ(words(PreTokenizer::smollm, "in 1859, x2"),
            (Words{"in", " ", "1", "8", "5", "9", ",", " x", "2"}));
  EXPECT_EQ(words(PreTokenizer::smollm, "a  1"), (Words{"a", "  ", "1"}));
  EXPECT_EQ(words(PreTokenizer::smollm, "\xC2\xBD\xC2\xB2"), (Words{"\xC2\xBD", "\xC2\xB2"}));
}

TEST(PreTokenizerTest, LlamaAndQwen) {
  EXPECT_EQ(words(PreTokenizer::llama_bpe, "1234567 x"), (Words{"123", "456", "7", " x"}));
  EXPECT_EQ(words(PreTokenizer::qwen2, "12 x"), (Words{"1", "2", " x"}));
  for (const PreTokenizer kind : {PreTokenizer::llama_bpe, PreTokenizer::qwen2}) {
    EXPECT_EQ(words(kind, "We'LL'Ve(x)"), (Words{"We", "'LL", "'Ve", "(x", ")"}));
    EXPECT_EQ(words(kind, "a.\n\n b\t\tc"), (Words{"a", ".\n\n", " b", "\t", "\tc"}));
    EXPECT_EQ(words(kind, "a  \r\n \n  b  "), (Words{"a", "  \r\n \n", " ", " b", "  "}));
    EXPECT_EQ(words(kind, " !x  ?"), (Words{" !", "x", " ", " ?"}));
  }
}

TEST(PreTokenizerTest, Standard) {
  const auto cut = [](std::string_view text) { return words(PreTokenizer::standard, text); };
  EXPECT_EQ(cut("a, b's"), (Words{"a", ",", " b", "'", "s"}));
  EXPECT_EQ(cut("x 1234567"), (Words{"x", " ", "123", "456", "7"}));
  EXPECT_EQ(cut("12\xD9\xA3"
                "45678"),
            (Words{"12\xD9\xA3", "456", "78"}));
  EXPECT_EQ(cut("a  +=b"), (Words{"a", "  ", "+=", "b"}));
}

TEST(PreTokenizerTest, NamesAndAliases) {
  EXPECT_EQ(find_pre_tokenizer("llama3"), PreTokenizer::llama_bpe);
  EXPECT_EQ(find_pre_tokenizer("deepseek-r1-qwen"), PreTokenizer::qwen2);
  EXPECT_EQ(find_pre_tokenizer(""), PreTokenizer::standard);
  EXPECT_FALSE(find_pre_tokenizer("tekken"));
}

TEST(CharClassTest, AsciiTableAgreesWithTheCategories) {
  EXPECT_EQ(char_class('a'), CharClass::letter);
  EXPECT_EQ(char_class('7'), CharClass::number);
  EXPECT_EQ(char_class('\v'), CharClass::space);
  for (const char c : std::string_view("!\"#%&'()*,-./:;?@[\\]_{}")) {
    EXPECT_EQ(char_class(static_cast<uint32_t>(c)), CharClass::punctuation) << c;
  }
  for (const char c : std::string_view("$+<=>^`|~\x01\x1C\x7F")) {
    EXPECT_EQ(char_class(static_cast<uint32_t>(c)), CharClass::other) << c;
  }
  EXPECT_EQ(char_class(0x85), CharClass::space);
  EXPECT_EQ(char_class(0x200B), CharClass::other);
  EXPECT_EQ(char_class(0x3007), CharClass::number);
  EXPECT_EQ(char_class(0x0378), CharClass::other);
  EXPECT_EQ(char_class(kInvalidCodePoint), CharClass::other);
}

}  // namespace
}  // namespace leoam
