// Text functions that both a filter and a method offer, by Python's rules.
#include "runtime/model/chat_template/access.h"
#include "runtime/model/chat_template/characters.h"

namespace leoam::chat {
namespace {

// Whether the characters of `set` hold the one at `at`; without a set, whether it is white space.
bool is_stripped(std::string_view bytes, size_t at, Character character, const Value* set) {
  if (set == nullptr) return is_space(character.code_point);
  return set->text().view().find(bytes.substr(at, character.size_bytes)) != std::string_view::npos;
}

// Offset of the character that ends at `end`.
size_t previous_character(std::string_view bytes, size_t end) {
  size_t at = end - 1;
  while (at > 0 && end - at < 4 && (static_cast<uint8_t>(bytes[at]) & 0xc0) == 0x80) --at;
  return at + character_at(bytes, at).size_bytes == end ? at : end - 1;
}

}  // namespace

Status spend_on_characters(Context& context, const Text& text) {
  return context.budget.spend(text.size_bytes() / 32);
}

Result<Value> strip(Context& context, const Text& text, const Value* characters, Side side) {
  if (characters != nullptr && characters->is(Kind::none)) characters = nullptr;
  if (characters != nullptr && !characters->is_text()) {
    return error(ErrorKind::invalid_argument, "strip needs a text, found a value of type '{}'",
                 characters->type_name());
  }
  const uint64_t set_bytes = characters == nullptr ? 0 : characters->text().size_bytes();
  const std::string_view bytes = text.view();
  size_t begin = 0, end = bytes.size();
  while (side != Side::right && begin < end) {
    const Character character = character_at(bytes, begin);
    if (!is_stripped(bytes, begin, character, characters)) break;
    begin += character.size_bytes;
    LEOAM_RETURN_IF_ERROR(context.budget.spend_on_bytes(set_bytes));
  }
  while (side != Side::left && begin < end) {
    const size_t at = previous_character(bytes, end);
    if (at < begin || !is_stripped(bytes, at, character_at(bytes, at), characters)) break;
    end = at;
    LEOAM_RETURN_IF_ERROR(context.budget.spend_on_bytes(set_bytes));
  }
  LEOAM_RETURN_IF_ERROR(context.budget.spend_on_bytes(bytes.size() - (end - begin)));
  return Value(text.slice(begin, end - begin));
}

Result<Value> replace(Context& context, const Text& text, const Text& from, const Text& to, int64_t limit) {
  TextBuilder out(context.budget);
  const std::string_view bytes = text.view();
  LEOAM_RETURN_IF_ERROR(context.budget.spend_on_bytes(bytes.size()));
  size_t copied = 0, search = 0;
  for (int64_t n = 0; (limit < 0 || n < limit) && !out.failed(); ++n) {
    const size_t found = find_bytes(bytes, from.view(), search);
    if (found == std::string_view::npos) break;
    out.append(text.slice(copied, found - copied));
    out.append(to);
    copied = found + from.size_bytes();
    search = copied;
    if (from.empty()) {
      // An empty text stands before every character and at the end.
      if (search >= bytes.size()) break;
      search += character_at(bytes, search).size_bytes;
    }
    if (n % 16 == 0) LEOAM_RETURN_IF_ERROR(context.budget.spend(1));
  }
  out.append(text.slice(copied, bytes.size() - copied));
  LEOAM_ASSIGN_OR_RETURN(Text replaced, out.finish());
  return Value(std::move(replaced));
}

Result<Value> capitalize(Context& context, const Text& text) {
  bool first = true;
  return change_case(context, text, [&](int32_t) {
    return std::exchange(first, false) ? LetterCase::title : LetterCase::lower;
  });
}

Result<Value> change_case(Context& context, const Text& text, LetterCase letter_case) {
  return change_case(context, text, [letter_case](int32_t) { return letter_case; });
}

Result<Value> change_case(Context& context, const Text& text,
                          const std::function<LetterCase(int32_t code_point)>& choose) {
  LEOAM_RETURN_IF_ERROR(spend_on_characters(context, text));
  TextBuilder out(context.budget);
  text.for_each_run([&](std::string_view run, bool from_user) {
    for (size_t at = 0; at < run.size();) {
      const Character character = character_at(run, at);
      out.append(with_case(run, character, at, choose(character.code_point)), from_user);
      at += character.size_bytes;
    }
  });
  LEOAM_ASSIGN_OR_RETURN(Text changed, out.finish());
  return Value(std::move(changed));
}

Result<Value> join(Context& context, const Text& separator, const std::vector<Value>& items) {
  LEOAM_RETURN_IF_ERROR(context.budget.spend(items.size() / 16));
  TextBuilder out(context.budget);
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out.append(separator);
    LEOAM_RETURN_IF_ERROR(append_str(out, context.budget, items[i]));
    if (out.failed()) break;
  }
  LEOAM_ASSIGN_OR_RETURN(Text joined, out.finish());
  return Value(std::move(joined));
}

}  // namespace leoam::chat
