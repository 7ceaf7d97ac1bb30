#include "runtime/model/tokenizer/sentencepiece_tokenizer.h"

#include <bit>
#include <climits>
#include <cmath>
#include <utility>

#include "runtime/model/tokenizer/unicode.h"
#include "runtime/model/tokenizer/vocabulary.h"

namespace leoam {
namespace {

constexpr std::string_view kBlank = "\xE2\x96\x81";

// Orders floats: a higher score gives a smaller number. -0 and 0 are one score.
uint32_t priority_of(float score) {
  const uint32_t bits = std::bit_cast<uint32_t>(score + 0.0f);
  const uint32_t ascending = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  return ~ascending;
}

Result<std::vector<uint32_t>> read_priorities(const std::vector<float>& scores) {
  if (scores.empty()) {
    return error(ErrorKind::corrupt, "tokenizer.ggml.scores: expected one score a token, found none");
  }
  std::vector<uint32_t> priorities(scores.size());
  for (size_t i = 0; i < scores.size(); ++i) {
    if (!std::isfinite(scores[i])) {
      return error(ErrorKind::corrupt, "tokenizer.ggml.scores[{}]: expected a finite number, found {}", i,
                   scores[i]);
    }
    priorities[i] = priority_of(scores[i]);
  }
  return priorities;
}

// Positions within a section have 32 bits, and a blank takes three bytes there.
constexpr size_t kMaxSectionBytes = INT32_MAX / 3;

Status check_section(size_t size) {
  if (size <= kMaxSectionBytes) return {};
  return error(ErrorKind::invalid_argument, "text: expected at most {} bytes between two words, found {}",
               kMaxSectionBytes, size);
}

// A literal U+2581 is a blank too: the format does not tell them apart.
size_t blank_length(std::string_view text, size_t at) {
  if (text[at] == ' ') return 1;
  return text.substr(at, kBlank.size()) == kBlank ? kBlank.size() : 0;
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> SentencePieceTokenizer::create(TokenizerData data,
                                                                  const CancelFlag* cancel) {
  LEOAM_ASSIGN_OR_RETURN(std::unique_ptr<const Vocabulary> vocabulary,
                         Vocabulary::build(SpellingKind::sentence_piece, true, &data, cancel));
  LEOAM_ASSIGN_OR_RETURN(std::vector<uint32_t> priorities, read_priorities(data.scores));
  return std::unique_ptr<Tokenizer>(
      new SentencePieceTokenizer(std::move(vocabulary), std::move(priorities), data.add_space_prefix != 0));
}

SentencePieceTokenizer::SentencePieceTokenizer(std::unique_ptr<const Vocabulary> vocabulary,
                                               std::vector<uint32_t> priorities, bool adds_space)
    : Tokenizer(std::move(vocabulary), adds_space), priorities_(std::move(priorities)) {
  find_joiners();
}

void SentencePieceTokenizer::find_joiners() {
  for (uint32_t i = 0; i < vocabulary().size(); ++i) {
    const std::string& spelling = vocabulary().spelling(static_cast<int32_t>(i));
    for (size_t at = spelling.find(kBlank, 1); at != std::string::npos; at = spelling.find(kBlank, at + 1)) {
      joins_blank_[static_cast<uint8_t>(spelling[at - 1])] = true;
    }
  }
}

int32_t SentencePieceTokenizer::find_text(std::string_view spelling) const {
  const int32_t id = vocabulary().find(spelling);
  return id >= 0 && vocabulary().is_text(id) ? id : -1;
}

// The end of the section that begins at `begin`: before the next blank that nothing joins to what precedes
// it.
size_t SentencePieceTokenizer::section_end(std::string_view text, size_t begin) const {
  bool after_blank = blank_length(text, begin) > 0;
  for (size_t at = begin; at < text.size();) {
    const size_t blank = blank_length(text, at);
    if (blank > 0 && !after_blank && !joins_blank_[static_cast<uint8_t>(text[at - 1])]) return at;
    after_blank = blank > 0;
    at += blank > 0 ? blank : 1;
  }
  return text.size();
}

Status SentencePieceTokenizer::append_text(std::string_view text, bool opens, MergeScratch* scratch,
                                           std::vector<int32_t>* tokens) const {
  bool adds_space = opens && strips_leading_space();
  for (size_t at = 0; at < text.size();) {
    const std::string_view section = text.substr(at, section_end(text, at) - at);
    // The added blank belongs to the first section even where that starts with blanks of its own.
    LEOAM_RETURN_IF_ERROR(check_section(section.size()));
    if (adds_space) {
      append_section(section, adds_space, scratch, tokens);
    } else {
      scratch->words.append(section, tokens,
                            [&](std::vector<int32_t>* out) { append_section(section, false, scratch, out); });
    }
    adds_space = false;
    at += section.size();
  }
  return {};
}

void SentencePieceTokenizer::append_section(std::string_view text, bool adds_space, MergeScratch* scratch,
                                            std::vector<int32_t>* tokens) const {
  std::string& section_text = scratch->spelling;
  section_text.clear();
  if (adds_space) section_text = kBlank;
  for (const char c : text) {
    if (c == ' ') {
      section_text.append(kBlank);
    } else {
      section_text.push_back(c);
    }
  }
  const std::string_view section = section_text;

  scratch->clear();
  for (size_t at = 0; at < section.size();) {
    const uint32_t size = code_point_at(section, at).size;
    scratch->add_symbol(static_cast<uint32_t>(at), size, -1);
    at += size;
  }
  const size_t longest = vocabulary().longest_spelling();
  merge_symbols(scratch, [&](const Symbol& left, const Symbol& right) -> Join {
    const size_t size = left.size + right.size;
    if (size > longest) return {0, -1};
    const int32_t id = find_text(section.substr(left.begin, size));
    return {id < 0 ? 0 : priorities_[static_cast<size_t>(id)], id};
  });
  for (int32_t at = 0; at >= 0; at = scratch->symbols[static_cast<size_t>(at)].next) {
    const Symbol& symbol = scratch->symbols[static_cast<size_t>(at)];
    const std::string_view spelling = section.substr(symbol.begin, symbol.size);
    const int32_t id = symbol.id >= 0 ? symbol.id : find_text(spelling);
    if (id >= 0) {
      tokens->push_back(id);
    } else if (vocabulary().byte_token(0) < 0) {
      tokens->push_back(vocabulary().unknown());
    } else {
      for (const char byte : spelling) tokens->push_back(vocabulary().byte_token(static_cast<uint8_t>(byte)));
    }
  }
}

}  // namespace leoam
