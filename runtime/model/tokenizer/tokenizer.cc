#include "runtime/model/tokenizer/tokenizer.h"

#include <algorithm>
#include <climits>
#include <utility>

#include "runtime/model/gguf.h"
#include "runtime/model/tokenizer/bpe_tokenizer.h"
#include "runtime/model/tokenizer/sentencepiece_tokenizer.h"
#include "runtime/model/tokenizer/symbol_merger.h"
#include "runtime/model/tokenizer/vocabulary.h"

namespace leoam {
namespace {

bool overlaps(std::span<const TextRange> ranges, const TokenTrie::Match& match) {
  const auto next = std::upper_bound(ranges.begin(), ranges.end(), match.begin,
                                     [](size_t at, const TextRange& range) { return at < range.end; });
  return next != ranges.end() && next->begin < match.begin + match.length;
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> Tokenizer::create(TokenizerData data, const CancelFlag* cancel) {
  if (data.model == "gpt2") return BpeTokenizer::create(std::move(data), cancel);
  if (data.model == "llama") return SentencePieceTokenizer::create(std::move(data), cancel);
  return error(ErrorKind::unsupported, "tokenizer.ggml.model: expected gpt2 or llama, found \"{}\"",
               printable(data.model));
}

Tokenizer::Tokenizer(std::unique_ptr<const Vocabulary> vocabulary, bool adds_space)
    : vocabulary_(std::move(vocabulary)), adds_space_(adds_space) {}

Tokenizer::~Tokenizer() = default;

uint32_t Tokenizer::n_vocab() const {
  return vocabulary_->size();
}

Result<std::vector<int32_t>> Tokenizer::tokenize(std::string_view text,
                                                 const TokenizeOptions& options) const {
  if (text.size() > INT32_MAX) {
    return error(ErrorKind::invalid_argument, "text: expected at most {} bytes, found {}", INT32_MAX,
                 text.size());
  }
  std::vector<int32_t> tokens;
  tokens.reserve(text.size() / 4 + 1);
  if (options.add_bos && add_bos_by_default() && bos() >= 0) tokens.push_back(bos());

  const auto recognised = [&](const TokenTrie::Match& match) {
    return !vocabulary_->is_special(match.id) || (options.parse_special && !overlaps(options.plain, match));
  };
  MergeScratch scratch(text.size());
  bool opens = true;
  for (size_t at = 0; at < text.size();) {
    const TokenTrie::Match match = vocabulary_->trie().find(text, at, recognised);
    const size_t end = match.id >= 0 ? match.begin : text.size();
    if (end > at) {
      LEOAM_RETURN_IF_ERROR(append_text(text.substr(at, end - at), opens, &scratch, &tokens));
      opens = false;
    }
    if (match.id >= 0) {
      tokens.push_back(match.id);
      opens = true;
    }
    at = end + match.length;
  }
  return tokens;
}

std::string_view Tokenizer::token_bytes(int32_t id, bool special) const {
  if (!vocabulary_->contains(id) || (!special && vocabulary_->is_special(id))) return {};
  return vocabulary_->bytes(id);
}

std::string Tokenizer::decode(const std::vector<int32_t>& tokens, bool special) const {
  std::string text;
  bool opens = true;
  for (const int32_t id : tokens) {
    if (!vocabulary_->contains(id)) continue;
    const bool recognised = vocabulary_->is_special(id) || vocabulary_->type(id) == TokenType::user_defined;
    std::string_view bytes = token_bytes(id, special);
    if (adds_space_ && opens && !recognised && !bytes.empty() && bytes[0] == ' ') bytes.remove_prefix(1);
    text.append(bytes);
    opens = recognised;
  }
  return text;
}

const std::string& Tokenizer::piece(int32_t id) const {
  return vocabulary_->contains(id) ? vocabulary_->spelling(id) : no_piece_;
}

TokenType Tokenizer::type(int32_t id) const {
  return vocabulary_->contains(id) ? vocabulary_->type(id) : TokenType::unknown;
}

int32_t Tokenizer::bos() const {
  return vocabulary_->bos();
}
int32_t Tokenizer::eos() const {
  return vocabulary_->eos();
}
bool Tokenizer::add_bos_by_default() const {
  return vocabulary_->add_bos();
}
bool Tokenizer::ends_generation(int32_t id) const {
  return vocabulary_->ends_generation(id);
}
int32_t Tokenizer::find(std::string_view piece) const {
  return vocabulary_->find(piece);
}

}  // namespace leoam
