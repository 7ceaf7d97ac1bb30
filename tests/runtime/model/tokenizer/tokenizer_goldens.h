// The goldens of tests/golden/tokenizer, and tokenizers to hold against them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/model/tokenizer/tokenizer.h"

namespace leoam::testing {

struct TokenizerGolden {
  std::vector<std::vector<int32_t>> plain;    // ids of golden_texts(false)
  std::vector<std::vector<int32_t>> special;  // ids of golden_texts(true), with parse_special
  uint64_t licence_count = 0;                 // of the GPL version 3 text
  std::string licence_hash;                   // FNV-1a over the ids
};

// special: the texts to be read with parse_special.
const std::vector<std::string>& golden_texts(bool special);
// vocabulary: smollm2, gemma, bpe, pieces, pieces_prefixed.
TokenizerGolden load_golden(const std::string& vocabulary, const std::string& pre);
// One of the small vocabularies beside the goldens: bpe, pieces, pieces_prefixed.
TokenizerData small_vocabulary(const std::string& name);

// Compares ids of all texts, and that decoding gives the texts back.
void expect_golden(const Tokenizer& tokenizer, const TokenizerGolden& golden);

// What decode(tokenize(text)) is for this tokenizer: without bytes that it has no token for, and U+2581 read
// as a blank where it is the format's blank.
std::string expected_round_trip(const Tokenizer& tokenizer, const std::string& text);

std::unique_ptr<Tokenizer> create_or_fail(TokenizerData data);

}  // namespace leoam::testing
