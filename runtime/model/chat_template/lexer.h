// Lexer: the source of a template as tokens, with the white-space control of Jinja as Hugging Face sets it
// (trim_blocks and lstrip_blocks on, one trailing line end of the source dropped).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace leoam::chat {

enum class TokenKind : uint8_t {
  end,
  text,  // outside the tags, white space already trimmed
  block_begin,
  block_end,
  output_begin,
  output_end,
  name,
  string,  // with its quotes and escapes
  integer,
  real,
  symbol,
};

struct Token {
  TokenKind kind = TokenKind::end;
  uint32_t line = 1;
  std::string_view spelling;  // inside the lexer's source

  bool is_symbol(std::string_view wanted) const { return kind == TokenKind::symbol && spelling == wanted; }
  bool is_name(std::string_view wanted) const { return kind == TokenKind::name && spelling == wanted; }
  // For messages: "'endfor'", "the end of the template".
  std::string display() const;
};

class Lexer {
 public:
  explicit Lexer(std::string_view source);
  Lexer(const Lexer&) = delete;
  Lexer& operator=(const Lexer&) = delete;

  // Fails with corrupt; the message starts with the line. After the end it goes on returning the end.
  Result<Token> next();

 private:
  enum class Mode : uint8_t { text, block, output };
  struct Tag {
    char kind = 0;  // '%', '{', '#'; 'r' for a raw block; 0 at the end of the source
    size_t begin = 0;
    size_t end = 0;  // after the opening mark
    char sign = 0;   // '-', '+' or 0
  };

  Result<Token> next_text();
  Result<Token> next_in_tag();
  Tag find_tag() const;
  size_t raw_begin(size_t at) const;
  size_t end_of_text(const Tag& tag) const;
  Status skip_comment();
  Result<Token> take_raw();
  std::optional<Token> take_tag_end();
  Result<Token> take_string();
  std::optional<Token> take_number();
  Result<Token> take_symbol();
  Status track_bracket(char symbol);

  std::string_view rest() const { return std::string_view(source_).substr(at_); }
  bool starts(std::string_view mark) const { return rest().substr(0, mark.size()) == mark; }
  // Moves on and counts lines.
  Token take(TokenKind kind, size_t size);
  void skip(size_t size);
  Status corrupt(std::string_view found) const;

  std::string source_;
  size_t at_ = 0;
  uint32_t line_ = 1;
  Mode mode_ = Mode::text;
  std::optional<Tag> pending_;  // a tag whose preceding text was already returned
  bool at_line_start_ = true;
  std::string brackets_;  // closing ones still expected
};

}  // namespace leoam::chat
