#include "runtime/model/chat_template/lexer.h"

#include <algorithm>
#include <array>

#include "runtime/model/chat_template/characters.h"

namespace leoam::chat {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// Every line end as "\n", and the last one of the source dropped.
std::string normalize_lines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out.push_back(source[i]);
      continue;
    }
    out.push_back('\n');
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

// Length of digits with single underscores between them, 0 when there is none.
size_t digits_size(std::string_view text) {
  size_t n = 0;
  while (n < text.size()) {
    if (is_digit(text[n])) {
      ++n;
    } else if (text[n] == '_' && n > 0 && n + 1 < text.size() && is_digit(text[n + 1])) {
      n += 2;
    } else {
      break;
    }
  }
  return n;
}

bool is_base_digit(char c, char base) {
  if (base == 'b') return c == '0' || c == '1';
  if (base == 'o') return c >= '0' && c <= '7';
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// 0b1, 0o7, 0xf; 0 when it is none of them.
size_t based_integer_size(std::string_view text) {
  if (text.size() < 3 || text[0] != '0') return 0;
  const char base = static_cast<char>(text[1] | 0x20);
  if (base != 'b' && base != 'o' && base != 'x') return 0;
  size_t n = 2;
  while (n < text.size()) {
    if (is_base_digit(text[n], base)) {
      ++n;
    } else if (text[n] == '_' && n + 1 < text.size() && is_base_digit(text[n + 1], base)) {
      n += 2;
    } else {
      break;
    }
  }
  return n > 2 ? n : 0;
}

// Length of a fraction and an exponent that follow the digits of a number, 0 when it has neither.
size_t fraction_size(std::string_view text) {
  size_t n = 0;
  if (!text.empty() && text[0] == '.') {
    const size_t digits = digits_size(text.substr(1));
    if (digits > 0) n = 1 + digits;
  }
  if (n < text.size() && (text[n] == 'e' || text[n] == 'E')) {
    const size_t sign = n + 1 < text.size() && (text[n + 1] == '+' || text[n + 1] == '-') ? 1 : 0;
    const size_t digits = digits_size(text.substr(std::min(text.size(), n + 1 + sign)));
    if (digits > 0) n += 1 + sign + digits;
  }
  return n;
}

}  // namespace

std::string Token::display() const {
  constexpr size_t kShown = 40;
  if (kind == TokenKind::end) return "the end of the template";
  if (kind == TokenKind::text) return "text";
  std::string shown = "'";
  size_t at = 0;
  while (at < spelling.size() && at < kShown) {
    const Character character = character_at(spelling, at);
    shown += character.code_point < 0x20 ? "?" : spelling.substr(at, character.size_bytes);
    at += character.size_bytes;
  }
  return shown + (at < spelling.size() ? "...'" : "'");
}

Lexer::Lexer(std::string_view source) : source_(normalize_lines(source)) {}

Status Lexer::corrupt(std::string_view found) const {
  return error(ErrorKind::corrupt, "line {}: {}", line_, found);
}

void Lexer::skip(size_t size) {
  const auto begin = source_.begin() + static_cast<ptrdiff_t>(at_);
  line_ += static_cast<uint32_t>(std::count(begin, begin + static_cast<ptrdiff_t>(size), '\n'));
  at_ += size;
}

Token Lexer::take(TokenKind kind, size_t size) {
  const Token token{kind, line_, std::string_view(source_).substr(at_, size)};
  skip(size);
  return token;
}

Result<Token> Lexer::next() {
  return mode_ == Mode::text ? next_text() : next_in_tag();
}

// Offset after "{% raw %}" and its trimmed space when that follows at `at` (after "{%" and the sign), else 0.
size_t Lexer::raw_begin(size_t at) const {
  const std::string_view source = source_;
  at = skip_space(source, at);
  if (source.substr(at, 3) != "raw") return 0;
  at = skip_space(source, at + 3);
  if (source.substr(at, 3) == "-%}") return skip_space(source, at + 3);
  return source.substr(at, 2) == "%}" ? at + 2 : 0;
}

Lexer::Tag Lexer::find_tag() const {
  Tag tag;
  const std::string_view source = source_;
  for (size_t at = source.find('{', at_); at != std::string_view::npos; at = source.find('{', at + 1)) {
    if (at + 1 == source.size()) break;
    const char kind = source[at + 1];
    if (kind != '%' && kind != '{' && kind != '#') continue;
    tag.kind = kind;
    tag.begin = at;
    tag.end = at + 2;
    if (tag.end < source.size() && (source[tag.end] == '-' || source[tag.end] == '+')) {
      tag.sign = source[tag.end++];
    }
    if (kind == '%') {
      if (const size_t raw = raw_begin(tag.end); raw != 0) {
        tag.kind = 'r';
        tag.end = raw;
      }
    }
    return tag;
  }
  tag.begin = tag.end = source.size();
  return tag;
}

// Where the text before a tag ends once the tag's sign and lstrip_blocks have trimmed it.
size_t Lexer::end_of_text(const Tag& tag) const {
  const std::string_view text = std::string_view(source_).substr(at_, tag.begin - at_);
  if (tag.kind == 0) return tag.begin;
  if (tag.sign == '-') return at_ + before_trailing_space(text);
  if (tag.sign == '+' || tag.kind == '{') return tag.begin;
  const size_t line_end = text.rfind('\n');
  const size_t line_begin = line_end == std::string_view::npos ? 0 : line_end + 1;
  if (line_begin == 0 && !at_line_start_) return tag.begin;
  return skip_space(text, line_begin) == text.size() ? at_ + line_begin : tag.begin;
}

Result<Token> Lexer::next_text() {
  while (true) {
    if (!pending_) {
      pending_ = find_tag();
      const size_t size = end_of_text(*pending_) - at_;
      if (size > 0) return take(TokenKind::text, size);
    }
    const Tag tag = *std::exchange(pending_, std::nullopt);
    skip(tag.begin - at_);
    if (tag.kind == 0) return Token{TokenKind::end, line_, {}};
    const Token opening = take(TokenKind::block_begin, tag.end - tag.begin);
    at_line_start_ = source_[at_ - 1] == '\n';
    if (tag.kind == '#') {
      LEOAM_RETURN_IF_ERROR(skip_comment());
      continue;
    }
    if (tag.kind == 'r') {
      LEOAM_ASSIGN_OR_RETURN(const Token raw, take_raw());
      if (!raw.spelling.empty()) return raw;
      continue;
    }
    mode_ = tag.kind == '%' ? Mode::block : Mode::output;
    return Token{tag.kind == '%' ? TokenKind::block_begin : TokenKind::output_begin, opening.line,
                 opening.spelling};
  }
}

Status Lexer::skip_comment() {
  const size_t close = source_.find("#}", at_);
  if (close == std::string::npos) return corrupt("the comment does not end");
  const char sign = close > at_ ? source_[close - 1] : ' ';
  size_t end = close + 2;
  if (sign == '-') {
    end = skip_space(source_, end);
  } else if (sign != '+' && end < source_.size() && source_[end] == '\n') {
    ++end;
  }
  skip(end - at_);
  at_line_start_ = source_[at_ - 1] == '\n';
  return {};
}

// The text up to "{% endraw %}", which is consumed.
Result<Token> Lexer::take_raw() {
  const std::string_view source = source_;
  Tag tag;
  for (size_t at = source.find("{%", at_);; at = source.find("{%", at + 1)) {
    if (at == std::string_view::npos) return corrupt("the raw block does not end");
    tag = Tag{'r', at, at + 2, 0};
    if (tag.end < source.size() && (source[tag.end] == '-' || source[tag.end] == '+'))
      tag.sign = source[tag.end++];
    size_t end = skip_space(source, tag.end);
    if (source.substr(end, 6) != "endraw") continue;
    end = skip_space(source, end + 6);
    if (source.substr(end, 3) == "-%}") {
      tag.end = skip_space(source, end + 3);
      break;
    }
    if (source.substr(end, 3) == "+%}") {
      tag.end = end + 3;
      break;
    }
    if (source.substr(end, 2) == "%}") {
      tag.end = end + 2;
      if (tag.end < source.size() && source[tag.end] == '\n') ++tag.end;
      break;
    }
  }
  const Token raw = take(TokenKind::text, end_of_text(tag) - at_);
  skip(tag.end - at_);
  at_line_start_ = source_[at_ - 1] == '\n';
  return raw;
}

std::optional<Token> Lexer::take_tag_end() {
  // Inside brackets "}}" closes two dicts.
  if (!brackets_.empty()) return std::nullopt;
  const std::string_view mark = mode_ == Mode::block ? "%}" : "}}";
  const bool has_sign = starts("-") || (mode_ == Mode::block && starts("+"));
  if (rest().substr(has_sign ? 1 : 0, 2) != mark) return std::nullopt;
  const char sign = has_sign ? source_[at_] : ' ';
  size_t end = at_ + (has_sign ? 3 : 2);
  if (sign == '-') {
    end = skip_space(source_, end);
  } else if (sign != '+' && mode_ == Mode::block && end < source_.size() && source_[end] == '\n') {
    ++end;
  }
  const TokenKind kind = mode_ == Mode::block ? TokenKind::block_end : TokenKind::output_end;
  Token token = take(kind, end - at_);
  token.spelling = mark;
  at_line_start_ = source_[at_ - 1] == '\n';
  mode_ = Mode::text;
  return token;
}

Result<Token> Lexer::next_in_tag() {
  skip(skip_space(source_, at_) - at_);
  if (at_ == source_.size()) return corrupt("the tag does not end");
  if (auto token = take_tag_end()) return *token;
  if (auto token = take_number()) return *token;
  const char c = source_[at_];
  if (is_letter(c)) {
    size_t size = 1;
    while (at_ + size < source_.size() && (is_letter(source_[at_ + size]) || is_digit(source_[at_ + size])))
      ++size;
    return take(TokenKind::name, size);
  }
  if (c == '\'' || c == '"') return take_string();
  return take_symbol();
}

std::optional<Token> Lexer::take_number() {
  if (!is_digit(source_[at_])) return std::nullopt;
  const std::string_view text = rest();
  if (const size_t size = based_integer_size(text); size > 0) return take(TokenKind::integer, size);
  // After a dot digits are an index: a.0.1 has no number with a fraction in it.
  const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';
  const size_t digits = digits_size(text);
  const size_t fraction = after_dot ? 0 : fraction_size(text.substr(digits));
  if (fraction > 0) return take(TokenKind::real, digits + fraction);
  if (text[0] != '0') return take(TokenKind::integer, digits);
  // A leading zero stands alone or among zeros.
  size_t zeros = 1;
  while (zeros < digits && (text[zeros] == '0' || text[zeros] == '_')) ++zeros;
  if (text[zeros - 1] == '_') --zeros;
  return take(TokenKind::integer, zeros);
}

Result<Token> Lexer::take_string() {
  const char quote = source_[at_];
  size_t end = at_ + 1;
  while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
  if (end >= source_.size()) return corrupt("the string does not end");
  return take(TokenKind::string, end + 1 - at_);
}

Status Lexer::track_bracket(char symbol) {
  if (symbol == '(') brackets_.push_back(')');
  if (symbol == '[') brackets_.push_back(']');
  if (symbol == '{') brackets_.push_back('}');
  if (symbol != ')' && symbol != ']' && symbol != '}') return {};
  if (brackets_.empty()) return corrupt(fmt::format("'{}' closes nothing", symbol));
  if (brackets_.back() != symbol)
    return corrupt(fmt::format("expected '{}', found '{}'", brackets_.back(), symbol));
  brackets_.pop_back();
  return {};
}

Result<Token> Lexer::take_symbol() {
  static constexpr std::array<std::string_view, 6> kDouble = {"//", "**", "==", "!=", ">=", "<="};
  for (const std::string_view symbol : kDouble) {
    if (starts(symbol)) return take(TokenKind::symbol, symbol.size());
  }
  static constexpr std::string_view kSingle = "+-/*%~[](){}><=.:|,;";
  if (kSingle.find(source_[at_]) == std::string_view::npos) {
    const Character found = character_at(source_, at_);
    const std::string_view spelling = rest().substr(0, found.size_bytes);
    if (found.code_point < 0x20)
      return corrupt(fmt::format("unexpected byte 0x{:02x}", static_cast<uint8_t>(spelling[0])));
    return corrupt(fmt::format("unexpected '{}'", spelling));
  }
  LEOAM_RETURN_IF_ERROR(track_bracket(source_[at_]));
  return take(TokenKind::symbol, 1);
}

}  // namespace leoam::chat
