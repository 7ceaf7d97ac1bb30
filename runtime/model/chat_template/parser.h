// Parser: tokens to syntax, by Jinja's grammar.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/model/chat_template/lexer.h"
#include "runtime/model/chat_template/syntax.h"

namespace leoam::chat {

class Parser {
 public:
  // `depth`: how deeply blocks and expressions may nest.
  Parser(std::string_view source, uint32_t depth) : lexer_(source), depth_limit_(depth) {}

  // Fails with corrupt, unsupported or no_space (nesting, or nodes of the syntax); messages start with the
  // line.
  Result<Syntax> parse();

 private:
  // parser.cc: tokens, names, limits
  Status advance();
  Status peek();
  Result<bool> skip_symbol(std::string_view symbol);
  Result<bool> skip_name(std::string_view name);
  Status expect_symbol(std::string_view symbol);
  Status expect_name(std::string_view name);
  Status expect_block_end();
  Result<Name> take_name(std::string_view wanted);
  Name intern(std::string_view spelling);
  Status enter();
  void leave() { --depth_; }
  Status count_node();
  Status unexpected(std::string_view wanted) const;

  // parser_statements.cc
  Status parse_block(Block& block, std::initializer_list<std::string_view> ends);
  Status parse_scope(Block& block, std::string_view end);
  Status parse_output(Block& block);
  Status parse_tag(Block& block);
  Result<Statement> parse_statement(std::string_view tag, uint32_t line);
  Result<IfNode> parse_if();
  Result<ForNode> parse_for();
  Status parse_set(Statement& statement);
  Result<WithNode> parse_with();
  Result<MacroNode> parse_macro();
  Result<std::vector<Trailer>> parse_filters();
  Result<Target> parse_target(bool allow_tuple);
  Result<Target> parse_single_target();

  // parser_expressions.cc
  enum class Conditions : bool { no, yes };
  Result<ExpressionRef> make(ExpressionKind kind);
  Result<ExpressionRef> parse_expression(Conditions conditions = Conditions::yes);
  // One expression, or a tuple without parentheses.
  Result<ExpressionRef> parse_list_of_expressions(Conditions conditions);
  Result<ExpressionRef> parse_condition();
  Result<ExpressionRef> parse_binary(int level);
  Result<ExpressionRef> parse_unary(bool with_filters);
  Result<ExpressionRef> parse_primary();
  Result<ExpressionRef> parse_name_or_constant();
  Result<ExpressionRef> parse_strings();
  Result<ExpressionRef> parse_number();
  Result<ExpressionRef> parse_parentheses();
  Result<ExpressionRef> parse_list();
  Result<ExpressionRef> parse_dict();
  struct Binary {
    Operator op;
    int level;
    bool two_words;
  };
  // The binary operator that the current token starts, or level 0.
  Result<Binary> binary_operator();

  // parser_trailers.cc
  Status parse_trailers(ExpressionRef& operand, bool with_filters);
  Result<Trailer> parse_dot();
  Result<Trailer> parse_subscript();
  Result<Trailer> parse_filter();
  Result<Trailer> parse_test();
  Status parse_test_argument(Trailer& test);
  Status parse_arguments(Trailer& trailer);

  Lexer lexer_;
  Token token_;   // the current one
  Token peeked_;  // the one after it, when has_peeked_
  bool has_peeked_ = false;
  uint32_t depth_limit_;
  uint32_t depth_ = 0;
  uint32_t n_nodes_ = 0;
  uint32_t n_loops_open_ = 0;
  uint32_t n_scopes_open_ = 0;
  Syntax syntax_;
  std::map<std::string_view, uint32_t> ids_;
};

// The bytes that a string literal without its quotes stands for, by Python's escapes. Fails with corrupt or
// unsupported, without a line.
Result<std::string> unescape(std::string_view literal);

}  // namespace leoam::chat
