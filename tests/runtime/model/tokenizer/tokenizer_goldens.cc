#include "tests/runtime/model/tokenizer/tokenizer_goldens.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

namespace leoam::testing {
namespace {

using Json = nlohmann::json;

Json read_json(const std::string& name) {
  const char* source = std::getenv("LEOAM_SOURCE_DIR");
  const std::string path = std::string(source ? source : ".") + "/tests/golden/tokenizer/" + name + ".json";
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return Json::parse(file);
}

std::string licence() {
  std::ifstream file("/usr/share/common-licenses/GPL-3", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string hash_of(const std::vector<int32_t>& ids) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const int32_t id : ids) {
    for (int shift = 0; shift < 32; shift += 8) {
      hash = (hash ^ ((static_cast<uint32_t>(id) >> shift) & 0xFF)) * 0x100000001B3;
    }
  }
  return fmt::format("{:016x}", hash);
}

void expect_ids(const Tokenizer& tokenizer, const std::vector<std::string>& texts,
                const std::vector<std::vector<int32_t>>& expected, bool special) {
  ASSERT_EQ(texts.size(), expected.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto ids = tokenizer.tokenize(texts[i], {.parse_special = special});
    ASSERT_TRUE(ids.ok());
    EXPECT_EQ(*ids, expected[i]) << "text " << i << ": " << texts[i];
  }
}

}  // namespace

const std::vector<std::string>& golden_texts(bool special) {
  static const Json texts = read_json("texts");
  static const auto plain = texts["plain"].get<std::vector<std::string>>();
  static const auto specials = texts["special"].get<std::vector<std::string>>();
  return special ? specials : plain;
}

TokenizerGolden load_golden(const std::string& vocabulary, const std::string& pre) {
  static const Json all = read_json("ids");
  const Json& found = all.at(vocabulary).at(pre);
  TokenizerGolden golden;
  found["plain"].get_to(golden.plain);
  found["special"].get_to(golden.special);
  found["licence"][0].get_to(golden.licence_count);
  found["licence"][1].get_to(golden.licence_hash);
  return golden;
}

TokenizerData small_vocabulary(const std::string& name) {
  const Json json = read_json(name);
  TokenizerData data;
  json["model"].get_to(data.model);
  json["tokens"].get_to(data.tokens);
  json["types"].get_to(data.types);
  data.scores = json.value("scores", std::vector<float>());
  data.merges = json.value("merges", std::vector<std::string>());
  json["bos"].get_to(data.bos);
  json["eos"].get_to(data.eos);
  json["unknown"].get_to(data.unknown);
  data.add_space_prefix = json["add_space_prefix"].get<bool>() ? 1 : 0;
  return data;
}

void expect_golden(const Tokenizer& tokenizer, const TokenizerGolden& golden) {
  expect_ids(tokenizer, golden_texts(false), golden.plain, false);
  expect_ids(tokenizer, golden_texts(true), golden.special, true);
  for (const std::string& text : golden_texts(false)) {
    EXPECT_EQ(tokenizer.decode(*tokenizer.tokenize(text, {}), false), expected_round_trip(tokenizer, text));
  }
  const std::string text = licence();
  if (text.size() != 35149) return;  // a Debian file, the same in every release since 2007
  const auto ids = tokenizer.tokenize(text, {});
  EXPECT_EQ(ids->size(), golden.licence_count);
  EXPECT_EQ(hash_of(*ids), golden.licence_hash);
  EXPECT_EQ(tokenizer.decode(*ids, false), text);
}

std::string expected_round_trip(const Tokenizer& tokenizer, const std::string& text) {
  const std::string blank = "\xE2\x96\x81";
  const bool is_sentence_piece = tokenizer.find("<0x00>") >= 0;
  std::string expected;
  for (size_t at = 0; at < text.size(); ++at) {
    if (is_sentence_piece && text.compare(at, blank.size(), blank) == 0) {
      expected.push_back(' ');
      at += blank.size() - 1;
    } else if (is_sentence_piece || !tokenizer.tokenize(text.substr(at, 1), {})->empty()) {
      expected.push_back(text[at]);
    }
  }
  return expected;
}

std::unique_ptr<Tokenizer> create_or_fail(TokenizerData data) {
  auto created = Tokenizer::create(std::move(data));
  EXPECT_TRUE(created.ok()) << created.status().message();
  return created.ok() ? std::move(*created) : nullptr;
}

}  // namespace leoam::testing
