#include <algorithm>

#include "runtime/model/chat_template/access.h"
#include "runtime/model/chat_template/evaluator.h"
#include "runtime/model/chat_template/evaluator_depth.h"

namespace leoam::chat {

Evaluator::Evaluator(const Syntax& syntax, Context& context, uint32_t depth, uint64_t output_bytes)
    : syntax_(syntax),
      context_(context),
      depth_limit_(depth),
      output_limit_bytes_(output_bytes),
      frames_(1),
      root_(context.budget) {}

void Evaluator::define(std::string_view name, Value value) {
  const auto& names = syntax_.names;
  // Every name is there once.
  const auto found =
      std::find_if(names.begin(), names.end(), [name](const auto& other) { return *other == name; });
  if (found != names.end()) frames_[0][static_cast<uint32_t>(found - names.begin())] = std::move(value);
}

Result<Text> Evaluator::render() {
  LEOAM_RETURN_IF_ERROR(run(syntax_.body));
  return root_.finish();
}

Status Evaluator::run(const Block& block) {
  const Depth depth(*this);
  LEOAM_RETURN_IF_ERROR(depth.check());
  for (const Statement& statement : block) {
    LEOAM_RETURN_IF_ERROR(run(statement));
    if (flow_ != Flow::next) break;
  }
  return {};
}

Status Evaluator::run(const Statement& statement) {
  line_ = statement.line;
  LEOAM_RETURN_IF_ERROR(context_.budget.spend(1));
  return std::visit([this](const auto& node) { return run(node); }, statement.node);
}

Status Evaluator::emit(const Value& value) {
  LEOAM_RETURN_IF_ERROR(append_str(*out_, context_.budget, value));
  if (out_->failed()) return out_->finish().status();
  if (root_.size_bytes() > output_limit_bytes_) {
    return Status::no_space(fmt::format("rendering gives more than {} bytes", output_limit_bytes_),
                            root_.size_bytes(), output_limit_bytes_);
  }
  return {};
}

Status Evaluator::run(const TextNode& node) {
  return emit(Value(node.text));
}

Status Evaluator::run(const OutputNode& node) {
  LEOAM_ASSIGN_OR_RETURN(const Value value, evaluate(*node.value));
  return emit(value);
}

Status Evaluator::run(const IfNode& node) {
  for (const auto& [condition, block] : node.branches) {
    if (condition != nullptr) {
      LEOAM_ASSIGN_OR_RETURN(const Value value, evaluate(*condition));
      if (!value.truth()) continue;
    }
    return run(block);
  }
  return {};
}

// The items that pass the loop's condition, which sees the loop's variables and not `loop`.
Result<ListRef> Evaluator::kept_items(const ForNode& node, ListRef items) {
  if (node.condition == nullptr) return items;
  ListBuilder kept(context_.budget);
  frames_.emplace_back();
  for (const Value& item : items->items) {
    LEOAM_RETURN_IF_ERROR(context_.budget.spend(1));
    LEOAM_RETURN_IF_ERROR(assign(node.target, item));
    LEOAM_ASSIGN_OR_RETURN(const Value passed, evaluate(*node.condition));
    if (passed.truth()) LEOAM_RETURN_IF_ERROR(kept.add(item));
  }
  frames_.pop_back();
  LEOAM_ASSIGN_OR_RETURN(const Value list, kept.finish());
  return list.list();
}

Status Evaluator::run(const ForNode& node) {
  LEOAM_ASSIGN_OR_RETURN(const Value value, evaluate(*node.items));
  LEOAM_ASSIGN_OR_RETURN(ListRef items, elements(context_, value));
  LEOAM_ASSIGN_OR_RETURN(items, kept_items(node, std::move(items)));
  frames_.emplace_back();
  if (items->items.empty()) {
    LEOAM_RETURN_IF_ERROR(run(node.otherwise));
  } else {
    LEOAM_RETURN_IF_ERROR(run_turns(node, items));
  }
  frames_.pop_back();
  return {};
}

Status Evaluator::run_turns(const ForNode& node, const ListRef& items) {
  const auto loop = std::make_shared<Loop>();
  loop->items = items;
  for (size_t i = 0; i < items->items.size(); ++i) {
    LEOAM_RETURN_IF_ERROR(context_.budget.spend(1));
    // Each turn begins without the variables of the last one.
    frames_.back().clear();
    loop->index = i;
    frames_.back()[syntax_.loop.id] = Value(loop);
    LEOAM_RETURN_IF_ERROR(assign(node.target, items->items[i]));
    LEOAM_RETURN_IF_ERROR(run(node.body));
    if (std::exchange(flow_, Flow::next) == Flow::leave_loop) break;
  }
  return {};
}

Status Evaluator::assign(const Target& target, Value value) {
  if (!target.parts.empty()) {
    LEOAM_ASSIGN_OR_RETURN(const ListRef list, elements(context_, value));
    if (list->items.size() != target.parts.size()) {
      return error(ErrorKind::invalid_argument, "{} values for {} names", list->items.size(),
                   target.parts.size());
    }
    for (size_t i = 0; i < target.parts.size(); ++i) {
      LEOAM_RETURN_IF_ERROR(assign(target.parts[i], list->items[i]));
    }
    return {};
  }
  if (target.attribute == nullptr) {
    frames_.back()[target.name.id] = std::move(value);
    return {};
  }
  const Value object = look_up(target.name);
  if (!object.is(Kind::name_space)) {
    return error(ErrorKind::invalid_argument, "'{}' is no namespace, and only those take attributes",
                 *target.name.spelling);
  }
  object.name_space()->attributes[*target.attribute] = std::move(value);
  return object.name_space()->charge_attributes(context_.budget);
}

Status Evaluator::run(const SetNode& node) {
  LEOAM_ASSIGN_OR_RETURN(Value value, evaluate(*node.value));
  return assign(node.target, std::move(value));
}

Result<Value> Evaluator::capture(const Block& block, Frame frame) {
  TextBuilder captured(context_.budget);
  TextBuilder* const outer = std::exchange(out_, &captured);
  frames_.push_back(std::move(frame));
  const Status ran = run(block);
  frames_.pop_back();
  out_ = outer;
  if (!ran.ok()) return ran.clone();
  LEOAM_ASSIGN_OR_RETURN(Text text, captured.finish());
  return Value(std::move(text));
}

Result<Value> Evaluator::apply_filters(const std::vector<Trailer>& filters, Value value) {
  for (const Trailer& filter : filters) {
    line_ = filter.line;
    LEOAM_ASSIGN_OR_RETURN(value, apply_filter(filter, value));
  }
  return value;
}

Status Evaluator::run(const SetBlockNode& node) {
  LEOAM_ASSIGN_OR_RETURN(Value value, capture(node.body, {}));
  LEOAM_ASSIGN_OR_RETURN(value, apply_filters(node.filters, std::move(value)));
  return assign(node.target, std::move(value));
}

Status Evaluator::run(const WithNode& node) {
  std::vector<Value> values;
  for (const auto& entry : node.values) {
    LEOAM_ASSIGN_OR_RETURN(Value value, evaluate(*entry.second));
    values.push_back(std::move(value));
  }
  frames_.emplace_back();
  for (size_t i = 0; i < values.size(); ++i) {
    LEOAM_RETURN_IF_ERROR(assign(node.values[i].first, std::move(values[i])));
  }
  LEOAM_RETURN_IF_ERROR(run(node.body));
  frames_.pop_back();
  return {};
}

Status Evaluator::run(const FilterNode& node) {
  LEOAM_ASSIGN_OR_RETURN(Value value, capture(node.body, {}));
  LEOAM_ASSIGN_OR_RETURN(value, apply_filters(node.filters, std::move(value)));
  return emit(value);
}

Status Evaluator::run(const GenerationNode& node) {
  frames_.emplace_back();
  LEOAM_RETURN_IF_ERROR(run(node.body));
  frames_.pop_back();
  return {};
}

Status Evaluator::run(const MacroNode& node) {
  auto callable = std::make_shared<Callable>();
  callable->macro = &node;
  frames_.back()[node.name.id] = Value(std::shared_ptr<const Callable>(std::move(callable)));
  return {};
}

Status Evaluator::run(const BreakNode&) {
  flow_ = Flow::leave_loop;
  return {};
}

Status Evaluator::run(const ContinueNode&) {
  flow_ = Flow::leave_turn;
  return {};
}

}  // namespace leoam::chat
