#include <charconv>
#include <cmath>

#include "runtime/model/chat_template/access.h"
#include "runtime/model/chat_template/characters.h"
#include "runtime/model/chat_template/json.h"

namespace leoam::chat {
namespace {

// Filters of texts take any value as the text that it prints as.
#define LEOAM_SUBJECT_TEXT(text) LEOAM_ASSIGN_OR_RETURN(const Text text, to_text(context.budget, subject))

Result<Value> filter_trim(Context& context, const Value& subject, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("trim", {"chars"}));
  LEOAM_SUBJECT_TEXT(text);
  return strip(context, text, bound[0], Side::both);
}

Result<Value> filter_upper(Context& context, const Value& subject, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("upper"));
  LEOAM_SUBJECT_TEXT(text);
  return change_case(context, text, LetterCase::upper);
}

Result<Value> filter_lower(Context& context, const Value& subject, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("lower"));
  LEOAM_SUBJECT_TEXT(text);
  return change_case(context, text, LetterCase::lower);
}

Result<Value> filter_capitalize(Context& context, const Value& subject, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("capitalize"));
  LEOAM_SUBJECT_TEXT(text);
  return capitalize(context, text);
}

// Words begin after white space and any of -({[<.
Result<Value> filter_title(Context& context, const Value& subject, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("title"));
  LEOAM_SUBJECT_TEXT(text);
  bool word_begins = true;
  return change_case(context, text, [&](int32_t c) {
    const bool begins = is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
    return std::exchange(word_begins, begins) ? LetterCase::upper : LetterCase::lower;
  });
}

Result<Value> filter_string(Context& context, const Value& subject, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("string"));
  LEOAM_SUBJECT_TEXT(text);
  return Value(text);
}

Result<Value> filter_replace(Context& context, const Value& subject, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("replace", {"old", "new", "count"}, 2));
  LEOAM_SUBJECT_TEXT(text);
  LEOAM_ASSIGN_OR_RETURN(const Text from, to_text(context.budget, *bound[0]));
  LEOAM_ASSIGN_OR_RETURN(const Text to, to_text(context.budget, *bound[1]));
  LEOAM_ASSIGN_OR_RETURN(const int64_t limit, integer_argument("replace", bound[2], -1));
  return replace(context, text, from, to, limit);
}

Result<Value> filter_indent(Context& context, const Value& subject, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("indent", {"width", "first", "blank"}));
  LEOAM_SUBJECT_TEXT(text);
  Text margin;
  if (bound[0] != nullptr && bound[0]->is_text()) {
    margin = bound[0]->text();
  } else {
    LEOAM_ASSIGN_OR_RETURN(const int64_t width, integer_argument("indent", bound[0], 4));
    LEOAM_ASSIGN_OR_RETURN(
        const Value blanks,
        apply_operator(context, Operator::multiply, Value(Text(std::string(1, ' '))), Value(width)));
    margin = blanks.text();
  }
  const bool first = bound[1] != nullptr && bound[1]->truth();
  const bool blank = bound[2] != nullptr && bound[2]->truth();
  TextBuilder out(context.budget);
  const std::string_view bytes = text.view();
  if (first) out.append(margin);
  for (size_t begin = 0; begin <= bytes.size() && !out.failed();) {
    const size_t end = std::min(bytes.find('\n', begin), bytes.size());
    if (begin > 0) {
      out.append("\n", false);
      if (blank || end > begin) out.append(margin);
    }
    out.append(text.slice(begin, end - begin));
    begin = end + 1;
  }
  LEOAM_ASSIGN_OR_RETURN(Text indented, out.finish());
  return Value(std::move(indented));
}

std::string_view trimmed(const Text& text) {
  const std::string_view bytes = text.view();
  const size_t begin = skip_space(bytes, 0);
  return begin == bytes.size() ? std::string_view()
                               : bytes.substr(begin, before_trailing_space(bytes) - begin);
}

// As Python's float() of a text, without its underscores and non-ASCII digits.
bool read_real(std::string_view text, double* value) {
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  const auto result = std::from_chars(text.data(), text.data() + text.size(), *value);
  return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

Result<Value> real_to_integer(double value) {
  constexpr double kLimit = 9223372036854775808.0;
  if (!(value >= -kLimit && value < kLimit))
    return error(ErrorKind::unsupported, "an integer beyond 64 bits");
  return Value(static_cast<int64_t>(value));
}

Result<Value> filter_int(Context& context, const Value& subject, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("int", {"default", "base"}));
  LEOAM_ASSIGN_OR_RETURN(const int64_t base, integer_argument("int", bound[1], 10));
  if (base != 10) return error(ErrorKind::unsupported, "the filter 'int' with base {}", base);
  const Value otherwise = bound[0] == nullptr ? Value(int64_t{0}) : *bound[0];
  if (subject.is(Kind::undefined)) return undefined_error(subject);
  if (subject.is_integral()) return Value(subject.as_integer());
  if (subject.is(Kind::real))
    return std::isfinite(subject.real()) ? real_to_integer(subject.real()) : otherwise;
  if (!subject.is_text()) return otherwise;
  LEOAM_RETURN_IF_ERROR(context.budget.spend_on_bytes(subject.text().size_bytes()));
  std::string_view text = trimmed(subject.text());
  double real = 0;
  int64_t integer = 0;
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  const auto result = std::from_chars(text.data(), text.data() + text.size(), integer);
  if (result.ec == std::errc() && result.ptr == text.data() + text.size()) return Value(integer);
  if (!read_real(text, &real) || !std::isfinite(real)) return otherwise;
  return real_to_integer(real);
}

Result<Value> filter_float(Context& context, const Value& subject, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("float", {"default"}));
  const Value otherwise = bound[0] == nullptr ? Value(0.0) : *bound[0];
  if (subject.is(Kind::undefined)) return undefined_error(subject);
  if (subject.is_number()) return Value(subject.as_real());
  if (!subject.is_text()) return otherwise;
  LEOAM_RETURN_IF_ERROR(context.budget.spend_on_bytes(subject.text().size_bytes()));
  double real = 0;
  return read_real(trimmed(subject.text()), &real) ? Value(real) : otherwise;
}

Result<Value> filter_abs(Context&, const Value& subject, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("abs"));
  if (subject.is(Kind::real)) return Value(std::fabs(subject.real()));
  if (subject.is_integral() && subject.as_integer() >= 0) return Value(subject.as_integer());
  return negate(subject);
}

Result<Value> filter_round(Context&, const Value& subject, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("round", {"precision", "method"}));
  LEOAM_ASSIGN_OR_RETURN(const int64_t precision, integer_argument("round", bound[0], 0));
  if (precision != 0 || bound[1] != nullptr) {
    return error(ErrorKind::unsupported, "the filter 'round' with arguments");
  }
  if (subject.is(Kind::undefined)) return undefined_error(subject);
  if (!subject.is_number()) {
    return error(ErrorKind::invalid_argument, "a value of type '{}' cannot be rounded", subject.type_name());
  }
  // Halves go to the even neighbour. An integer stays one.
  if (subject.is_integral()) return Value(subject.as_integer());
  const double value = subject.real(), down = std::floor(value), above = value - down;
  if (above != 0.5) return Value(above < 0.5 ? down : down + 1);
  return Value(std::fmod(down, 2) == 0 ? down : down + 1);
}

Result<Value> filter_tojson(Context& context, const Value& subject, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound,
                         arguments.bind("tojson", {"ensure_ascii", "indent", "separators", "sort_keys"}));
  JsonStyle style;
  style.ascii = bound[0] != nullptr && bound[0]->truth();
  style.sort_keys = bound[3] != nullptr && bound[3]->truth();
  if (bound[1] != nullptr && bound[1]->is_text()) {
    style.indent = bound[1]->text();
  } else if (bound[1] != nullptr && !bound[1]->is(Kind::none)) {
    LEOAM_ASSIGN_OR_RETURN(const int64_t width, integer_argument("tojson", bound[1], 0));
    constexpr int64_t kWidest = 256;
    if (width > kWidest)
      return error(ErrorKind::unsupported, "the filter 'tojson' with an indent of {}", width);
    style.indent = Text(std::string(static_cast<size_t>(std::max<int64_t>(width, 0)), ' '));
  }
  if (style.indent) style.item_separator = Text(",");
  if (bound[2] != nullptr && !bound[2]->is(Kind::none)) {
    LEOAM_ASSIGN_OR_RETURN(const ListRef separators, elements(context, *bound[2]));
    if (separators->items.size() != 2 || !separators->items[0].is_text() || !separators->items[1].is_text()) {
      return error(ErrorKind::invalid_argument, "the separators of 'tojson' are not two texts");
    }
    style.item_separator = separators->items[0].text();
    style.key_separator = separators->items[1].text();
  }
  TextBuilder out(context.budget);
  LEOAM_RETURN_IF_ERROR(append_json(out, context.budget, subject, style));
  LEOAM_ASSIGN_OR_RETURN(Text json, out.finish());
  return Value(std::move(json));
}

// Nothing is escaped here, so nothing is to be marked as escaped.
Result<Value> filter_safe(Context& context, const Value& subject, const Arguments& arguments) {
  return filter_string(context, subject, arguments);
}

constexpr Named<Filter> kFilters[] = {{"trim", filter_trim},       {"upper", filter_upper},
                                      {"lower", filter_lower},     {"capitalize", filter_capitalize},
                                      {"title", filter_title},     {"string", filter_string},
                                      {"replace", filter_replace}, {"indent", filter_indent},
                                      {"int", filter_int},         {"float", filter_float},
                                      {"abs", filter_abs},         {"round", filter_round},
                                      {"tojson", filter_tojson},   {"safe", filter_safe}};

#undef LEOAM_SUBJECT_TEXT

}  // namespace

Filter find_text_filter(std::string_view name) {
  const auto* found = find_named(kFilters, name);
  return found == nullptr ? nullptr : found->function;
}

}  // namespace leoam::chat
