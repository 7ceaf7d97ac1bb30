#include "runtime/model/tokenizer/bpe_tokenizer.h"

#include <utility>

#include "runtime/model/gguf.h"
#include "runtime/model/tokenizer/byte_alphabet.h"
#include "runtime/model/tokenizer/symbol_merger.h"
#include "runtime/model/tokenizer/vocabulary.h"

namespace leoam {

Result<std::unique_ptr<Tokenizer>> BpeTokenizer::create(TokenizerData data, const CancelFlag* cancel) {
  const std::optional<PreTokenizer> pre = find_pre_tokenizer(data.pre);
  if (!pre) {
    return error(ErrorKind::unsupported,
                 "tokenizer.ggml.pre: expected smollm, gpt-2, llama-bpe, qwen2 or default, found \"{}\"",
                 printable(data.pre));
  }
  LEOAM_ASSIGN_OR_RETURN(
      std::unique_ptr<const Vocabulary> vocabulary,
      Vocabulary::build(SpellingKind::byte_level, *pre == PreTokenizer::llama_bpe, &data, cancel));
  LEOAM_ASSIGN_OR_RETURN(MergeTable merges, MergeTable::build(data.merges, *vocabulary, cancel));
  return std::unique_ptr<Tokenizer>(new BpeTokenizer(std::move(vocabulary), std::move(merges), *pre));
}

BpeTokenizer::BpeTokenizer(std::unique_ptr<const Vocabulary> vocabulary, MergeTable merges, PreTokenizer pre)
    : Tokenizer(std::move(vocabulary), false), merges_(std::move(merges)), pre_(pre) {}

Status BpeTokenizer::append_text(std::string_view text, bool, MergeScratch* scratch,
                                 std::vector<int32_t>* tokens) const {
  for (WordScanner words(pre_, text); !words.done();) {
    const std::string_view word = words.next();
    scratch->words.append(word, tokens, [&](std::vector<int32_t>* out) { append_word(word, scratch, out); });
  }
  return {};
}

void BpeTokenizer::append_word(std::string_view word, MergeScratch* scratch,
                               std::vector<int32_t>* tokens) const {
  // This family's vocabulary holds words that its merges do not reach; a whole word is taken as it is.
  if (pre_ == PreTokenizer::llama_bpe && word.size() <= vocabulary().longest_spelling()) {
    scratch->spelling.clear();
    append_spelling(word, &scratch->spelling);
    const int32_t id = vocabulary().find(scratch->spelling);
    if (id >= 0 && vocabulary().is_text(id) && vocabulary().type(id) != TokenType::user_defined) {
      tokens->push_back(id);
      return;
    }
  }

  scratch->clear();
  for (uint32_t i = 0; i < word.size(); ++i) {
    scratch->add_symbol(i, 1, vocabulary().byte_token(static_cast<uint8_t>(word[i])));
  }
  merge_symbols(scratch,
                [this](const Symbol& left, const Symbol& right) { return merges_.find(left.id, right.id); });
  for (int32_t at = 0; at >= 0; at = scratch->symbols[static_cast<size_t>(at)].next) {
    const int32_t id = scratch->symbols[static_cast<size_t>(at)].id;
    if (id >= 0) tokens->push_back(id);
  }
}

}  // namespace leoam
