// Byte-level BPE (GGUF model "gpt2").
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "runtime/model/tokenizer/merge_table.h"
#include "runtime/model/tokenizer/pre_tokenizer.h"
#include "runtime/model/tokenizer/tokenizer.h"

namespace leoam {

class BpeTokenizer final : public Tokenizer {
 public:
  static Result<std::unique_ptr<Tokenizer>> create(TokenizerData data, const CancelFlag* cancel);

 private:
  BpeTokenizer(std::unique_ptr<const Vocabulary> vocabulary, MergeTable merges, PreTokenizer pre);

  Status append_text(std::string_view text, bool opens, MergeScratch* scratch,
                     std::vector<int32_t>* tokens) const override;
  void append_word(std::string_view word, MergeScratch* scratch, std::vector<int32_t>* tokens) const;

  MergeTable merges_;
  PreTokenizer pre_;
};

}  // namespace leoam
