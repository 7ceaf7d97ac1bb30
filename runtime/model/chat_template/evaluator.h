// Evaluator: one rendering of a parsed template.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/model/chat_template/builtins.h"
#include "runtime/model/chat_template/syntax.h"

namespace leoam::chat {

// Thread rule: one thread, one rendering.
class Evaluator {
 public:
  // `depth` bounds the nesting of evaluation: expressions in each other, blocks, macro calls.
  Evaluator(const Syntax& syntax, Context& context, uint32_t depth, uint64_t output_bytes);

  // A variable of the template. Names that it does not use are dropped.
  void define(std::string_view name, Value value);

  // Fails with invalid_argument, unsupported or no_space; see ChatTemplate::render. Once only.
  Result<Text> render();
  // Of the failure.
  uint32_t line() const { return line_; }

 private:
  // Variables by the id of their name.
  using Frame = std::unordered_map<uint32_t, Value>;
  enum class Flow : uint8_t { next, leave_turn, leave_loop };
  class Depth;

  // evaluate_statements.cc
  Status run(const Block& block);
  Status run(const Statement& statement);
  Status run(const TextNode& node);
  Status run(const OutputNode& node);
  Status run(const IfNode& node);
  Status run(const ForNode& node);
  Status run(const SetNode& node);
  Status run(const SetBlockNode& node);
  Status run(const WithNode& node);
  Status run(const FilterNode& node);
  Status run(const GenerationNode& node);
  Status run(const MacroNode& node);
  Status run(const BreakNode& node);
  Status run(const ContinueNode& node);
  Status run_turns(const ForNode& node, const ListRef& items);
  Result<ListRef> kept_items(const ForNode& node, ListRef items);
  // The output of a block in a scope of its own.
  Result<Value> capture(const Block& block, Frame frame);
  Result<Value> apply_filters(const std::vector<Trailer>& filters, Value value);
  Status assign(const Target& target, Value value);
  Status emit(const Value& value);

  // evaluate_expressions.cc
  Result<Value> evaluate(const Expression& expression);
  Result<Value> evaluate_kind(const Expression& expression);
  Result<Value> evaluate_sequence(const Expression& expression);
  Result<Value> evaluate_dict(const Expression& expression);
  Result<Value> evaluate_chain(const Expression& expression);
  Result<Value> evaluate_logic(const Expression& expression);
  Result<Value> evaluate_comparison(const Expression& expression);
  Result<Value> evaluate_sum(const Expression& expression);
  Result<Value> evaluate_concatenation(const Expression& expression);
  Result<Value> evaluate_condition(const Expression& expression);
  Result<Value> evaluate_trailed(const Expression& expression);
  Result<Value> apply_trailer(const Trailer& trailer, const Value& value);
  Result<Value> apply_slice(const Trailer& trailer, const Value& value);
  Result<Value> apply_filter(const Trailer& trailer, const Value& value);
  Result<Value> apply_test(const Trailer& trailer, const Value& value);
  Result<Value> call(const Trailer& trailer, const Value& callee);
  Result<Value> call_macro(const MacroNode& macro, const Arguments& arguments);
  Result<Arguments> evaluate_arguments(const Trailer& trailer);
  Value look_up(const Name& name) const;

  const Syntax& syntax_;
  Context& context_;
  const uint32_t depth_limit_;
  const uint64_t output_limit_bytes_;
  uint32_t depth_ = 0;
  uint32_t line_ = 1;
  Flow flow_ = Flow::next;
  std::vector<Frame> frames_;
  // Frames that a name is looked up in: the first, and those from here on.
  size_t visible_from_ = 0;
  TextBuilder root_;
  TextBuilder* out_ = &root_;
};

}  // namespace leoam::chat
