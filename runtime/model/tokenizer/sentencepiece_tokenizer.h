// SentencePiece with scores (GGUF model "llama"): pairs of pieces join by the score of what they become.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "runtime/model/tokenizer/symbol_merger.h"
#include "runtime/model/tokenizer/tokenizer.h"

namespace leoam {

class SentencePieceTokenizer final : public Tokenizer {
 public:
  static Result<std::unique_ptr<Tokenizer>> create(TokenizerData data, const CancelFlag* cancel);

 private:
  SentencePieceTokenizer(std::unique_ptr<const Vocabulary> vocabulary, std::vector<uint32_t> priorities,
                         bool adds_space);

  Status append_text(std::string_view text, bool opens, MergeScratch* scratch,
                     std::vector<int32_t>* tokens) const override;
  // `adds_space`: puts a blank in front.
  void append_section(std::string_view text, bool adds_space, MergeScratch* scratch,
                      std::vector<int32_t>* tokens) const;
  size_t section_end(std::string_view text, size_t begin) const;
  int32_t find_text(std::string_view spelling) const;
  void find_joiners();

  std::vector<uint32_t> priorities_;  // by id; smaller: higher score
  // Bytes that stand right before a blank within some token. Anywhere else no token reaches from before a
  // blank into it, so the text is merged in sections that start at blanks.
  std::array<bool, 256> joins_blank_{};
};

}  // namespace leoam
