#include <cmath>

#include "runtime/model/chat_template/access.h"

namespace leoam::chat {
namespace {

std::string_view spelling(Operator op) {
  switch (op) {
    case Operator::add:
      return "+";
    case Operator::subtract:
      return "-";
    case Operator::multiply:
      return "*";
    case Operator::divide:
      return "/";
    case Operator::floor_divide:
      return "//";
    case Operator::modulo:
      return "%";
    case Operator::power:
      return "**";
    case Operator::less:
      return "<";
    case Operator::less_equal:
      return "<=";
    case Operator::greater:
      return ">";
    default:
      return ">=";
  }
}

Status overflow() {
  return error(ErrorKind::unsupported, "an integer beyond 64 bits");
}
Status division_by_zero() {
  return error(ErrorKind::invalid_argument, "division by zero");
}

Result<Value> integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return division_by_zero();
    return Value(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) return overflow();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) return overflow();
  }
  return Value(result);
}

// Rounds towards minus infinity, and the remainder has the sign of the divisor.
Result<Value> integer_division(Operator op, int64_t a, int64_t b) {
  if (b == 0) return division_by_zero();
  if (b == -1) {
    if (op == Operator::modulo) return Value(int64_t{0});
    int64_t result = 0;
    if (__builtin_sub_overflow(int64_t{0}, a, &result)) return overflow();
    return Value(result);
  }
  const int64_t quotient = a / b, remainder = a % b;
  const bool adjust = remainder != 0 && (remainder < 0) != (b < 0);
  if (op == Operator::modulo) return Value(adjust ? remainder + b : remainder);
  return Value(adjust ? quotient - 1 : quotient);
}

Result<Value> integer_arithmetic(Operator op, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (op) {
    case Operator::add:
      if (__builtin_add_overflow(a, b, &result)) return overflow();
      return Value(result);
    case Operator::subtract:
      if (__builtin_sub_overflow(a, b, &result)) return overflow();
      return Value(result);
    case Operator::multiply:
      if (__builtin_mul_overflow(a, b, &result)) return overflow();
      return Value(result);
    case Operator::divide:
      if (b == 0) return division_by_zero();
      return Value(static_cast<double>(a) / static_cast<double>(b));
    case Operator::power:
      return integer_power(a, b);
    default:
      return integer_division(op, a, b);
  }
}

Result<Value> real_arithmetic(Operator op, double a, double b) {
  switch (op) {
    case Operator::add:
      return Value(a + b);
    case Operator::subtract:
      return Value(a - b);
    case Operator::multiply:
      return Value(a * b);
    case Operator::power:
      if (a == 0 && b < 0) return division_by_zero();
      return Value(std::pow(a, b));
    default:
      break;
  }
  if (b == 0) return division_by_zero();
  if (op == Operator::divide) return Value(a / b);
  double remainder = std::fmod(a, b);
  if (remainder != 0 && (remainder < 0) != (b < 0)) remainder += b;
  if (op == Operator::modulo) return Value(remainder == 0 ? std::copysign(0.0, b) : remainder);
  return Value(std::round((a - remainder) / b));
}

Result<Text> doubled(Context& context, const Text& text) {
  TextBuilder out(context.budget);
  out.append(text);
  out.append(text);
  return out.finish();
}

Result<Value> repeat_text(Context& context, const Text& text, int64_t times) {
  if (text.empty() || times <= 0) return Value(Text());
  // In blocks, so that a short text costs no more for a byte than a long one.
  constexpr size_t kBlockBytes = 4096;
  Text block = text;
  int64_t n_in_block = 1;
  while (block.size_bytes() < kBlockBytes && n_in_block <= times / 2) {
    LEOAM_ASSIGN_OR_RETURN(block, doubled(context, block));
    n_in_block *= 2;
  }
  TextBuilder out(context.budget);
  for (int64_t i = 0; i < times / n_in_block && !out.failed(); ++i) out.append(block);
  for (int64_t i = 0; i < times % n_in_block && !out.failed(); ++i) out.append(text);
  LEOAM_ASSIGN_OR_RETURN(Text repeated, out.finish());
  return Value(std::move(repeated));
}

Result<Value> repeat_list(Context& context, const List& list, int64_t times) {
  ListBuilder out(context.budget);
  if (list.items.empty()) times = 0;
  for (int64_t i = 0; i < times; ++i) {
    for (const Value& item : list.items) LEOAM_RETURN_IF_ERROR(out.add(item));
  }
  return out.finish(list.is_tuple);
}

Result<Value> add_texts(Context& context, const Text& left, const Text& right) {
  TextBuilder out(context.budget);
  out.append(left);
  out.append(right);
  LEOAM_ASSIGN_OR_RETURN(Text sum, out.finish());
  return Value(std::move(sum));
}

Result<Value> add_lists(Context& context, const List& left, const List& right) {
  ListBuilder out(context.budget);
  for (const Value& item : left.items) LEOAM_RETURN_IF_ERROR(out.add(item));
  for (const Value& item : right.items) LEOAM_RETURN_IF_ERROR(out.add(item));
  return out.finish(left.is_tuple);
}

Result<Value> arithmetic(Context& context, Operator op, const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) return integer_arithmetic(op, a.as_integer(), b.as_integer());
  if (a.is_number() && b.is_number()) return real_arithmetic(op, a.as_real(), b.as_real());
  if (a.is(Kind::undefined)) return undefined_error(a);
  if (b.is(Kind::undefined)) return undefined_error(b);
  if (op == Operator::add) {
    if (a.is_text() && b.is_text()) return add_texts(context, a.text(), b.text());
    if (a.is(Kind::list) && b.is(Kind::list) && a.list()->is_tuple == b.list()->is_tuple) {
      return add_lists(context, *a.list(), *b.list());
    }
  }
  if (op == Operator::multiply) {
    const Value& count = a.is_integral() ? a : b;
    const Value& repeated = a.is_integral() ? b : a;
    if (count.is_integral() && repeated.is_text())
      return repeat_text(context, repeated.text(), count.as_integer());
    if (count.is_integral() && repeated.is(Kind::list)) {
      return repeat_list(context, *repeated.list(), count.as_integer());
    }
  }
  if (op == Operator::modulo && a.is_text()) return error(ErrorKind::unsupported, "'%' on a text");
  return error(ErrorKind::invalid_argument, "'{}' is not supported between '{}' and '{}'", spelling(op),
               a.type_name(), b.type_name());
}

}  // namespace

Result<Value> apply_operator(Context& context, Operator op, const Value& left, const Value& right) {
  switch (op) {
    case Operator::equal:
    case Operator::not_equal: {
      LEOAM_ASSIGN_OR_RETURN(const bool same, equal(context.budget, left, right));
      return Value(same == (op == Operator::equal));
    }
    case Operator::in:
    case Operator::not_in: {
      LEOAM_ASSIGN_OR_RETURN(const bool found, contains(context, right, left));
      return Value(found == (op == Operator::in));
    }
    case Operator::less:
    case Operator::less_equal:
    case Operator::greater:
    case Operator::greater_equal: {
      LEOAM_ASSIGN_OR_RETURN(const int way, order(context.budget, left, right, spelling(op)));
      if (op == Operator::less) return Value(way < 0);
      if (op == Operator::less_equal) return Value(way <= 0);
      return Value(op == Operator::greater ? way > 0 : way >= 0);
    }
    case Operator::concatenate: {
      TextBuilder out(context.budget);
      LEOAM_RETURN_IF_ERROR(append_str(out, context.budget, left));
      LEOAM_RETURN_IF_ERROR(append_str(out, context.budget, right));
      LEOAM_ASSIGN_OR_RETURN(Text joined, out.finish());
      return Value(std::move(joined));
    }
    default:
      return arithmetic(context, op, left, right);
  }
}

Result<Value> negate(const Value& value) {
  if (value.is(Kind::undefined)) return undefined_error(value);
  if (value.is_integral()) return integer_arithmetic(Operator::subtract, 0, value.as_integer());
  if (value.is(Kind::real)) return Value(-value.real());
  return error(ErrorKind::invalid_argument, "a value of type '{}' has no negative", value.type_name());
}

}  // namespace leoam::chat
