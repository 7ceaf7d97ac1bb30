#include "runtime/model/tokenizer/pre_tokenizer.h"

#include "runtime/model/tokenizer/unicode.h"

namespace leoam {

// size 0: past the end of the piece.
struct WordScanner::Char {
  uint32_t value;
  uint32_t size;
  CharClass kind;

  bool is_letter() const { return size > 0 && kind == CharClass::letter; }
  bool is_number() const { return size > 0 && kind == CharClass::number; }
  bool is_space() const { return size > 0 && kind == CharClass::space; }
  // [^\s\p{L}\p{N}]
  bool is_other() const { return size > 0 && (kind == CharClass::other || kind == CharClass::punctuation); }
  bool is_line_end() const { return size > 0 && (value == '\r' || value == '\n'); }
  // [\p{P}$+<=>^~|]
  bool is_standard_mark() const {
    return size > 0 && (kind == CharClass::punctuation ||
                        (value < 0x80 && std::string_view("$+<=>^~|").find(static_cast<char>(value)) !=
                                             std::string_view::npos));
  }
};

namespace {

bool is_ascii_digit(char c) {
  return c >= '0' && c <= '9';
}

char lower_ascii(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

// Length of 's 't 'm 'd 're 've 'll at the front of `text`, else 0.
size_t contraction_length(std::string_view text, bool any_case) {
  if (text.size() < 2 || text[0] != '\'') return 0;
  const char first = any_case ? lower_ascii(text[1]) : text[1];
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  if (text.size() < 3) return 0;
  const char second = any_case ? lower_ascii(text[2]) : text[2];
  if ((first == 'r' || first == 'v') && second == 'e') return 3;
  return first == 'l' && second == 'l' ? 3 : 0;
}

}  // namespace

std::optional<PreTokenizer> find_pre_tokenizer(std::string_view name) {
  if (name == "smollm") return PreTokenizer::smollm;
  if (name == "gpt-2") return PreTokenizer::gpt_2;
  if (name == "llama-bpe" || name == "llama3" || name == "llama-v3" || name == "falcon3") {
    return PreTokenizer::llama_bpe;
  }
  if (name == "qwen2" || name == "deepseek-r1-qwen") return PreTokenizer::qwen2;
  if (name == "default" || name.empty()) return PreTokenizer::standard;
  return std::nullopt;
}

std::string_view WordScanner::next() {
  const size_t begin = at_;
  switch (kind_) {
    case PreTokenizer::smollm:
      at_ = smollm_end();
      break;
    case PreTokenizer::gpt_2:
      at_ = gpt_2_end(text_.size());
      break;
    case PreTokenizer::llama_bpe:
      at_ = llama_end(3);
      break;
    case PreTokenizer::qwen2:
      at_ = llama_end(1);
      break;
    case PreTokenizer::standard:
      at_ = standard_end();
      break;
  }
  return text_.substr(begin, at_ - begin);
}

WordScanner::Char WordScanner::char_at(size_t at, size_t end) const {
  if (at >= end) return {0, 0, CharClass::other};
  const CodePoint point = code_point_at(text_, at);
  return {point.value, point.size, char_class(point.value)};
}

size_t WordScanner::skip_while(size_t at, size_t end, bool (*belongs)(const Char&)) const {
  for (Char c = char_at(at, end); belongs(c); c = char_at(at, end)) at += c.size;
  return at;
}

size_t WordScanner::gpt_2_end(size_t end) const {
  const size_t contraction = contraction_length(text_.substr(at_, end - at_), false);
  if (contraction > 0) return at_ + contraction;

  const size_t core = at_ + (text_[at_] == ' ' ? 1 : 0);
  const Char first = char_at(core, end);
  if (first.is_letter()) return skip_while(core, end, [](const Char& c) { return c.is_letter(); });
  if (first.is_number()) return skip_while(core, end, [](const Char& c) { return c.is_number(); });
  if (first.is_other()) return skip_while(core, end, [](const Char& c) { return c.is_other(); });
  return white_space_end(end);
}

// \s+(?!\S)|\s+ : all but the last white space before a word, so that it can take its blank along.
size_t WordScanner::white_space_end(size_t end) const {
  size_t at = at_, last = at_;
  for (Char c = char_at(at, end); c.is_space(); c = char_at(at, end)) {
    last = at;
    at += c.size;
  }
  return at == end || last == at_ ? at : last;
}

size_t WordScanner::llama_end(uint32_t max_numbers) const {
  const size_t end = text_.size();
  const size_t contraction = contraction_length(text_.substr(at_), true);
  if (contraction > 0) return at_ + contraction;

  const auto is_letter = [](const Char& c) { return c.is_letter(); };
  const Char first = char_at(at_, end);
  if (first.is_letter()) return skip_while(at_, end, is_letter);
  if (!first.is_line_end() && !first.is_number() && char_at(at_ + first.size, end).is_letter()) {
    return skip_while(at_ + first.size, end, is_letter);
  }

  if (first.is_number()) {
    size_t at = at_ + first.size;
    for (uint32_t n = 1; n < max_numbers; ++n) {
      const Char c = char_at(at, end);
      if (!c.is_number()) break;
      at += c.size;
    }
    return at;
  }

  const size_t core = at_ + (first.value == ' ' ? 1 : 0);
  if (char_at(core, end).is_other()) {
    const size_t at = skip_while(core, end, [](const Char& c) { return c.is_other(); });
    return skip_while(at, end, [](const Char& c) { return c.is_line_end(); });
  }

  // \s*[\r\n]+ : up to the last line end of the white space.
  size_t line_end = 0, at = at_;
  for (Char c = char_at(at, end); c.is_space(); c = char_at(at, end)) {
    at += c.size;
    if (c.is_line_end()) line_end = at;
  }
  return line_end > 0 ? line_end : white_space_end(end);
}

size_t WordScanner::smollm_end() {
  if (at_ == piece_end_) {
    const Char first = char_at(at_, text_.size());
    piece_end_ = first.is_number() ? at_ + first.size : skip_while(at_, text_.size(), [](const Char& c) {
      return c.size > 0 && !c.is_number();
    });
  }
  return gpt_2_end(piece_end_);
}

// Within a run of numbers: three ASCII digits, or what lies before the next three.
size_t WordScanner::number_piece_end() const {
  const auto three_digits = [this](size_t at) {
    return number_end_ - at >= 3 && is_ascii_digit(text_[at]) && is_ascii_digit(text_[at + 1]) &&
           is_ascii_digit(text_[at + 2]);
  };
  if (three_digits(at_)) return at_ + 3;
  size_t at = at_ + 1;
  while (at < number_end_ && !three_digits(at)) ++at;
  return at;
}

size_t WordScanner::standard_end() {
  if (at_ < number_end_) return number_piece_end();
  if (at_ == piece_end_) {
    const auto is_mark = [](const Char& c) { return c.is_standard_mark(); };
    piece_end_ = skip_while(at_, text_.size(), is_mark);
    if (piece_end_ > at_) return piece_end_;
    piece_end_ =
        skip_while(at_, text_.size(), [](const Char& c) { return c.size > 0 && !c.is_standard_mark(); });
  }
  const size_t end = gpt_2_end(piece_end_);
  const size_t core = at_ + (text_[at_] == ' ' ? 1 : 0);
  if (!char_at(core, end).is_number()) return end;
  number_end_ = end;
  return core > at_ ? core : number_piece_end();
}

}  // namespace leoam
