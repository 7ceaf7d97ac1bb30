// Vocabularies of a few tokens beside the 256 bytes.
#pragma once

#include <string>

#include "runtime/model/tokenizer/byte_alphabet.h"
#include "runtime/model/tokenizer/tokenizer.h"

namespace leoam::testing {

class TinyVocabulary {
 public:
  // Ids 0 to 255 are the bytes.
  static TinyVocabulary byte_level() {
    TinyVocabulary made;
    made.data_.model = "gpt2";
    for (int byte = 0; byte < 256; ++byte) {
      const char raw = static_cast<char>(byte);
      std::string spelling;
      append_spelling({&raw, 1}, &spelling);
      made.token(spelling);
    }
    return made;
  }

  // <unk>, <s>, </s>, then the bytes from id 3.
  static TinyVocabulary sentence_piece() {
    TinyVocabulary made;
    made.data_.model = "llama";
    made.score("<unk>", 0, TokenType::unknown);
    made.score("<s>", 0, TokenType::control);
    made.score("</s>", 0, TokenType::control);
    for (int byte = 0; byte < 256; ++byte) made.score(fmt::format("<0x{:02X}>", byte), 0, TokenType::byte);
    return made;
  }

  TinyVocabulary& token(const std::string& spelling, TokenType type = TokenType::normal) {
    data_.tokens.push_back(spelling);
    data_.types.push_back(static_cast<int32_t>(type));
    return *this;
  }
  TinyVocabulary& score(const std::string& spelling, float score, TokenType type = TokenType::normal) {
    data_.scores.push_back(score);
    return token(spelling, type);
  }
  // The joined token is added unless it is there.
  TinyVocabulary& merge(const std::string& left, const std::string& right) {
    data_.merges.push_back(left + " " + right);
    for (const std::string& token : data_.tokens) {
      if (token == left + right) return *this;
    }
    return token(left + right);
  }

  TokenizerData build(const std::string& pre = "gpt-2") const {
    TokenizerData data = data_;
    data.pre = pre;
    return data;
  }
  TokenizerData build(int32_t add_space_prefix) const {
    TokenizerData data = data_;
    data.add_space_prefix = add_space_prefix;
    return data;
  }

 private:
  TokenizerData data_;
};

}  // namespace leoam::testing
