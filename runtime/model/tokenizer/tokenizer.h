// Tokenizer: text <-> token ids, as the model file defines it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/cancel.h"
#include "runtime/base/status.h"

namespace leoam {

class Vocabulary;
struct MergeScratch;

// GGUF `tokenizer.ggml.token_type`.
enum class TokenType : int32_t {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

// What a model file says of its tokenizer (GGUF keys `tokenizer.ggml.*`), copied out and not yet trusted:
// Tokenizer::create checks all of it.
struct TokenizerData {
  std::string model;  // "gpt2": byte-level BPE; "llama": SentencePiece with scores
  std::string pre;    // pre-tokenizer of "gpt2": smollm, gpt-2, llama-bpe, qwen2, default; empty: default
  std::vector<std::string> tokens;
  std::vector<float> scores;        // empty or one a token; "llama" needs them
  std::vector<int32_t> types;       // empty or one a token
  std::vector<std::string> merges;  // "left right"
  // Ids as the file gives them; -1 when absent.
  int64_t bos = -1, eos = -1, eot = -1, unknown = -1, separator = -1, padding = -1;
  // -1 when absent, else 0 or 1.
  int32_t add_bos = -1, add_eos = -1, add_space_prefix = -1;
};

// Bytes [begin, end) of a text.
struct TextRange {
  size_t begin = 0;
  size_t end = 0;
};

struct TokenizeOptions {
  // Control tokens spelt out in the text become those tokens; otherwise they are text. User-defined tokens
  // are always recognised, as the formats ask.
  bool parse_special = false;
  // Puts the beginning-of-sequence token first where the file asks for it.
  bool add_bos = false;
  // Where parse_special does not hold: a control token that would have a byte in one of these stays text.
  // Ascending, none empty, none overlaps another.
  std::span<const TextRange> plain = {};
};

// Building a vocabulary looks at its cancel flag each time that it has handled so many tokens or merges:
// about a millisecond of work.
inline constexpr size_t kTokensPerCancelCheck = 4096;

// Thread rule: immutable; all const calls are safe from any thread.
class Tokenizer {
 public:
  // Fails with corrupt (field, index, expected, found), unsupported (model, pre-tokenizer) or cancelled.
  static Result<std::unique_ptr<Tokenizer>> create(TokenizerData data, const CancelFlag* cancel = nullptr);
  virtual ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  uint32_t n_vocab() const;

  // Any bytes; invalid UTF-8 is tokenised as bytes and never fails. Linear or n log n in the text's length
  // for every input. Bytes that a byte-level vocabulary has no token for are left out (SmolLM2 lacks 21 of
  // them: six control characters and bytes that assigned text does not contain). Fails only with
  // invalid_argument when the text has more than INT32_MAX bytes (SentencePiece: when a run of blanks within
  // it has more than INT32_MAX / 3).
  Result<std::vector<int32_t>> tokenize(std::string_view text, const TokenizeOptions& options) const;

  // The bytes a token stands for in running text (not whole code points; control tokens give nothing unless
  // `special`). id outside the vocabulary gives nothing. The view lives as long as the tokenizer; nothing is
  // allocated. For SentencePiece the leading blank is kept; the caller strips the first one of a text (see
  // decode).
  std::string_view token_bytes(int32_t id, bool special) const;

  // Text of a whole sequence. For text without control tokens decode(tokenize(text)) == text, byte for byte,
  // where the vocabulary has all bytes; in SentencePiece U+2581 is the format's blank and comes back as one.
  std::string decode(const std::vector<int32_t>& tokens, bool special) const;
  // True when the format adds a blank in front of a text, and again after each control or user-defined token
  // recognised in it; decode strips these again.
  bool strips_leading_space() const { return adds_space_; }

  // The token's spelling in the file, for display; empty for an id outside the vocabulary.
  const std::string& piece(int32_t id) const;
  // unknown for an id outside the vocabulary.
  TokenType type(int32_t id) const;
  int32_t bos() const;  // -1: none
  int32_t eos() const;  // -1: none
  bool add_bos_by_default() const;
  // True for every id that ends a generation: eos, eot and the control tokens that the formats name so
  // (<|im_end|>, <|eot_id|>, <end_of_turn>, <|endoftext|>, </s>, ...).
  bool ends_generation(int32_t id) const;
  // -1 when no such token. Exact match on the file's spelling.
  int32_t find(std::string_view piece) const;

 protected:
  Tokenizer(std::unique_ptr<const Vocabulary> vocabulary, bool adds_space);

  const Vocabulary& vocabulary() const { return *vocabulary_; }

 private:
  // Appends the ids of text without recognised tokens. `opens`: the text starts here or follows a recognised
  // token.
  virtual Status append_text(std::string_view text, bool opens, MergeScratch* scratch,
                             std::vector<int32_t>* tokens) const = 0;

  std::unique_ptr<const Vocabulary> vocabulary_;
  bool adds_space_;
  const std::string no_piece_;
};

// Turns a stream of token bytes into whole code points: bytes of an unfinished code point are held back;
// invalid bytes become U+FFFD, one for each maximal subpart (Unicode 15, table 3-8 practice).
class Utf8Stream {
 public:
  // Appends to `out` what is complete.
  void push(std::string_view bytes, std::string* out);
  // Ends the text: what is held back becomes U+FFFD.
  void finish(std::string* out);

 private:
  uint8_t held_[4] = {};
  uint8_t n_held_ = 0;
};

}  // namespace leoam
