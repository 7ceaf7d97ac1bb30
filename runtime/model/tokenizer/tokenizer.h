// Tokenizer: text <-> token ids, as the model file defines it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace leoam {

// GGUF `tokenizer.ggml.token_type`.
enum class TokenType : int32_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

// What a model file says of its tokenizer (GGUF keys `tokenizer.ggml.*`), copied out and not yet trusted:
// Tokenizer::create checks all of it.
struct TokenizerData {
  std::string model;  // "gpt2": byte-level BPE; "llama": SentencePiece with scores
  std::string pre;    // pre-tokenizer of "gpt2": smollm, gpt-2, llama-bpe, qwen2, default
  std::vector<std::string> tokens;
  std::vector<float> scores;       // empty or one a token
  std::vector<int32_t> types;      // empty or one a token
  std::vector<std::string> merges;  // "left right"
  // Ids as the file gives them; -1 when absent.
  int64_t bos = -1, eos = -1, eot = -1, unknown = -1, separator = -1, padding = -1;
  // -1 when absent, else 0 or 1.
  int32_t add_bos = -1, add_eos = -1, add_space_prefix = -1;
};

struct TokenizeOptions {
  // Control tokens spelt out in the text become those tokens; otherwise they are text. User-defined tokens are
  // always recognised, as the formats ask.
  bool parse_special = false;
  // Puts the beginning-of-sequence token first where the file asks for it.
  bool add_bos = false;
};

// Thread rule: immutable; all const calls are safe from any thread.
class Tokenizer {
 public:
  // Fails with corrupt (field, index, expected, found) or unsupported (model, pre-tokenizer).
  static Result<std::unique_ptr<Tokenizer>> create(TokenizerData data);
  virtual ~Tokenizer() = default;

  uint32_t n_vocab() const;

  // Any bytes; invalid UTF-8 is tokenised as bytes and never fails. Linear or n log n in the text's length for
  // every input. Fails only with invalid_argument when the text has more than INT32_MAX bytes.
  virtual Result<std::vector<int32_t>> tokenize(std::string_view text, const TokenizeOptions& options) const = 0;

  // The bytes a token stands for in running text (not whole code points; control tokens give nothing unless
  // `special`). id outside the vocabulary gives nothing. For SentencePiece the leading blank is kept; the caller
  // strips the first one of a text (see decode).
  virtual std::string_view token_bytes(int32_t id, bool special) const = 0;

  // Text of a whole sequence. For text without control tokens decode(tokenize(text)) == text, byte for byte.
  std::string decode(const std::vector<int32_t>& tokens, bool special) const;
  // True when the format adds a blank in front of a text, which decode strips again.
  virtual bool strips_leading_space() const = 0;

  // The token's spelling in the file, for display.
  const std::string& piece(int32_t id) const;
  TokenType type(int32_t id) const;
  int32_t bos() const;  // -1: none
  int32_t eos() const;  // -1: none
  bool add_bos_by_default() const;
  // True for every id that ends a generation: eos, eot and the control tokens that the formats name so
  // (<|im_end|>, <|eot_id|>, <end_of_turn>, <|endoftext|>, </s>, ...).
  bool ends_generation(int32_t id) const;
  // -1 when no such token. Exact match on the file's spelling.
  int32_t find(std::string_view piece) const;
};

// Turns a stream of token bytes into whole code points: bytes of an unfinished code point are held back;
// invalid bytes become U+FFFD (Unicode 15, table 3-8 practice).
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
