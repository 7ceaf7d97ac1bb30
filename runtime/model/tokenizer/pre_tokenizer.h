// Pre-tokenizers of byte-level BPE: they cut text into words, and merges never cross a word's edge.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace leoam {

// What each family publishes as regular expressions, tried from left to right at every position:
//   gpt_2      's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//   smollm     every \p{N} alone, gpt_2 on what lies between
//   llama_bpe  (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*
//              |\s*[\r\n]+|\s+(?!\S)|\s+
//   qwen2      llama_bpe with one \p{N} at a time
//   standard   runs of [\p{P}$+<=>^~|] alone; gpt_2 between; \p{N}+ apart from its blank; [0-9]{3} at a time
// (?i:) folds ASCII letters only.
enum class PreTokenizer : uint8_t { smollm, gpt_2, llama_bpe, qwen2, standard };

// By GGUF name (`tokenizer.ggml.pre`), with the aliases that files of the supported architectures carry;
// empty is "default". Nothing for a name not known here.
std::optional<PreTokenizer> find_pre_tokenizer(std::string_view name);

// Cuts `text` into words whose concatenation is the text. One forward scan: a byte is looked at a bounded
// number of times, whatever the text. Invalid bytes count as code points of class `other`.
class WordScanner {
 public:
  WordScanner(PreTokenizer kind, std::string_view text) : text_(text), kind_(kind) {}

  bool done() const { return at_ == text_.size(); }
  // The next word, never empty; needs !done().
  std::string_view next();

 private:
  struct Char;

  Char char_at(size_t at, size_t end) const;
  size_t skip_while(size_t at, size_t end, bool (*belongs)(const Char&)) const;
  size_t number_piece_end() const;
  size_t gpt_2_end(size_t end) const;
  size_t llama_end(uint32_t max_numbers) const;
  size_t white_space_end(size_t end) const;
  size_t smollm_end();
  size_t standard_end();

  std::string_view text_;
  PreTokenizer kind_;
  size_t at_ = 0;
  size_t piece_end_ = 0;   // smollm, standard: gpt_2 works within text_[at_, piece_end_)
  size_t number_end_ = 0;  // standard: end of the run of numbers around at_
};

}  // namespace leoam
