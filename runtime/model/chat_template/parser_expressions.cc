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

Status Parser::parse_trailers(ExpressionRef& operand, bool with_filters) {
  std::vector<Trailer> trailers;
  const uint32_t line = token_.line;
  bool filters_begun = false;
  while (true) {
    // After a filter or a test only those and calls may follow.
    const bool dot = !filters_begun && token_.is_symbol(".");
    const bool subscript = !filters_begun && token_.is_symbol("[");
    const bool filter = with_filters && token_.is_symbol("|");
    const bool test = with_filters && token_.is_name("is");
    Trailer trailer;
    if (dot) {
      LEOAM_ASSIGN_OR_RETURN(trailer, parse_dot());
    } else if (subscript) {
      LEOAM_ASSIGN_OR_RETURN(trailer, parse_subscript());
    } else if (token_.is_symbol("(")) {
      trailer.kind = TrailerKind::call;
      trailer.line = token_.line;
      LEOAM_RETURN_IF_ERROR(parse_arguments(trailer));
    } else if (filter) {
      filters_begun = true;
      LEOAM_RETURN_IF_ERROR(advance());
      LEOAM_ASSIGN_OR_RETURN(trailer, parse_filter());
    } else if (test) {
      filters_begun = true;
      LEOAM_ASSIGN_OR_RETURN(trailer, parse_test());
    } else {
      break;
    }
    LEOAM_RETURN_IF_ERROR(count_node());
    trailers.push_back(std::move(trailer));
  }
  if (trailers.empty()) return {};
  LEOAM_ASSIGN_OR_RETURN(auto trailed, make(ExpressionKind::trailed));
  trailed->line = line;
  trailed->operands.push_back(std::move(operand));
  trailed->trailers = std::move(trailers);
  operand = std::move(trailed);
  return {};
}

Result<Trailer> Parser::parse_dot() {
  Trailer trailer;
  trailer.line = token_.line;
  LEOAM_RETURN_IF_ERROR(advance());
  if (token_.kind == TokenKind::integer) {
    trailer.kind = TrailerKind::item;
    LEOAM_ASSIGN_OR_RETURN(auto index, parse_number());
    trailer.arguments.push_back({nullptr, std::move(index)});
    return trailer;
  }
  LEOAM_ASSIGN_OR_RETURN(trailer.name, take_name("the name of an attribute"));
  return trailer;
}

Result<Trailer> Parser::parse_subscript() {
  Trailer trailer;
  trailer.kind = TrailerKind::item;
  trailer.line = token_.line;
  LEOAM_RETURN_IF_ERROR(advance());
  const auto ends_bound = [this] { return token_.is_symbol(":") || token_.is_symbol("]"); };
  ExpressionRef first;
  if (!ends_bound()) {
    LEOAM_ASSIGN_OR_RETURN(first, parse_expression());
  } else if (token_.is_symbol("]")) {
    return unexpected("an expression");
  }
  trailer.arguments.push_back({nullptr, std::move(first)});
  if (token_.is_symbol(":")) {
    trailer.kind = TrailerKind::slice;
    trailer.arguments.resize(3);
    for (size_t bound = 1; bound < 3 && token_.is_symbol(":"); ++bound) {
      LEOAM_RETURN_IF_ERROR(advance());
      if (ends_bound()) continue;
      LEOAM_ASSIGN_OR_RETURN(trailer.arguments[bound].value, parse_expression());
    }
  }
  if (token_.is_symbol(",")) {
    return error(ErrorKind::unsupported, "line {}: several subscripts in one pair of brackets", token_.line);
  }
  LEOAM_RETURN_IF_ERROR(expect_symbol("]"));
  return trailer;
}

Result<Trailer> Parser::parse_filter() {
  Trailer trailer;
  trailer.kind = TrailerKind::filter;
  trailer.line = token_.line;
  LEOAM_ASSIGN_OR_RETURN(trailer.name, take_name("the name of a filter"));
  if (token_.is_symbol("(")) LEOAM_RETURN_IF_ERROR(parse_arguments(trailer));
  return trailer;
}

Result<Trailer> Parser::parse_test() {
  Trailer trailer;
  trailer.kind = TrailerKind::test;
  trailer.line = token_.line;
  LEOAM_RETURN_IF_ERROR(advance());
  LEOAM_ASSIGN_OR_RETURN(trailer.negated, skip_name("not"));
  LEOAM_ASSIGN_OR_RETURN(trailer.name, take_name("the name of a test"));
  LEOAM_RETURN_IF_ERROR(parse_test_argument(trailer));
  return trailer;
}

// A test's argument may stand without parentheses: `x is divisibleby 3`.
Status Parser::parse_test_argument(Trailer& test) {
  if (token_.is_symbol("(")) return parse_arguments(test);
  const bool starts_argument = token_.kind == TokenKind::string || token_.kind == TokenKind::integer ||
                               token_.kind == TokenKind::real || token_.is_symbol("[") ||
                               token_.is_symbol("{") ||
                               (token_.kind == TokenKind::name && !token_.is_name("else") &&
                                !token_.is_name("or") && !token_.is_name("and"));
  if (!starts_argument) return {};
  if (token_.is_name("is")) {
    return error(ErrorKind::corrupt, "line {}: tests cannot be chained with 'is'", token_.line);
  }
  LEOAM_RETURN_IF_ERROR(enter());
  LEOAM_ASSIGN_OR_RETURN(auto argument, parse_primary());
  LEOAM_RETURN_IF_ERROR(parse_trailers(argument, false));
  leave();
  test.arguments.push_back({nullptr, std::move(argument)});
  return {};
}

Status Parser::parse_arguments(Trailer& trailer) {
  LEOAM_RETURN_IF_ERROR(advance());
  bool named = false;
  while (!token_.is_symbol(")")) {
    if (!trailer.arguments.empty()) {
      LEOAM_RETURN_IF_ERROR(expect_symbol(","));
      if (token_.is_symbol(")")) break;
    }
    if (token_.is_symbol("*") || token_.is_symbol("**")) {
      return error(ErrorKind::unsupported, "line {}: arguments unpacked with '{}'", token_.line,
                   token_.spelling);
    }
    Argument argument;
    if (token_.kind == TokenKind::name) {
      LEOAM_RETURN_IF_ERROR(peek());
      if (peeked_.is_symbol("=")) {
        argument.name = intern(token_.spelling).spelling;
        LEOAM_RETURN_IF_ERROR(advance());
        LEOAM_RETURN_IF_ERROR(advance());
        named = true;
      }
    }
    if (named && argument.name == nullptr) return unexpected("a named argument after a named one");
    LEOAM_ASSIGN_OR_RETURN(argument.value, parse_expression());
    trailer.arguments.push_back(std::move(argument));
  }
  return advance();
}

}  // namespace leoam::chat
