#include "runtime/engine/stop_text.h"

#include <gtest/gtest.h>

#include <random>

namespace leoam {
namespace {

StopText make(std::vector<std::string> stops) {
  Result<StopText> stop_text = StopText::create(std::move(stops));
  EXPECT_TRUE(stop_text.ok()) << stop_text.status().message();
  return std::move(stop_text).value();
}

TEST(StopText, ShowsTextBeforeTheStopAndNothingBehind) {
  StopText stops = make({"END"});
  std::string out;
  EXPECT_FALSE(stops.push("a E", &out));
  EXPECT_EQ(out, "a ");
  EXPECT_FALSE(stops.push("N", &out));
  EXPECT_EQ(out, "a ");
  EXPECT_TRUE(stops.push("D more", &out));
  EXPECT_EQ(out, "a ");
}

TEST(StopText, APartialMatchThatFailsIsShown) {
  StopText stops = make({"END"});
  std::string out;
  EXPECT_FALSE(stops.push("EN", &out));
  EXPECT_FALSE(stops.push("ENE", &out));
  EXPECT_EQ(out, "ENEN");
  stops.finish(&out);
  EXPECT_EQ(out, "ENENE");
}

TEST(StopText, TheEarliestOfSeveralWins) {
  StopText stops = make({"later", "xx"});
  std::string out;
  EXPECT_TRUE(stops.push("abxxlater", &out));
  EXPECT_EQ(out, "ab");
}

TEST(StopText, WithoutStopsEverythingPasses) {
  StopText stops = make({});
  std::string out;
  EXPECT_FALSE(stops.push("text", &out));
  EXPECT_EQ(out, "text");
}

TEST(StopText, RefusesStringsThatCannotWork) {
  EXPECT_EQ(StopText::create({""}).status().kind(), ErrorKind::invalid_argument);
  EXPECT_EQ(StopText::create({std::string(257, 'a')}).status().kind(), ErrorKind::invalid_argument);
  EXPECT_EQ(StopText::create({"\x80"}).status().kind(), ErrorKind::invalid_argument);
  EXPECT_EQ(StopText::create(std::vector<std::string>(65, "a")).status().kind(), ErrorKind::invalid_argument);
}

TEST(StopText, AnyCutOfTheStreamShowsTheSame) {
  std::minstd_rand engine(5);
  const auto random = [&engine] { return static_cast<uint32_t>(engine()); };
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (uint32_t i = 0, n = random() % 40; i < n; ++i) text += static_cast<char>('a' + random() % 2);
    const std::vector<std::string> stops = {"abab", "bbb", "aaab"};
    size_t end = std::string::npos;
    for (const std::string& stop : stops) end = std::min(end, text.find(stop));
    StopText stop_text = make(stops);
    std::string out;
    bool found = false;
    for (size_t at = 0; at < text.size() && !found;) {
      const size_t n = 1 + random() % 5;
      found = stop_text.push(std::string_view(text).substr(at, n), &out);
      at += n;
    }
    if (!found) stop_text.finish(&out);
    EXPECT_EQ(found, end != std::string::npos) << text;
    EXPECT_EQ(out, text.substr(0, end)) << text;
  }
}

}  // namespace
}  // namespace leoam
