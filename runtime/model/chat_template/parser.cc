#include "runtime/model/chat_template/parser.h"

#include "runtime/model/chat_template/characters.h"

namespace leoam::chat {
namespace {

// Bounds the memory of the parsed form; the longest templates of the models have some thousand nodes.
constexpr uint32_t kMaxNodes = 1u << 17;

struct Escape {
  uint32_t code_point = 0;
  size_t size = 0;  // characters used after the backslash
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

Result<Escape> hex_escape(std::string_view after, size_t n_digits) {
  Escape escape{0, 1 + n_digits};
  if (after.size() < escape.size) return error(ErrorKind::corrupt, "the escape \\{} is cut short", after[0]);
  for (size_t i = 1; i <= n_digits; ++i) {
    const int digit = hex_digit(after[i]);
    if (digit < 0)
      return error(ErrorKind::corrupt, "the escape \\{} needs {} hexadecimal digits", after[0], n_digits);
    escape.code_point = escape.code_point * 16 + static_cast<uint32_t>(digit);
  }
  if (escape.code_point > 0x10ffff || (escape.code_point >= 0xd800 && escape.code_point <= 0xdfff)) {
    return error(ErrorKind::corrupt, "the escape \\{} gives U+{:04X}, which is no character", after[0],
                 escape.code_point);
  }
  return escape;
}

Escape octal_escape(std::string_view after) {
  Escape escape;
  while (escape.size < 3 && escape.size < after.size() && after[escape.size] >= '0' &&
         after[escape.size] <= '7') {
    escape.code_point = escape.code_point * 8 + static_cast<uint32_t>(after[escape.size++] - '0');
  }
  return escape;
}

}  // namespace

Result<std::string> unescape(std::string_view literal) {
  static constexpr std::string_view kShort = "\\'\"abfnrtv";
  static constexpr std::string_view kMeaning = "\\'\"\a\b\f\n\r\t\v";
  std::string out;
  for (size_t at = 0; at < literal.size(); ++at) {
    if (literal[at] != '\\' || at + 1 == literal.size()) {
      out.push_back(literal[at]);
      continue;
    }
    const std::string_view after = literal.substr(at + 1);
    const char c = after[0];
    if (const size_t known = kShort.find(c); known != std::string_view::npos) {
      out.push_back(kMeaning[known]);
      at += 1;
    } else if (c == '\n') {
      at += 1;
    } else if (c == 'x' || c == 'u' || c == 'U') {
      LEOAM_ASSIGN_OR_RETURN(const Escape escape, hex_escape(after, c == 'x' ? 2 : (c == 'u' ? 4 : 8)));
      append_utf8(escape.code_point, &out);
      at += escape.size;
    } else if (c >= '0' && c <= '7') {
      const Escape escape = octal_escape(after);
      append_utf8(escape.code_point, &out);
      at += escape.size;
    } else if (c == 'N') {
      return error(ErrorKind::unsupported, "the escape \\N (a character by its name)");
    } else {
      out.push_back('\\');
    }
  }
  return out;
}

Status Parser::advance() {
  if (has_peeked_) {
    token_ = peeked_;
    has_peeked_ = false;
    return {};
  }
  LEOAM_ASSIGN_OR_RETURN(token_, lexer_.next());
  return {};
}

Status Parser::peek() {
  if (has_peeked_) return {};
  LEOAM_ASSIGN_OR_RETURN(peeked_, lexer_.next());
  has_peeked_ = true;
  return {};
}

Result<bool> Parser::skip_symbol(std::string_view symbol) {
  if (!token_.is_symbol(symbol)) return false;
  LEOAM_RETURN_IF_ERROR(advance());
  return true;
}

Result<bool> Parser::skip_name(std::string_view name) {
  if (!token_.is_name(name)) return false;
  LEOAM_RETURN_IF_ERROR(advance());
  return true;
}

Status Parser::unexpected(std::string_view wanted) const {
  return error(ErrorKind::corrupt, "line {}: expected {}, found {}", token_.line, wanted, token_.display());
}

Status Parser::expect_symbol(std::string_view symbol) {
  if (!token_.is_symbol(symbol)) return unexpected(fmt::format("'{}'", symbol));
  return advance();
}

Status Parser::expect_name(std::string_view name) {
  if (!token_.is_name(name)) return unexpected(fmt::format("'{}'", name));
  return advance();
}

Status Parser::expect_block_end() {
  if (token_.kind != TokenKind::block_end) return unexpected("'%}'");
  return advance();
}

Result<Name> Parser::take_name(std::string_view wanted) {
  if (token_.kind != TokenKind::name) return unexpected(wanted);
  const Name name = intern(token_.spelling);
  LEOAM_RETURN_IF_ERROR(advance());
  return name;
}

Name Parser::intern(std::string_view spelling) {
  const auto found = ids_.find(spelling);
  if (found != ids_.end()) return {found->second, syntax_.names[found->second].get()};
  const auto id = static_cast<uint32_t>(syntax_.names.size());
  syntax_.names.push_back(std::make_unique<const std::string>(spelling));
  ids_.emplace(*syntax_.names.back(), id);
  return {id, syntax_.names.back().get()};
}

Status Parser::enter() {
  if (depth_ < depth_limit_) {
    ++depth_;
    return {};
  }
  return Status::no_space(
      fmt::format("line {}: blocks and expressions are nested more than {} deep", token_.line, depth_limit_),
      uint64_t{depth_limit_} + 1, depth_limit_);
}

Status Parser::count_node() {
  if (++n_nodes_ <= kMaxNodes) return {};
  return Status::no_space(fmt::format("line {}: the template has more than {} parts", token_.line, kMaxNodes),
                          uint64_t{kMaxNodes} + 1, kMaxNodes);
}

Result<Syntax> Parser::parse() {
  syntax_.loop = intern("loop");
  LEOAM_RETURN_IF_ERROR(advance());
  LEOAM_RETURN_IF_ERROR(parse_block(syntax_.body, {}));
  return std::move(syntax_);
}

}  // namespace leoam::chat
