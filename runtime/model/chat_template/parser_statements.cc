#include <algorithm>
#include <array>

#include "runtime/model/chat_template/parser.h"

namespace leoam::chat {
namespace {

bool is_constant_name(std::string_view name) {
  static constexpr std::array<std::string_view, 6> kNames = {"true",  "True", "false",
                                                             "False", "none", "None"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

}  // namespace

// Statements up to a tag that `ends` names, whose name becomes the current token; without `ends` up to the
// end.
Status Parser::parse_block(Block& block, std::initializer_list<std::string_view> ends) {
  LEOAM_RETURN_IF_ERROR(enter());
  while (true) {
    if (token_.kind == TokenKind::text) {
      LEOAM_RETURN_IF_ERROR(count_node());
      block.push_back({token_.line, TextNode{Text(std::string(token_.spelling))}});
      LEOAM_RETURN_IF_ERROR(advance());
    } else if (token_.kind == TokenKind::output_begin) {
      LEOAM_RETURN_IF_ERROR(parse_output(block));
    } else if (token_.kind == TokenKind::block_begin) {
      LEOAM_RETURN_IF_ERROR(advance());
      const bool ended = token_.kind == TokenKind::name &&
                         std::find(ends.begin(), ends.end(), token_.spelling) != ends.end();
      if (ended) break;
      LEOAM_RETURN_IF_ERROR(parse_tag(block));
    } else if (ends.size() == 0) {
      break;
    } else {
      return unexpected(fmt::format("'{}'", *(ends.end() - 1)));
    }
  }
  leave();
  return {};
}

// A block with a scope of its own, and the name of the tag that ends it. A loop around it is not its loop.
Status Parser::parse_scope(Block& block, std::string_view end) {
  const uint32_t n_loops_open = std::exchange(n_loops_open_, 0);
  ++n_scopes_open_;
  LEOAM_RETURN_IF_ERROR(parse_block(block, {end}));
  --n_scopes_open_;
  n_loops_open_ = n_loops_open;
  return advance();
}

Status Parser::parse_output(Block& block) {
  const uint32_t line = token_.line;
  LEOAM_RETURN_IF_ERROR(advance());
  LEOAM_ASSIGN_OR_RETURN(auto value, parse_list_of_expressions(Conditions::yes));
  if (token_.kind != TokenKind::output_end) return unexpected("'}}'");
  LEOAM_RETURN_IF_ERROR(count_node());
  block.push_back({line, OutputNode{std::move(value)}});
  return advance();
}

Status Parser::parse_tag(Block& block) {
  const Token tag = token_;
  if (tag.kind != TokenKind::name) return unexpected("the name of a tag");
  LEOAM_RETURN_IF_ERROR(advance());
  LEOAM_RETURN_IF_ERROR(count_node());
  LEOAM_ASSIGN_OR_RETURN(auto statement, parse_statement(tag.spelling, tag.line));
  LEOAM_RETURN_IF_ERROR(expect_block_end());
  block.push_back(std::move(statement));
  return {};
}

// Everything of a tag but the end of its last mark.
Result<Statement> Parser::parse_statement(std::string_view tag, uint32_t line) {
  Statement statement{line, {}};
  if (tag == "if") {
    LEOAM_ASSIGN_OR_RETURN(statement.node, parse_if());
  } else if (tag == "for") {
    LEOAM_ASSIGN_OR_RETURN(statement.node, parse_for());
  } else if (tag == "set") {
    LEOAM_RETURN_IF_ERROR(parse_set(statement));
  } else if (tag == "macro") {
    LEOAM_ASSIGN_OR_RETURN(statement.node, parse_macro());
  } else if (tag == "with") {
    LEOAM_ASSIGN_OR_RETURN(statement.node, parse_with());
  } else if (tag == "filter") {
    FilterNode node;
    LEOAM_ASSIGN_OR_RETURN(node.filters, parse_filters());
    if (node.filters.empty()) return unexpected("the name of a filter");
    LEOAM_RETURN_IF_ERROR(expect_block_end());
    LEOAM_RETURN_IF_ERROR(parse_scope(node.body, "endfilter"));
    statement.node = std::move(node);
  } else if (tag == "generation") {
    GenerationNode node;
    LEOAM_RETURN_IF_ERROR(expect_block_end());
    LEOAM_RETURN_IF_ERROR(parse_scope(node.body, "endgeneration"));
    statement.node = std::move(node);
  } else if (tag == "break" || tag == "continue") {
    if (n_loops_open_ == 0) return error(ErrorKind::corrupt, "line {}: '{}' outside a loop", line, tag);
    if (tag == "break") {
      statement.node = BreakNode{};
    } else {
      statement.node = ContinueNode{};
    }
  } else if (tag.substr(0, 3) == "end" || tag == "else" || tag == "elif") {
    return error(ErrorKind::corrupt, "line {}: '{}' has nothing to end", line, tag);
  } else {
    return error(ErrorKind::unsupported, "line {}: the tag '{}'", line, tag);
  }
  return statement;
}

Result<IfNode> Parser::parse_if() {
  IfNode node;
  while (true) {
    LEOAM_ASSIGN_OR_RETURN(auto condition, parse_list_of_expressions(Conditions::no));
    LEOAM_RETURN_IF_ERROR(expect_block_end());
    auto& branch = node.branches.emplace_back(std::move(condition), Block());
    LEOAM_RETURN_IF_ERROR(parse_block(branch.second, {"elif", "else", "endif"}));
    LEOAM_ASSIGN_OR_RETURN(const bool elif, skip_name("elif"));
    if (elif) continue;
    LEOAM_ASSIGN_OR_RETURN(const bool otherwise, skip_name("else"));
    if (otherwise) {
      LEOAM_RETURN_IF_ERROR(expect_block_end());
      auto& last = node.branches.emplace_back(nullptr, Block());
      LEOAM_RETURN_IF_ERROR(parse_block(last.second, {"endif"}));
    }
    LEOAM_RETURN_IF_ERROR(advance());
    return node;
  }
}

Result<ForNode> Parser::parse_for() {
  ForNode node;
  LEOAM_ASSIGN_OR_RETURN(node.target, parse_target(true));
  LEOAM_RETURN_IF_ERROR(expect_name("in"));
  LEOAM_ASSIGN_OR_RETURN(node.items, parse_list_of_expressions(Conditions::no));
  LEOAM_ASSIGN_OR_RETURN(const bool filtered, skip_name("if"));
  if (filtered) {
    LEOAM_ASSIGN_OR_RETURN(node.condition, parse_expression());
  }
  if (token_.is_name("recursive")) {
    return error(ErrorKind::unsupported, "line {}: a recursive loop", token_.line);
  }
  LEOAM_RETURN_IF_ERROR(expect_block_end());
  ++n_loops_open_;
  ++n_scopes_open_;
  LEOAM_RETURN_IF_ERROR(parse_block(node.body, {"else", "endfor"}));
  --n_loops_open_;
  LEOAM_ASSIGN_OR_RETURN(const bool otherwise, skip_name("else"));
  if (otherwise) {
    LEOAM_RETURN_IF_ERROR(expect_block_end());
    LEOAM_RETURN_IF_ERROR(parse_block(node.otherwise, {"endfor"}));
  }
  --n_scopes_open_;
  LEOAM_RETURN_IF_ERROR(advance());
  return node;
}

Status Parser::parse_set(Statement& statement) {
  LEOAM_ASSIGN_OR_RETURN(auto target, parse_target(true));
  LEOAM_ASSIGN_OR_RETURN(const bool has_value, skip_symbol("="));
  if (has_value) {
    LEOAM_ASSIGN_OR_RETURN(auto value, parse_list_of_expressions(Conditions::yes));
    statement.node = SetNode{std::move(target), std::move(value)};
    return {};
  }
  SetBlockNode node;
  node.target = std::move(target);
  if (token_.is_symbol("|")) {
    LEOAM_RETURN_IF_ERROR(advance());
    LEOAM_ASSIGN_OR_RETURN(node.filters, parse_filters());
  }
  LEOAM_RETURN_IF_ERROR(expect_block_end());
  LEOAM_RETURN_IF_ERROR(parse_scope(node.body, "endset"));
  statement.node = std::move(node);
  return {};
}

Result<WithNode> Parser::parse_with() {
  WithNode node;
  while (token_.kind != TokenKind::block_end) {
    if (!node.values.empty()) LEOAM_RETURN_IF_ERROR(expect_symbol(","));
    LEOAM_ASSIGN_OR_RETURN(auto target, parse_target(false));
    LEOAM_RETURN_IF_ERROR(expect_symbol("="));
    LEOAM_ASSIGN_OR_RETURN(auto value, parse_expression());
    node.values.emplace_back(std::move(target), std::move(value));
  }
  LEOAM_RETURN_IF_ERROR(expect_block_end());
  ++n_scopes_open_;
  LEOAM_RETURN_IF_ERROR(parse_block(node.body, {"endwith"}));
  --n_scopes_open_;
  LEOAM_RETURN_IF_ERROR(advance());
  return node;
}

Result<MacroNode> Parser::parse_macro() {
  if (n_scopes_open_ > 0) {
    return error(ErrorKind::unsupported, "line {}: a macro inside a loop, a macro or another scope",
                 token_.line);
  }
  MacroNode node;
  LEOAM_ASSIGN_OR_RETURN(node.name, take_name("the name of the macro"));
  LEOAM_RETURN_IF_ERROR(expect_symbol("("));
  while (!token_.is_symbol(")")) {
    if (!node.parameters.empty()) LEOAM_RETURN_IF_ERROR(expect_symbol(","));
    LEOAM_ASSIGN_OR_RETURN(const Name name, take_name("the name of a parameter"));
    ExpressionRef default_value;
    LEOAM_ASSIGN_OR_RETURN(const bool has_default, skip_symbol("="));
    if (has_default) {
      LEOAM_ASSIGN_OR_RETURN(default_value, parse_expression());
    } else if (!node.parameters.empty() && node.parameters.back().second != nullptr) {
      return error(ErrorKind::corrupt, "line {}: parameter '{}' without a default follows one with a default",
                   token_.line, *name.spelling);
    }
    node.parameters.emplace_back(name, std::move(default_value));
  }
  LEOAM_RETURN_IF_ERROR(advance());
  LEOAM_RETURN_IF_ERROR(expect_block_end());
  LEOAM_RETURN_IF_ERROR(parse_scope(node.body, "endmacro"));
  return node;
}

// name(arguments) | name(arguments) ...; the current token is the first name.
Result<std::vector<Trailer>> Parser::parse_filters() {
  std::vector<Trailer> filters;
  do {
    LEOAM_ASSIGN_OR_RETURN(auto filter, parse_filter());
    filters.push_back(std::move(filter));
    LEOAM_ASSIGN_OR_RETURN(const bool more, skip_symbol("|"));
    if (!more) break;
  } while (true);
  return filters;
}

Result<Target> Parser::parse_single_target() {
  Target target;
  if (token_.is_symbol("(")) {
    LEOAM_RETURN_IF_ERROR(enter());
    LEOAM_RETURN_IF_ERROR(advance());
    LEOAM_ASSIGN_OR_RETURN(target, parse_target(true));
    LEOAM_RETURN_IF_ERROR(expect_symbol(")"));
    leave();
    return target;
  }
  if (token_.kind == TokenKind::name && is_constant_name(token_.spelling))
    return unexpected("a name to assign to");
  LEOAM_RETURN_IF_ERROR(count_node());
  LEOAM_ASSIGN_OR_RETURN(target.name, take_name("a name to assign to"));
  LEOAM_ASSIGN_OR_RETURN(const bool dotted, skip_symbol("."));
  if (dotted) {
    LEOAM_ASSIGN_OR_RETURN(const Name attribute, take_name("the name of an attribute"));
    target.attribute = attribute.spelling;
  }
  return target;
}

Result<Target> Parser::parse_target(bool allow_tuple) {
  LEOAM_ASSIGN_OR_RETURN(auto target, parse_single_target());
  if (!allow_tuple || !token_.is_symbol(",")) return target;
  Target tuple;
  tuple.parts.push_back(std::move(target));
  while (token_.is_symbol(",")) {
    LEOAM_RETURN_IF_ERROR(advance());
    if (token_.kind != TokenKind::name && !token_.is_symbol("(")) break;
    if (token_.is_name("in")) break;
    LEOAM_ASSIGN_OR_RETURN(auto part, parse_single_target());
    tuple.parts.push_back(std::move(part));
  }
  return tuple;
}

}  // namespace leoam::chat
