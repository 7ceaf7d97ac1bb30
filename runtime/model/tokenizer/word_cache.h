// Words met before in one text: natural text repeats them, and a word's tokens do not depend on its place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/model/tokenizer/token_table.h"

namespace leoam {

// Lives as long as one call of tokenize: entries point into its text and its tokens.
class WordCache {
 public:
  // Short texts are not worth the table.
  explicit WordCache(size_t text_bytes) : entries_(text_bytes < kMinTextBytes ? 0 : kEntries) {}

  // Appends what append_word(tokens) appends for an equal word.
  template <class AppendWord>
  void append(std::string_view word, std::vector<int32_t>* tokens, const AppendWord& append_word) {
    if (entries_.empty() || word.size() > kMaxWordBytes) {
      append_word(tokens);
      return;
    }
    Entry& entry = entries_[hash_bytes(word) % kEntries];
    const size_t first = tokens->size();
    if (entry.word == word) {
      tokens->resize(first + entry.n_tokens);
      for (size_t i = 0; i < entry.n_tokens; ++i) (*tokens)[first + i] = (*tokens)[entry.first_token + i];
      return;
    }
    append_word(tokens);
    entry = {word, first, tokens->size() - first};
  }

 private:
  static constexpr size_t kMinTextBytes = 1024;
  static constexpr size_t kMaxWordBytes = 64;
  static constexpr size_t kEntries = 2048;

  struct Entry {
    std::string_view word;
    size_t first_token = 0;
    size_t n_tokens = 0;
  };

  std::vector<Entry> entries_;
};

}  // namespace leoam
