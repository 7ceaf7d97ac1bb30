// The parsed template. Chains of operators and of trailers are one node each, so the tree is no deeper than
// the source nests, and every walk over it needs bounded stack.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "runtime/model/chat_template/value.h"

namespace leoam::chat {

struct Expression;
using ExpressionRef = std::unique_ptr<Expression>;

// A name of the template, interned: two uses of a name have the same id.
struct Name {
  uint32_t id = 0;
  const std::string* spelling = nullptr;  // owned by the template
};

enum class Operator : uint8_t {
  logical_or,
  logical_and,
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  in,
  not_in,
  add,
  subtract,
  concatenate,
  multiply,
  divide,
  floor_divide,
  modulo,
  power,
};

struct Argument {
  const std::string* name = nullptr;  // nullptr: positional
  ExpressionRef value;                // nullptr: a bound left out of a slice
};

enum class TrailerKind : uint8_t { attribute, item, slice, call, filter, test };

// What follows an operand: .name, [item], [a:b:c], (arguments), |filter, is test.
struct Trailer {
  TrailerKind kind = TrailerKind::attribute;
  bool negated = false;  // is not
  uint32_t line = 0;
  Name name;                        // attribute, filter, test
  std::vector<Argument> arguments;  // item: one; slice: three
};

enum class ExpressionKind : uint8_t {
  constant,
  name,
  list,     // operands
  tuple,    // operands
  dict,     // operands: key, value, key, value
  chain,    // operands[0] operators[0] operands[1] ...; operators of one level
  trailed,  // operands[0] with trailers
  logical_not,
  negative,
  positive,
  condition,  // operands[0] if operands[1] else operands[2] (which may be missing)
};

struct Expression {
  ExpressionKind kind = ExpressionKind::constant;
  uint32_t line = 0;
  Value constant;
  Name name;
  std::vector<ExpressionRef> operands;
  std::vector<Operator> operators;
  std::vector<Trailer> trailers;
};

struct Statement;
using Block = std::vector<Statement>;

// What an assignment goes to: a name, an attribute of a namespace, or several targets in parentheses.
struct Target {
  Name name;
  const std::string* attribute = nullptr;
  std::vector<Target> parts;
};

struct TextNode {
  Text text;
};
struct OutputNode {
  ExpressionRef value;
};
struct IfNode {
  // Without a condition: else.
  std::vector<std::pair<ExpressionRef, Block>> branches;
};
struct ForNode {
  Target target;
  ExpressionRef items;
  ExpressionRef condition;  // may be missing
  Block body;
  Block otherwise;
};
struct SetNode {
  Target target;
  ExpressionRef value;
};
// {% set x | filter %}body{% endset %}
struct SetBlockNode {
  Target target;
  std::vector<Trailer> filters;
  Block body;
};
struct WithNode {
  std::vector<std::pair<Target, ExpressionRef>> values;
  Block body;
};
struct FilterNode {
  std::vector<Trailer> filters;
  Block body;
};
struct GenerationNode {
  Block body;
};
struct MacroNode {
  Name name;
  std::vector<std::pair<Name, ExpressionRef>> parameters;  // with a default or none
  Block body;
};
struct BreakNode {};
struct ContinueNode {};

struct Statement {
  uint32_t line = 0;
  std::variant<TextNode, OutputNode, IfNode, ForNode, SetNode, SetBlockNode, WithNode, FilterNode,
               GenerationNode, MacroNode, BreakNode, ContinueNode>
      node;
};

struct Syntax {
  Block body;
  Name loop;  // the name `loop`
  // Spellings by id; the strings stay where they are.
  std::vector<std::unique_ptr<const std::string>> names;
};

}  // namespace leoam::chat
