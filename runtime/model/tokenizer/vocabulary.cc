#include "runtime/model/tokenizer/vocabulary.h"

#include <algorithm>
#include <utility>

#include "runtime/model/gguf.h"
#include "runtime/model/tokenizer/byte_alphabet.h"
#include "runtime/model/tokenizer/unicode.h"

namespace leoam {
namespace {

constexpr size_t kMaxTokens = size_t{1} << 24;
constexpr size_t kMaxSpellingBytes = 64 * 1024;
constexpr uint64_t kMaxBytesInAll = uint64_t{1} << 30;
// Tokens that are searched for at every place of a text, which the first limit keeps linear; the second
// bounds the trie's memory. The longest in use have about 50 bytes.
constexpr size_t kMaxSearchedBytes = 1024;
constexpr size_t kMaxSearchedBytesInAll = size_t{1} << 20;
constexpr std::string_view kBlank = "\xE2\x96\x81";

// Names of control tokens that end a turn or a text, in the formats whose files carry them. A file that marks
// one of them as something else is mistaken: text must not turn into it.
constexpr std::string_view kEndNames[] = {"<|eot_id|>", "<|im_end|>",      "<|end|>",
                                          "<|eom_id|>", "<end_of_turn>",   "<|endoftext|>",
                                          "<EOT>",      "<|end_of_text|>", "<end_of_utterance>"};
// Ends a text where it is a control token; elsewhere it is mark-up.
constexpr std::string_view kSentenceEnd = "</s>";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// The value of <0xHH>, -1 for any other spelling.
int byte_of_spelling(std::string_view spelling) {
  if (spelling.size() != 6 || spelling.substr(0, 3) != "<0x" || spelling[5] != '>') return -1;
  const int high = hex_digit(spelling[3]), low = hex_digit(spelling[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

Status read_id(const char* field, int64_t value, size_t n_tokens, int32_t* id) {
  if (value < -1 || value >= static_cast<int64_t>(n_tokens)) {
    return error(ErrorKind::corrupt, "tokenizer.ggml.{}: expected an id below {}, found {}", field, n_tokens,
                 value);
  }
  *id = static_cast<int32_t>(value);
  return {};
}

Status check_flag(const char* field, int32_t value) {
  if (value >= -1 && value <= 1) return {};
  return error(ErrorKind::corrupt, "tokenizer.ggml.{}: expected 0 or 1, found {}", field, value);
}

Status check_one_a_token(const char* field, size_t count, size_t n_tokens) {
  if (count == 0 || count == n_tokens) return {};
  return error(ErrorKind::corrupt, "tokenizer.ggml.{}: expected {} entries, one a token, found {}", field,
               n_tokens, count);
}

Status check_spelling(size_t id, const std::string& spelling) {
  if (spelling.empty()) return error(ErrorKind::corrupt, "tokenizer.ggml.tokens[{}]: empty", id);
  if (spelling.size() > kMaxSpellingBytes) {
    return error(ErrorKind::corrupt, "tokenizer.ggml.tokens[{}]: expected at most {} bytes, found {}", id,
                 kMaxSpellingBytes, spelling.size());
  }
  const size_t invalid = first_invalid_utf8(spelling);
  if (invalid == spelling.size()) return {};
  return error(ErrorKind::corrupt, "tokenizer.ggml.tokens[{}]: expected UTF-8, found byte 0x{:02X} at {}", id,
               static_cast<uint8_t>(spelling[invalid]), invalid);
}

}  // namespace

Vocabulary::Vocabulary(SpellingKind kind, TokenizerData* data)
    : kind_(kind), spellings_(std::move(data->tokens)), table_(spellings_) {
  byte_tokens_.fill(-1);
}

Result<std::unique_ptr<const Vocabulary>> Vocabulary::build(SpellingKind kind, bool adds_bos,
                                                            TokenizerData* data, const CancelFlag* cancel) {
  if (data->tokens.empty() || data->tokens.size() > kMaxTokens) {
    return error(ErrorKind::corrupt, "tokenizer.ggml.tokens: expected 1 to {} tokens, found {}", kMaxTokens,
                 data->tokens.size());
  }
  std::unique_ptr<Vocabulary> built(new Vocabulary(kind, data));
  LEOAM_RETURN_IF_ERROR(built->check_counts(*data));
  LEOAM_RETURN_IF_ERROR(built->index_spellings(cancel));
  LEOAM_RETURN_IF_ERROR(built->read_ids(*data));
  LEOAM_RETURN_IF_ERROR(built->read_types(*data));
  built->add_bos_ = data->add_bos < 0 ? adds_bos : data->add_bos == 1;
  built->name_ends();
  LEOAM_RETURN_IF_ERROR(built->read_byte_tokens());
  LEOAM_RETURN_IF_ERROR(built->build_trie());
  LEOAM_RETURN_IF_ERROR(check_cancelled(cancel));
  built->fill_arena();
  return std::unique_ptr<const Vocabulary>(std::move(built));
}

Status Vocabulary::check_counts(const TokenizerData& data) const {
  LEOAM_RETURN_IF_ERROR(check_one_a_token("scores", data.scores.size(), size()));
  LEOAM_RETURN_IF_ERROR(check_one_a_token("token_type", data.types.size(), size()));
  LEOAM_RETURN_IF_ERROR(check_flag("add_bos_token", data.add_bos));
  LEOAM_RETURN_IF_ERROR(check_flag("add_eos_token", data.add_eos));
  return check_flag("add_space_prefix", data.add_space_prefix);
}

Status Vocabulary::index_spellings(const CancelFlag* cancel) {
  uint64_t total_bytes = 0;
  for (size_t i = 0; i < spellings_.size(); ++i) {
    if (i % kTokensPerCancelCheck == 0) LEOAM_RETURN_IF_ERROR(check_cancelled(cancel));
    LEOAM_RETURN_IF_ERROR(check_spelling(i, spellings_[i]));
    total_bytes += spellings_[i].size();
    longest_spelling_ = std::max(longest_spelling_, spellings_[i].size());
    if (total_bytes > kMaxBytesInAll) {
      return error(ErrorKind::corrupt, "tokenizer.ggml.tokens[{}]: expected at most {} bytes in all", i,
                   kMaxBytesInAll);
    }
    int32_t id = static_cast<int32_t>(i);
    const TokenTable::Insert inserted = table_.insert(&id);
    if (inserted == TokenTable::Insert::added) continue;
    if (inserted == TokenTable::Insert::duplicate) {
      return error(ErrorKind::corrupt,
                   "tokenizer.ggml.tokens[{}]: expected distinct tokens, found \"{}\" of {} again", i,
                   printable(spellings_[i]), id);
    }
    return error(ErrorKind::corrupt, "tokenizer.ggml.tokens[{}]: more than {} tokens share a hash", i,
                 kMaxProbes);
  }
  return {};
}

Status Vocabulary::read_ids(const TokenizerData& data) {
  const size_t n = spellings_.size();
  int32_t separator = -1, padding = -1;
  LEOAM_RETURN_IF_ERROR(read_id("bos_token_id", data.bos, n, &bos_));
  LEOAM_RETURN_IF_ERROR(read_id("eos_token_id", data.eos, n, &eos_));
  LEOAM_RETURN_IF_ERROR(read_id("eot_token_id", data.eot, n, &eot_));
  LEOAM_RETURN_IF_ERROR(read_id("unknown_token_id", data.unknown, n, &unknown_));
  LEOAM_RETURN_IF_ERROR(read_id("seperator_token_id", data.separator, n, &separator));
  return read_id("padding_token_id", data.padding, n, &padding);
}

Status Vocabulary::read_types(const TokenizerData& data) {
  if (data.types.empty()) {
    infer_types();
  } else {
    types_.resize(spellings_.size());
    for (size_t i = 0; i < types_.size(); ++i) {
      const int32_t type = data.types[i];
      if (type < static_cast<int32_t>(TokenType::normal) || type > static_cast<int32_t>(TokenType::byte)) {
        return error(ErrorKind::corrupt, "tokenizer.ggml.token_type[{}]: expected 1 to 6, found {}", i, type);
      }
      types_[i] = static_cast<uint8_t>(type);
    }
  }
  if (kind_ != SpellingKind::sentence_piece) return {};

  // SentencePiece's own defaults, which files leave out: <unk> 0, <s> 1, </s> 2.
  const auto usual = [this](int32_t id, TokenType wanted) {
    return contains(id) && type(id) == wanted ? id : -1;
  };
  if (data.unknown < 0) unknown_ = usual(0, TokenType::unknown);
  if (data.bos < 0) bos_ = usual(1, TokenType::control);
  if (data.eos < 0) eos_ = usual(2, TokenType::control);
  return {};
}

// A file without types: what its spellings and ids say.
void Vocabulary::infer_types() {
  types_.assign(spellings_.size(), static_cast<uint8_t>(TokenType::normal));
  const auto mark = [this](int32_t id, TokenType type) {
    if (id >= 0) types_[static_cast<size_t>(id)] = static_cast<uint8_t>(type);
  };
  if (kind_ == SpellingKind::sentence_piece) {
    for (size_t i = 0; i < spellings_.size(); ++i) {
      if (byte_of_spelling(spellings_[i]) >= 0) mark(static_cast<int32_t>(i), TokenType::byte);
    }
    mark(unknown_, TokenType::unknown);
  }
  mark(bos_, TokenType::control);
  mark(eos_, TokenType::control);
  mark(eot_, TokenType::control);
}

void Vocabulary::name_ends() {
  for (const int32_t id : {eos_, eot_}) {
    if (id >= 0) ends_.push_back(id);
  }
  for (const std::string_view name : kEndNames) {
    const int32_t id = find(name);
    if (id < 0) continue;
    types_[static_cast<size_t>(id)] = static_cast<uint8_t>(TokenType::control);
    ends_.push_back(id);
  }
  const int32_t sentence_end = find(kSentenceEnd);
  if (sentence_end >= 0 && type(sentence_end) == TokenType::control) ends_.push_back(sentence_end);
  std::sort(ends_.begin(), ends_.end());
  ends_.erase(std::unique(ends_.begin(), ends_.end()), ends_.end());
}

Status Vocabulary::read_byte_tokens() {
  if (kind_ == SpellingKind::byte_level) {
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const char raw = static_cast<char>(byte);
      std::string name;
      append_spelling(std::string_view(&raw, 1), &name);
      const int32_t id = find(name);
      byte_tokens_[byte] = id >= 0 && is_text(id) ? id : -1;
    }
    return {};
  }
  size_t n_bytes = 0;
  for (size_t i = 0; i < spellings_.size(); ++i) {
    const int32_t id = static_cast<int32_t>(i);
    if (type(id) != TokenType::byte) continue;
    const int byte = byte_of_spelling(spellings_[i]);
    if (byte < 0 || byte_tokens_[static_cast<size_t>(byte)] >= 0) {
      return error(
          ErrorKind::corrupt,
          "tokenizer.ggml.tokens[{}]: expected a byte token <0x00> to <0xFF>, once each, found \"{}\"", i,
          printable(spellings_[i]));
    }
    byte_tokens_[static_cast<size_t>(byte)] = id;
    ++n_bytes;
  }
  // Without byte fallback a SentencePiece model needs its unknown token; half a fallback is a broken file.
  if (n_bytes == 256 || (n_bytes == 0 && unknown_ >= 0)) return {};
  const auto missing = std::find(byte_tokens_.begin(), byte_tokens_.end(), -1) - byte_tokens_.begin();
  return error(
      ErrorKind::corrupt,
      "tokenizer.ggml.tokens: expected 256 byte tokens, or none and an unknown token, found {}; <0x{:02X}> "
      "is missing",
      n_bytes, missing);
}

Status Vocabulary::build_trie() {
  std::vector<int32_t> searched;
  size_t total_bytes = 0;
  for (size_t i = 0; i < spellings_.size(); ++i) {
    const int32_t id = static_cast<int32_t>(i);
    if (!is_special(id) && type(id) != TokenType::user_defined) continue;
    total_bytes += spellings_[i].size();
    if (spellings_[i].size() > kMaxSearchedBytes || total_bytes > kMaxSearchedBytesInAll) {
      return error(
          ErrorKind::corrupt,
          "tokenizer.ggml.tokens[{}]: expected control and user-defined tokens of at most {} bytes, {} in "
          "all, found {} and {}",
          i, kMaxSearchedBytes, kMaxSearchedBytesInAll, spellings_[i].size(), total_bytes);
    }
    searched.push_back(id);
  }
  trie_ = TokenTrie(spellings_, std::move(searched));
  return {};
}

void Vocabulary::fill_arena() {
  size_t total_bytes = 0;
  for (const std::string& spelling : spellings_) total_bytes += spelling.size();
  arena_.reserve(total_bytes);
  arena_ends_.reserve(spellings_.size() + 1);
  arena_ends_.push_back(0);
  for (size_t i = 0; i < spellings_.size(); ++i) {
    const int32_t id = static_cast<int32_t>(i);
    const std::string_view spelling = spellings_[i];
    if (is_special(id)) {
      arena_.append(spelling);
    } else if (kind_ == SpellingKind::byte_level) {
      // User-defined tokens are spelt as plain text in these files.
      if (type(id) == TokenType::user_defined) {
        arena_.append(spelling);
      } else {
        append_spelt_bytes(spelling, &arena_);
      }
    } else if (type(id) == TokenType::byte) {
      arena_.push_back(static_cast<char>(byte_of_spelling(spelling)));
    } else {
      for (size_t at = 0; at < spelling.size();) {
        const bool blank = spelling.substr(at, kBlank.size()) == kBlank;
        arena_.push_back(blank ? ' ' : spelling[at]);
        at += blank ? kBlank.size() : 1;
      }
    }
    arena_ends_.push_back(static_cast<uint32_t>(arena_.size()));
  }
}

bool Vocabulary::ends_generation(int32_t id) const {
  return std::binary_search(ends_.begin(), ends_.end(), id);
}

}  // namespace leoam
