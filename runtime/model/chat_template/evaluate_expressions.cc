#include "runtime/model/chat_template/access.h"
#include "runtime/model/chat_template/evaluator.h"
#include "runtime/model/chat_template/evaluator_depth.h"

namespace leoam::chat {

Value Evaluator::look_up(const Name& name) const {
  for (size_t i = frames_.size(); i-- > visible_from_;) {
    const auto found = frames_[i].find(name.id);
    if (found != frames_[i].end()) return found->second;
  }
  const auto found = frames_[0].find(name.id);
  return found != frames_[0].end() ? found->second : Value(Undefined{name.spelling});
}

Result<Value> Evaluator::evaluate(const Expression& expression) {
  const Depth depth(*this);
  line_ = expression.line;
  LEOAM_RETURN_IF_ERROR(depth.check());
  LEOAM_RETURN_IF_ERROR(context_.budget.spend(1));
  return evaluate_kind(expression);
}

Result<Value> Evaluator::evaluate_kind(const Expression& expression) {
  switch (expression.kind) {
    case ExpressionKind::constant:
      return expression.constant;
    case ExpressionKind::name:
      return look_up(expression.name);
    case ExpressionKind::list:
    case ExpressionKind::tuple:
      return evaluate_sequence(expression);
    case ExpressionKind::dict:
      return evaluate_dict(expression);
    case ExpressionKind::chain:
      return evaluate_chain(expression);
    case ExpressionKind::trailed:
      return evaluate_trailed(expression);
    case ExpressionKind::condition:
      return evaluate_condition(expression);
    default:
      break;
  }
  LEOAM_ASSIGN_OR_RETURN(Value operand, evaluate(*expression.operands[0]));
  line_ = expression.line;
  if (expression.kind == ExpressionKind::logical_not) return Value(!operand.truth());
  LEOAM_ASSIGN_OR_RETURN(Value negative, negate(operand));
  if (expression.kind == ExpressionKind::negative) return negative;
  return operand.is(Kind::boolean) ? Value(operand.as_integer()) : operand;
}

Result<Value> Evaluator::evaluate_sequence(const Expression& expression) {
  ListBuilder list(context_.budget);
  for (const ExpressionRef& operand : expression.operands) {
    LEOAM_ASSIGN_OR_RETURN(Value item, evaluate(*operand));
    LEOAM_RETURN_IF_ERROR(list.add(std::move(item)));
  }
  return list.finish(expression.kind == ExpressionKind::tuple);
}

Result<Value> Evaluator::evaluate_dict(const Expression& expression) {
  std::vector<std::pair<Value, Value>> entries;
  for (size_t i = 0; i < expression.operands.size(); i += 2) {
    LEOAM_ASSIGN_OR_RETURN(Value key, evaluate(*expression.operands[i]));
    LEOAM_ASSIGN_OR_RETURN(Value value, evaluate(*expression.operands[i + 1]));
    entries.emplace_back(std::move(key), std::move(value));
  }
  return make_dict(context_.budget, std::move(entries));
}

Result<Value> Evaluator::evaluate_chain(const Expression& expression) {
  switch (expression.operators[0]) {
    case Operator::logical_or:
    case Operator::logical_and:
      return evaluate_logic(expression);
    case Operator::equal:
    case Operator::not_equal:
    case Operator::less:
    case Operator::less_equal:
    case Operator::greater:
    case Operator::greater_equal:
    case Operator::in:
    case Operator::not_in:
      return evaluate_comparison(expression);
    case Operator::concatenate:
      return evaluate_concatenation(expression);
    default:
      return evaluate_sum(expression);
  }
}

// The operand that decides, as Python gives it.
Result<Value> Evaluator::evaluate_logic(const Expression& expression) {
  const bool deciding = expression.operators[0] == Operator::logical_or;
  Value value;
  for (const ExpressionRef& operand : expression.operands) {
    LEOAM_ASSIGN_OR_RETURN(value, evaluate(*operand));
    if (value.truth() == deciding) break;
  }
  return value;
}

// a < b < c is a < b and b < c.
Result<Value> Evaluator::evaluate_comparison(const Expression& expression) {
  LEOAM_ASSIGN_OR_RETURN(Value left, evaluate(*expression.operands[0]));
  for (size_t i = 0; i < expression.operators.size(); ++i) {
    LEOAM_ASSIGN_OR_RETURN(Value right, evaluate(*expression.operands[i + 1]));
    line_ = expression.line;
    LEOAM_ASSIGN_OR_RETURN(const Value passed,
                           apply_operator(context_, expression.operators[i], left, right));
    if (!passed.truth()) return passed;
    left = std::move(right);
  }
  return Value(true);
}

// Any chain of arithmetic. Texts that are added one after the other are copied once, not once for each sum.
Result<Value> Evaluator::evaluate_sum(const Expression& expression) {
  LEOAM_ASSIGN_OR_RETURN(Value sum, evaluate(*expression.operands[0]));
  TextBuilder joined(context_.budget);
  for (size_t i = 0; i < expression.operators.size(); ++i) {
    LEOAM_ASSIGN_OR_RETURN(const Value right, evaluate(*expression.operands[i + 1]));
    line_ = expression.line;
    if (expression.operators[i] == Operator::add && sum.is_text() && right.is_text()) {
      if (joined.size_bytes() == 0) joined.append(sum.text());
      joined.append(right.text());
      continue;
    }
    if (joined.size_bytes() > 0) {
      LEOAM_ASSIGN_OR_RETURN(sum, joined.finish());
    }
    LEOAM_ASSIGN_OR_RETURN(sum, apply_operator(context_, expression.operators[i], sum, right));
  }
  if (joined.size_bytes() == 0 && !joined.failed()) return sum;
  LEOAM_ASSIGN_OR_RETURN(Text text, joined.finish());
  return Value(std::move(text));
}

Result<Value> Evaluator::evaluate_concatenation(const Expression& expression) {
  TextBuilder joined(context_.budget);
  for (const ExpressionRef& operand : expression.operands) {
    LEOAM_ASSIGN_OR_RETURN(const Value value, evaluate(*operand));
    LEOAM_RETURN_IF_ERROR(append_str(joined, context_.budget, value));
  }
  LEOAM_ASSIGN_OR_RETURN(Text text, joined.finish());
  return Value(std::move(text));
}

Result<Value> Evaluator::evaluate_condition(const Expression& expression) {
  LEOAM_ASSIGN_OR_RETURN(const Value condition, evaluate(*expression.operands[1]));
  if (condition.truth()) return evaluate(*expression.operands[0]);
  return expression.operands.size() > 2 ? evaluate(*expression.operands[2]) : Value(Undefined{});
}

Result<Value> Evaluator::evaluate_trailed(const Expression& expression) {
  LEOAM_ASSIGN_OR_RETURN(Value value, evaluate(*expression.operands[0]));
  for (const Trailer& trailer : expression.trailers) {
    line_ = trailer.line;
    LEOAM_RETURN_IF_ERROR(context_.budget.spend(1));
    LEOAM_ASSIGN_OR_RETURN(value, apply_trailer(trailer, value));
  }
  return value;
}

Result<Value> Evaluator::apply_trailer(const Trailer& trailer, const Value& value) {
  switch (trailer.kind) {
    case TrailerKind::attribute:
      return get_attribute(context_, value, *trailer.name.spelling);
    case TrailerKind::item: {
      LEOAM_ASSIGN_OR_RETURN(const Value key, evaluate(*trailer.arguments[0].value));
      line_ = trailer.line;
      return get_item(context_, value, key);
    }
    case TrailerKind::slice:
      return apply_slice(trailer, value);
    case TrailerKind::filter:
      return apply_filter(trailer, value);
    case TrailerKind::test:
      return apply_test(trailer, value);
    default:
      return call(trailer, value);
  }
}

Result<Value> Evaluator::apply_slice(const Trailer& trailer, const Value& value) {
  Value bounds[3] = {None{}, None{}, None{}};
  for (size_t i = 0; i < 3; ++i) {
    if (trailer.arguments[i].value == nullptr) continue;
    LEOAM_ASSIGN_OR_RETURN(bounds[i], evaluate(*trailer.arguments[i].value));
  }
  line_ = trailer.line;
  return get_slice(context_, value, bounds[0], bounds[1], bounds[2]);
}

Result<Arguments> Evaluator::evaluate_arguments(const Trailer& trailer) {
  Arguments arguments;
  for (const Argument& argument : trailer.arguments) {
    LEOAM_ASSIGN_OR_RETURN(Value value, evaluate(*argument.value));
    if (argument.name == nullptr) {
      arguments.positional.push_back(std::move(value));
    } else {
      arguments.named.emplace_back(*argument.name, std::move(value));
    }
  }
  line_ = trailer.line;
  return arguments;
}

Result<Value> Evaluator::apply_filter(const Trailer& trailer, const Value& value) {
  const Filter filter = find_filter(*trailer.name.spelling);
  if (filter == nullptr) return error(ErrorKind::unsupported, "the filter '{}'", *trailer.name.spelling);
  LEOAM_ASSIGN_OR_RETURN(const Arguments arguments, evaluate_arguments(trailer));
  return filter(context_, value, arguments);
}

Result<Value> Evaluator::apply_test(const Trailer& trailer, const Value& value) {
  const Test test = find_test(*trailer.name.spelling);
  if (test == nullptr) return error(ErrorKind::unsupported, "the test '{}'", *trailer.name.spelling);
  LEOAM_ASSIGN_OR_RETURN(const Arguments arguments, evaluate_arguments(trailer));
  LEOAM_ASSIGN_OR_RETURN(const bool passed, test(context_, value, arguments));
  return Value(passed != trailer.negated);
}

Result<Value> Evaluator::call(const Trailer& trailer, const Value& callee) {
  if (callee.is(Kind::undefined)) {
    const std::string* name = callee.undefined().name;
    const bool lacks_date = name != nullptr && *name == "strftime_now";
    if (!lacks_date) return undefined_error(callee);
    return error(ErrorKind::unsupported,
                 "the template asks for the date, and none was given (`now_s` or `date_string`)");
  }
  if (!callee.is(Kind::callable)) {
    return error(callee.is(Kind::loop) ? ErrorKind::unsupported : ErrorKind::invalid_argument,
                 "calling a value of type '{}'", callee.type_name());
  }
  const Callable& callable = *callee.callable();
  LEOAM_ASSIGN_OR_RETURN(const Arguments arguments, evaluate_arguments(trailer));
  if (callable.macro != nullptr) return call_macro(*callable.macro, arguments);
  if (callable.global != nullptr) return callable.global->function(context_, arguments);
  if (callable.method->function == nullptr) {
    return error(ErrorKind::unsupported, "the method '{}' of '{}'", callable.method->name,
                 callable.self.type_name());
  }
  return callable.method->function(context_, callable.self, arguments);
}

Result<Value> Evaluator::call_macro(const MacroNode& macro, const Arguments& arguments) {
  const Depth depth(*this);
  LEOAM_RETURN_IF_ERROR(depth.check());
  const auto& parameters = macro.parameters;
  if (arguments.positional.size() > parameters.size()) {
    return error(ErrorKind::invalid_argument, "the macro '{}' takes {} arguments, found {}",
                 *macro.name.spelling, parameters.size(), arguments.positional.size());
  }
  std::vector<const Value*> given(parameters.size(), nullptr);
  for (size_t i = 0; i < arguments.positional.size(); ++i) given[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    size_t at = 0;
    while (at < parameters.size() && *parameters[at].first.spelling != name) ++at;
    if (at == parameters.size() || given[at] != nullptr) {
      return error(ErrorKind::invalid_argument, "the macro '{}' has no free argument '{}'",
                   *macro.name.spelling, name);
    }
    given[at] = &value;
  }
  // A macro sees the template's own variables and its own, not its caller's.
  const size_t visible_from = std::exchange(visible_from_, frames_.size());
  frames_.emplace_back();
  for (size_t i = 0; i < parameters.size(); ++i) {
    Value value = Undefined{parameters[i].first.spelling};
    if (given[i] != nullptr) {
      value = *given[i];
    } else if (parameters[i].second != nullptr) {
      LEOAM_ASSIGN_OR_RETURN(value, evaluate(*parameters[i].second));
    }
    frames_.back()[parameters[i].first.id] = std::move(value);
  }
  Frame frame = std::move(frames_.back());
  frames_.pop_back();
  auto output = capture(macro.body, std::move(frame));
  visible_from_ = visible_from;
  return output;
}

}  // namespace leoam::chat
