#include <algorithm>
#include <array>
#include <charconv>

#include "runtime/model/chat_template/parser.h"

namespace leoam::chat {
namespace {

// Binding strength of the binary operators, weakest first.
constexpr int kOr = 1, kAnd = 2, kNot = 3, kCompare = 4, kSum = 5, kConcatenate = 6, kProduct = 7, kPower = 8;

struct OperatorSpelling {
  std::string_view spelling;
  Operator op;
  int level;
};
constexpr std::array<OperatorSpelling, 14> kSymbols = {{{"==", Operator::equal, kCompare},
                                                        {"!=", Operator::not_equal, kCompare},
                                                        {"<", Operator::less, kCompare},
                                                        {"<=", Operator::less_equal, kCompare},
                                                        {">", Operator::greater, kCompare},
                                                        {">=", Operator::greater_equal, kCompare},
                                                        {"+", Operator::add, kSum},
                                                        {"-", Operator::subtract, kSum},
                                                        {"~", Operator::concatenate, kConcatenate},
                                                        {"*", Operator::multiply, kProduct},
                                                        {"/", Operator::divide, kProduct},
                                                        {"//", Operator::floor_divide, kProduct},
                                                        {"%", Operator::modulo, kProduct},
                                                        {"**", Operator::power, kPower}}};
constexpr std::array<OperatorSpelling, 3> kWords = {{{"or", Operator::logical_or, kOr},
                                                     {"and", Operator::logical_and, kAnd},
                                                     {"in", Operator::in, kCompare}}};

std::string without_underscores(std::string_view digits) {
  std::string out(digits);
  out.erase(std::remove(out.begin(), out.end(), '_'), out.end());
  return out;
}

bool ends_tuple(const Token& token) {
  return token.kind == TokenKind::block_end || token.kind == TokenKind::output_end || token.is_symbol(")") ||
         token.kind == TokenKind::end || token.is_name("recursive");
}

}  // namespace

Result<ExpressionRef> Parser::make(ExpressionKind kind) {
  LEOAM_RETURN_IF_ERROR(count_node());
  auto expression = std::make_unique<Expression>();
  expression->kind = kind;
  expression->line = token_.line;
  return expression;
}

Result<ExpressionRef> Parser::parse_expression(Conditions conditions) {
  LEOAM_RETURN_IF_ERROR(enter());
  auto expression = conditions == Conditions::yes ? parse_condition() : parse_binary(kOr);
  leave();
  return expression;
}

Result<ExpressionRef> Parser::parse_list_of_expressions(Conditions conditions) {
  LEOAM_ASSIGN_OR_RETURN(auto first, parse_expression(conditions));
  if (!token_.is_symbol(",")) return first;
  LEOAM_ASSIGN_OR_RETURN(auto tuple, make(ExpressionKind::tuple));
  tuple->operands.push_back(std::move(first));
  while (token_.is_symbol(",")) {
    LEOAM_RETURN_IF_ERROR(advance());
    if (ends_tuple(token_)) break;
    LEOAM_ASSIGN_OR_RETURN(auto next, parse_expression(conditions));
    tuple->operands.push_back(std::move(next));
  }
  return tuple;
}

Result<ExpressionRef> Parser::parse_condition() {
  LEOAM_ASSIGN_OR_RETURN(auto value, parse_binary(kOr));
  // Each further `if` takes what is before it as its value, so the tree grows; depth counts it.
  uint32_t n_nested = 0;
  while (token_.is_name("if")) {
    LEOAM_RETURN_IF_ERROR(enter());
    ++n_nested;
    LEOAM_ASSIGN_OR_RETURN(auto condition, make(ExpressionKind::condition));
    LEOAM_RETURN_IF_ERROR(advance());
    LEOAM_ASSIGN_OR_RETURN(auto test, parse_binary(kOr));
    condition->operands.push_back(std::move(value));
    condition->operands.push_back(std::move(test));
    LEOAM_ASSIGN_OR_RETURN(const bool otherwise, skip_name("else"));
    if (otherwise) {
      LEOAM_ASSIGN_OR_RETURN(auto other, parse_condition());
      condition->operands.push_back(std::move(other));
    }
    value = std::move(condition);
  }
  depth_ -= n_nested;
  return value;
}

Result<Parser::Binary> Parser::binary_operator() {
  if (token_.kind == TokenKind::symbol) {
    for (const auto& known : kSymbols) {
      if (token_.spelling == known.spelling) return Binary{known.op, known.level, false};
    }
  } else if (token_.kind == TokenKind::name) {
    for (const auto& known : kWords) {
      if (token_.spelling == known.spelling) return Binary{known.op, known.level, false};
    }
    if (token_.spelling == "not") {
      LEOAM_RETURN_IF_ERROR(peek());
      if (peeked_.is_name("in")) return Binary{Operator::not_in, kCompare, true};
    }
  }
  return Binary{Operator::add, 0, false};
}

// Operators that bind at least as strongly as `level`. Operators of one level make one chain.
Result<ExpressionRef> Parser::parse_binary(int level) {
  ExpressionRef left;
  if (level <= kNot && token_.is_name("not")) {
    LEOAM_RETURN_IF_ERROR(enter());
    LEOAM_ASSIGN_OR_RETURN(left, make(ExpressionKind::logical_not));
    LEOAM_RETURN_IF_ERROR(advance());
    LEOAM_ASSIGN_OR_RETURN(auto operand, parse_binary(kNot));
    left->operands.push_back(std::move(operand));
    leave();
  } else {
    LEOAM_ASSIGN_OR_RETURN(left, parse_unary(true));
  }
  int chain_level = 0;
  while (true) {
    LEOAM_ASSIGN_OR_RETURN(const Binary found, binary_operator());
    if (found.level == 0 || found.level < level) return left;
    if (found.level != chain_level) {
      LEOAM_ASSIGN_OR_RETURN(auto chain, make(ExpressionKind::chain));
      chain->operands.push_back(std::move(left));
      left = std::move(chain);
      chain_level = found.level;
    }
    LEOAM_RETURN_IF_ERROR(advance());
    if (found.two_words) LEOAM_RETURN_IF_ERROR(advance());
    LEOAM_ASSIGN_OR_RETURN(auto right, parse_binary(found.level + 1));
    left->operators.push_back(found.op);
    left->operands.push_back(std::move(right));
  }
}

Result<ExpressionRef> Parser::parse_unary(bool with_filters) {
  const bool negative = token_.is_symbol("-");
  ExpressionRef operand;
  if (negative || token_.is_symbol("+")) {
    LEOAM_RETURN_IF_ERROR(enter());
    LEOAM_ASSIGN_OR_RETURN(operand, make(negative ? ExpressionKind::negative : ExpressionKind::positive));
    LEOAM_RETURN_IF_ERROR(advance());
    LEOAM_ASSIGN_OR_RETURN(auto inner, parse_unary(false));
    operand->operands.push_back(std::move(inner));
    leave();
  } else {
    LEOAM_ASSIGN_OR_RETURN(operand, parse_primary());
  }
  LEOAM_RETURN_IF_ERROR(parse_trailers(operand, with_filters));
  return operand;
}

Result<ExpressionRef> Parser::parse_primary() {
  switch (token_.kind) {
    case TokenKind::name:
      return parse_name_or_constant();
    case TokenKind::string:
      return parse_strings();
    case TokenKind::integer:
    case TokenKind::real:
      return parse_number();
    default:
      break;
  }
  if (token_.is_symbol("(")) return parse_parentheses();
  if (token_.is_symbol("[")) return parse_list();
  if (token_.is_symbol("{")) return parse_dict();
  return unexpected("an expression");
}

Result<ExpressionRef> Parser::parse_name_or_constant() {
  LEOAM_ASSIGN_OR_RETURN(auto expression, make(ExpressionKind::constant));
  const std::string_view name = token_.spelling;
  if (name == "true" || name == "True") {
    expression->constant = true;
  } else if (name == "false" || name == "False") {
    expression->constant = false;
  } else if (name == "none" || name == "None") {
    expression->constant = None{};
  } else if (name == "varargs" || name == "kwargs" || name == "caller") {
    return error(ErrorKind::unsupported, "line {}: the name '{}' of a macro's further arguments", token_.line,
                 name);
  } else {
    expression->kind = ExpressionKind::name;
    expression->name = intern(name);
  }
  LEOAM_RETURN_IF_ERROR(advance());
  return expression;
}

Result<ExpressionRef> Parser::parse_strings() {
  LEOAM_ASSIGN_OR_RETURN(auto expression, make(ExpressionKind::constant));
  std::string bytes;
  while (token_.kind == TokenKind::string) {
    auto part = unescape(token_.spelling.substr(1, token_.spelling.size() - 2));
    if (!part.ok()) return std::move(part).status().with_context(fmt::format("line {}", token_.line));
    bytes += *part;
    LEOAM_RETURN_IF_ERROR(advance());
  }
  expression->constant = Text(std::move(bytes));
  return expression;
}

Result<ExpressionRef> Parser::parse_number() {
  LEOAM_ASSIGN_OR_RETURN(auto expression, make(ExpressionKind::constant));
  std::string digits = without_underscores(token_.spelling);
  std::from_chars_result result{};
  if (token_.kind == TokenKind::real) {
    double value = 0;
    result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    expression->constant = value;
  } else {
    int base = 10;
    if (digits.size() > 2 && digits[0] == '0') {
      const char mark = static_cast<char>(digits[1] | 0x20);
      base = mark == 'x' ? 16 : (mark == 'o' ? 8 : (mark == 'b' ? 2 : 10));
      if (base != 10) digits.erase(0, 2);
    }
    int64_t value = 0;
    result = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    expression->constant = value;
  }
  if (result.ec != std::errc()) {
    return error(ErrorKind::unsupported, "line {}: the number {} (beyond 64 bits)", token_.line,
                 token_.display());
  }
  LEOAM_RETURN_IF_ERROR(advance());
  return expression;
}

Result<ExpressionRef> Parser::parse_parentheses() {
  LEOAM_RETURN_IF_ERROR(advance());
  LEOAM_ASSIGN_OR_RETURN(const bool is_empty, skip_symbol(")"));
  if (is_empty) return make(ExpressionKind::tuple);
  LEOAM_ASSIGN_OR_RETURN(auto inner, parse_list_of_expressions(Conditions::yes));
  LEOAM_RETURN_IF_ERROR(expect_symbol(")"));
  return inner;
}

Result<ExpressionRef> Parser::parse_list() {
  LEOAM_ASSIGN_OR_RETURN(auto list, make(ExpressionKind::list));
  LEOAM_RETURN_IF_ERROR(advance());
  while (!token_.is_symbol("]")) {
    if (!list->operands.empty()) {
      LEOAM_RETURN_IF_ERROR(expect_symbol(","));
      if (token_.is_symbol("]")) break;
    }
    LEOAM_ASSIGN_OR_RETURN(auto item, parse_expression());
    list->operands.push_back(std::move(item));
  }
  LEOAM_RETURN_IF_ERROR(advance());
  return list;
}

Result<ExpressionRef> Parser::parse_dict() {
  LEOAM_ASSIGN_OR_RETURN(auto dict, make(ExpressionKind::dict));
  LEOAM_RETURN_IF_ERROR(advance());
  while (!token_.is_symbol("}")) {
    if (!dict->operands.empty()) {
      LEOAM_RETURN_IF_ERROR(expect_symbol(","));
      if (token_.is_symbol("}")) break;
    }
    LEOAM_ASSIGN_OR_RETURN(auto key, parse_expression());
    LEOAM_RETURN_IF_ERROR(expect_symbol(":"));
    LEOAM_ASSIGN_OR_RETURN(auto value, parse_expression());
    dict->operands.push_back(std::move(key));
    dict->operands.push_back(std::move(value));
  }
  LEOAM_RETURN_IF_ERROR(advance());
  return dict;
}

}  // namespace leoam::chat
