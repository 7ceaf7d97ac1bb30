
#include "runtime/model/chat_template/access.h"
#include "runtime/model/chat_template/characters.h"

namespace leoam::chat {
namespace {

using Subject = const Value&;

template <bool (*predicate)(Subject)>
Result<bool> plain(Context&, Subject subject, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("the test"));
  return predicate(subject);
}

bool is_defined(Subject value) {
  return !value.is(Kind::undefined);
}
bool is_undefined(Subject value) {
  return value.is(Kind::undefined);
}
bool is_none(Subject value) {
  return value.is(Kind::none);
}
bool is_boolean(Subject value) {
  return value.is(Kind::boolean);
}
bool is_true(Subject value) {
  return value.is(Kind::boolean) && value.boolean();
}
bool is_false(Subject value) {
  return value.is(Kind::boolean) && !value.boolean();
}
bool is_integer(Subject value) {
  return value.is(Kind::integer);
}
bool is_float(Subject value) {
  return value.is(Kind::real);
}
bool is_number(Subject value) {
  return value.is_number();
}
bool is_string(Subject value) {
  return value.is_text();
}
bool is_mapping(Subject value) {
  return value.is(Kind::dict);
}
// An undefined value is an empty sequence.
bool is_sequence(Subject value) {
  return value.is_text() || value.is(Kind::list) || value.is(Kind::dict) || value.is(Kind::undefined);
}
bool is_iterable(Subject value) {
  return is_sequence(value) || value.is(Kind::iterator) || value.is(Kind::loop);
}
bool is_callable(Subject value) {
  return value.is(Kind::callable);
}

template <Operator op>
Result<bool> compared(Context& context, Subject subject, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("the test", {"other"}, 1));
  LEOAM_ASSIGN_OR_RETURN(const Value result, apply_operator(context, op, subject, *bound[0]));
  return result.boolean();
}

Result<bool> remainder_is(Context& context, Subject subject, const Value& divisor, int64_t wanted) {
  LEOAM_ASSIGN_OR_RETURN(const Value remainder, apply_operator(context, Operator::modulo, subject, divisor));
  return equal(context.budget, remainder, Value(wanted));
}

Result<bool> is_odd(Context& context, Subject subject, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("the test 'odd'"));
  return remainder_is(context, subject, Value(int64_t{2}), 1);
}

Result<bool> is_even(Context& context, Subject subject, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("the test 'even'"));
  return remainder_is(context, subject, Value(int64_t{2}), 0);
}

Result<bool> is_divisible(Context& context, Subject subject, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("the test 'divisibleby'", {"num"}, 1));
  return remainder_is(context, subject, *bound[0], 0);
}

// Whether all cased characters are of the one case, and there is one.
Result<bool> is_in_case(Context& context, Subject subject, bool upper) {
  LEOAM_ASSIGN_OR_RETURN(const Text text, to_text(context.budget, subject));
  LEOAM_RETURN_IF_ERROR(spend_on_characters(context, text));
  const std::string_view bytes = text.view();
  bool any = false;
  for (size_t at = 0; at < bytes.size();) {
    const Character character = character_at(bytes, at);
    if (is_cased(character.code_point)) {
      any = true;
      const auto other = with_case(bytes, character, at, upper ? LetterCase::lower : LetterCase::upper);
      if (other == bytes.substr(at, character.size_bytes)) return false;
    }
    at += character.size_bytes;
  }
  return any;
}

Result<bool> is_upper(Context& context, Subject subject, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("the test 'upper'"));
  return is_in_case(context, subject, true);
}

Result<bool> is_lower(Context& context, Subject subject, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("the test 'lower'"));
  return is_in_case(context, subject, false);
}

// Scalars are the same when type and value are, lists and dicts when they are one object.
Result<bool> is_same(Context& context, Subject subject, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("the test 'sameas'", {"other"}, 1));
  const Value& other = *bound[0];
  if (subject.kind() != other.kind()) return false;
  if (subject.is(Kind::list)) return subject.list() == other.list();
  if (subject.is(Kind::dict)) return subject.dict() == other.dict();
  return equal(context.budget, subject, other);
}

Result<bool> is_filter(Context&, Subject subject, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("the test 'filter'"));
  return subject.is_text() && find_filter(subject.text().view()) != nullptr;
}

Result<bool> is_test(Context&, Subject subject, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("the test 'test'"));
  return subject.is_text() && find_test(subject.text().view()) != nullptr;
}

constexpr Named<Test> kTests[] = {
    {"defined", plain<is_defined>},
    {"undefined", plain<is_undefined>},
    {"none", plain<is_none>},
    {"boolean", plain<is_boolean>},
    {"true", plain<is_true>},
    {"false", plain<is_false>},
    {"integer", plain<is_integer>},
    {"float", plain<is_float>},
    {"number", plain<is_number>},
    {"string", plain<is_string>},
    {"mapping", plain<is_mapping>},
    {"sequence", plain<is_sequence>},
    {"iterable", plain<is_iterable>},
    {"callable", plain<is_callable>},
    {"in", compared<Operator::in>},
    {"eq", compared<Operator::equal>},
    {"==", compared<Operator::equal>},
    {"equalto", compared<Operator::equal>},
    {"ne", compared<Operator::not_equal>},
    {"!=", compared<Operator::not_equal>},
    {"lt", compared<Operator::less>},
    {"<", compared<Operator::less>},
    {"lessthan", compared<Operator::less>},
    {"le", compared<Operator::less_equal>},
    {"<=", compared<Operator::less_equal>},
    {"gt", compared<Operator::greater>},
    {">", compared<Operator::greater>},
    {"greaterthan", compared<Operator::greater>},
    {"ge", compared<Operator::greater_equal>},
    {">=", compared<Operator::greater_equal>},
    {"odd", is_odd},
    {"even", is_even},
    {"divisibleby", is_divisible},
    {"sameas", is_same},
    {"upper", is_upper},
    {"lower", is_lower},
    {"filter", is_filter},
    {"test", is_test},
};

}  // namespace

Test find_test(std::string_view name) {
  const auto* found = find_named(kTests, name);
  return found == nullptr ? nullptr : found->function;
}

}  // namespace leoam::chat
