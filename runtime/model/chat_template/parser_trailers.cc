#include "runtime/model/chat_template/parser.h"

namespace leoam::chat {

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
