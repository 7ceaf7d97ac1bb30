#include <gtest/gtest.h>

#include "runtime/model/tokenizer/tokenizer.h"

namespace leoam {
namespace {

constexpr const char* kBad = "\xEF\xBF\xBD";

// Each ? is a replaced sequence.
std::string replaced(std::string_view text) {
  std::string out;
  for (const char c : text) c == '?' ? out.append(kBad) : out.append(1, c);
  return out;
}

std::string whole(std::string_view bytes, size_t step) {
  Utf8Stream stream;
  std::string out;
  for (size_t at = 0; at < bytes.size(); at += step) stream.push(bytes.substr(at, step), &out);
  stream.finish(&out);
  return out;
}

TEST(Utf8StreamTest, HoldsBackUnfinishedCodePoints) {
  Utf8Stream stream;
  std::string out;
  stream.push("a\xF0\x9F", &out);
  EXPECT_EQ(out, "a");
  stream.push("\x99", &out);
  EXPECT_EQ(out, "a");
  stream.push("\x82z", &out);
  EXPECT_EQ(out, "a\xF0\x9F\x99\x82z");
  stream.push("\xE2\x82", &out);
  stream.finish(&out);
  EXPECT_EQ(out, std::string("a\xF0\x9F\x99\x82z") + kBad);
  stream.finish(&out);
  EXPECT_EQ(out, std::string("a\xF0\x9F\x99\x82z") + kBad);
}

// The example of Unicode 15, table 3-8, and the classes of ill-formed sequences, whatever the cuts.
TEST(Utf8StreamTest, ReplacesMaximalSubparts) {
  const std::pair<std::string, std::string> cases[] = {
      {"\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64", replaced("a???b?c??d")},
      {"\xC0\xAF", replaced("??")},
      {"\xE0\x80\xBF", replaced("???")},
      {"\xED\xA0\x80", replaced("???")},
      {"\xF0\x80\x80\x41", replaced("???A")},
      {"\xF4\x90\x80\x80", replaced("????")},
      {"\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF"},
      {"\xFF\xFE", replaced("??")},
      {std::string("\0\x7F", 2), std::string("\0\x7F", 2)},
  };
  for (const auto& [bytes, expected] : cases) {
    for (size_t step = 1; step <= bytes.size(); ++step) EXPECT_EQ(whole(bytes, step), expected);
  }
}

}  // namespace
}  // namespace leoam
