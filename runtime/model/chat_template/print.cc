// How Python prints values: str() and repr().
#include <charconv>
#include <cmath>

#include "runtime/model/chat_template/characters.h"
#include "runtime/model/chat_template/value.h"

namespace leoam::chat {
namespace {

void append_escape(TextBuilder& out, std::string_view bytes, Character character, bool from_user) {
  switch (character.code_point) {
    case '\n':
      return out.append("\\n", from_user);
    case '\r':
      return out.append("\\r", from_user);
    case '\t':
      return out.append("\\t", from_user);
    case '\\':
      return out.append("\\\\", from_user);
    default:
      break;
  }
  if (character.code_point < 0) {
    out.append(fmt::format("\\x{:02x}", static_cast<uint8_t>(bytes[0])), from_user);
  } else if (is_printable(character.code_point)) {
    out.append(bytes, from_user);
  } else if (character.code_point < 0x100) {
    out.append(fmt::format("\\x{:02x}", character.code_point), from_user);
  } else if (character.code_point < 0x10000) {
    out.append(fmt::format("\\u{:04x}", character.code_point), from_user);
  } else {
    out.append(fmt::format("\\U{:08x}", character.code_point), from_user);
  }
}

void append_quoted(TextBuilder& out, const Text& text) {
  const std::string_view whole = text.view();
  const bool has_single = whole.find('\'') != std::string_view::npos;
  const bool has_double = whole.find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  out.append(std::string_view(&quote, 1), false);
  text.for_each_run([&](std::string_view run, bool from_user) {
    for (size_t at = 0; at < run.size();) {
      const Character character = character_at(run, at);
      const std::string_view bytes = run.substr(at, character.size_bytes);
      if (bytes[0] == quote) out.append("\\", from_user);
      append_escape(out, bytes, character, from_user);
      at += character.size_bytes;
    }
  });
  out.append(std::string_view(&quote, 1), false);
}

Status append_items(TextBuilder& out, Budget& budget, const List& list) {
  out.append(list.is_tuple ? "(" : "[", false);
  for (size_t i = 0; i < list.items.size(); ++i) {
    if (i > 0) out.append(", ", false);
    LEOAM_RETURN_IF_ERROR(append_repr(out, budget, list.items[i]));
  }
  if (list.is_tuple && list.items.size() == 1) out.append(",", false);
  out.append(list.is_tuple ? ")" : "]", false);
  return {};
}

Status append_entries(TextBuilder& out, Budget& budget, const Dict& dict) {
  out.append("{", false);
  for (size_t i = 0; i < dict.entries.size(); ++i) {
    if (i > 0) out.append(", ", false);
    LEOAM_RETURN_IF_ERROR(append_repr(out, budget, dict.entries[i].first));
    out.append(": ", false);
    LEOAM_RETURN_IF_ERROR(append_repr(out, budget, dict.entries[i].second));
  }
  out.append("}", false);
  return {};
}

}  // namespace

std::string python_float(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char digits[32];
  // d.ddde[+-]XX with as many digits as the value needs.
  const auto end = std::to_chars(digits, digits + sizeof(digits), value, std::chars_format::scientific).ptr;
  const std::string_view scientific(digits, static_cast<size_t>(end - digits));
  const size_t e = scientific.find('e');
  int exponent = 0;
  const size_t sign_of_exponent = scientific[e + 1] == '+' ? 1 : 0;
  std::from_chars(digits + e + 1 + sign_of_exponent, end, exponent);
  if (exponent < -4 || exponent >= 16) return std::string(scientific);
  char plain[64];
  const auto plain_end = std::to_chars(plain, plain + sizeof(plain), value, std::chars_format::fixed).ptr;
  std::string text(plain, static_cast<size_t>(plain_end - plain));
  if (text.find('.') == std::string::npos) text += ".0";
  return text;
}

Status append_str(TextBuilder& out, Budget& budget, const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
      return {};
    case Kind::text:
      out.append(value.text());
      return {};
    default:
      return append_repr(out, budget, value);
  }
}

Status append_repr(TextBuilder& out, Budget& budget, const Value& value) {
  LEOAM_RETURN_IF_ERROR(budget.spend(1));
  switch (value.kind()) {
    case Kind::undefined:
      out.append("Undefined", false);
      return {};
    case Kind::none:
      out.append("None", false);
      return {};
    case Kind::boolean:
      out.append(value.boolean() ? "True" : "False", false);
      return {};
    case Kind::integer:
      out.append(fmt::format("{}", value.integer()), false);
      return {};
    case Kind::real:
      out.append(python_float(value.real()), false);
      return {};
    case Kind::text:
      LEOAM_RETURN_IF_ERROR(budget.spend(value.text().size_bytes() / 32));
      append_quoted(out, value.text());
      return {};
    case Kind::list:
      return append_items(out, budget, *value.list());
    case Kind::dict:
      return append_entries(out, budget, *value.dict());
    default:
      return error(ErrorKind::unsupported, "printing a value of type '{}'", value.type_name());
  }
}

Result<Text> to_text(Budget& budget, const Value& value) {
  if (value.is_text()) return value.text();
  TextBuilder out(budget);
  LEOAM_RETURN_IF_ERROR(append_str(out, budget, value));
  return out.finish();
}

}  // namespace leoam::chat
