// Vocabulary: the tokens of a model file, checked, with the tables to find them by.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/model/tokenizer/token_table.h"
#include "runtime/model/tokenizer/token_trie.h"
#include "runtime/model/tokenizer/tokenizer.h"

namespace leoam {

// How spellings stand for bytes: printable byte alphabet, or U+2581 for a blank and <0xHH> for a byte.
enum class SpellingKind : uint8_t { byte_level, sentence_piece };

// Thread rule: immutable once built.
class Vocabulary {
 public:
  // Takes tokens, types and ids out of `data`. Fails with corrupt (field, index, expected, found): lengths
  // that differ, ids out of range, empty, over-long, doubled or ill-formed spellings, malformed or missing
  // byte tokens; and with cancelled. `adds_bos`: what a file of this family means when it does not say.
  static Result<std::unique_ptr<const Vocabulary>> build(SpellingKind kind, bool adds_bos,
                                                         TokenizerData* data, const CancelFlag* cancel);
  Vocabulary(const Vocabulary&) = delete;
  Vocabulary& operator=(const Vocabulary&) = delete;

  uint32_t size() const { return static_cast<uint32_t>(spellings_.size()); }
  bool contains(int32_t id) const { return id >= 0 && static_cast<uint32_t>(id) < size(); }
  // -1 when no such token.
  int32_t find(std::string_view spelling) const { return table_.find(spelling); }

  // These need contains(id).
  const std::string& spelling(int32_t id) const { return spellings_[static_cast<size_t>(id)]; }
  TokenType type(int32_t id) const { return static_cast<TokenType>(types_[static_cast<size_t>(id)]); }
  // Control and unknown tokens: text only when the caller asks for it.
  bool is_special(int32_t id) const {
    return type(id) == TokenType::control || type(id) == TokenType::unknown;
  }
  // May come out of merges: text never turns into control, unknown or byte tokens by being spelt like them.
  bool is_text(int32_t id) const { return !is_special(id) && type(id) != TokenType::byte; }
  // The bytes the token stands for; a special token's are its spelling.
  std::string_view bytes(int32_t id) const {
    const size_t i = static_cast<size_t>(id);
    return std::string_view(arena_).substr(arena_ends_[i], arena_ends_[i + 1] - arena_ends_[i]);
  }

  // In bytes; no token stands for more.
  size_t longest_spelling() const { return longest_spelling_; }

  // The id for a byte that is in no other token; -1 when the vocabulary has none.
  int32_t byte_token(uint8_t byte) const { return byte_tokens_[byte]; }
  // Control, unknown and user-defined tokens, to be recognised in running text.
  const TokenTrie& trie() const { return trie_; }

  int32_t bos() const { return bos_; }
  int32_t eos() const { return eos_; }
  int32_t unknown() const { return unknown_; }
  bool add_bos() const { return add_bos_; }
  bool ends_generation(int32_t id) const;

 private:
  Vocabulary(SpellingKind kind, TokenizerData* data);

  Status check_counts(const TokenizerData& data) const;
  Status read_types(const TokenizerData& data);
  Status read_ids(const TokenizerData& data);
  Status index_spellings(const CancelFlag* cancel);
  Status read_byte_tokens();
  Status build_trie();
  void infer_types();
  void name_ends();
  void fill_arena();

  SpellingKind kind_;
  std::vector<std::string> spellings_;
  std::vector<uint8_t> types_;
  TokenTable table_;
  std::string arena_;                 // bytes() of all tokens, one after another
  std::vector<uint32_t> arena_ends_;  // size() + 1 offsets
  std::array<int32_t, 256> byte_tokens_;
  TokenTrie trie_;
  size_t longest_spelling_ = 0;
  std::vector<int32_t> ends_;  // ascending
  int32_t bos_ = -1, eos_ = -1, eot_ = -1, unknown_ = -1;
  bool add_bos_ = false;
};

}  // namespace leoam
