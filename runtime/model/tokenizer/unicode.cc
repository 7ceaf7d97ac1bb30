#include "runtime/model/tokenizer/unicode.h"

#include <utf8proc.h>

#include <array>

namespace leoam {
namespace {

CharClass class_of_category(utf8proc_category_t category) {
  switch (category) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return CharClass::letter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return CharClass::number;
    // Above ASCII, White_Space is these three and U+0085.
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return CharClass::space;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
      return CharClass::punctuation;
    default:
      return CharClass::other;
  }
}

constexpr std::array<CharClass, 128> ascii_classes() {
  std::array<CharClass, 128> classes{};
  for (size_t c = 0; c < 128; ++c) {
    const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    const bool space = c == ' ' || (c >= 9 && c <= 13);
    const bool symbol =
        c == '$' || c == '+' || (c >= '<' && c <= '>') || c == '^' || c == '`' || c == '|' || c == '~';
    classes[c] = letter                          ? CharClass::letter
                 : c >= '0' && c <= '9'          ? CharClass::number
                 : space                         ? CharClass::space
                 : c > ' ' && c < 127 && !symbol ? CharClass::punctuation
                                                 : CharClass::other;
  }
  return classes;
}

constexpr std::array<CharClass, 128> kAsciiClasses = ascii_classes();

}  // namespace

Utf8Lead utf8_lead(uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

CodePoint code_point_at(std::string_view text, size_t at) {
  const uint8_t first = static_cast<uint8_t>(text[at]);
  if (first < 0x80) return {first, 1};
  const Utf8Lead lead = utf8_lead(first);
  if (lead.length == 0 || text.size() - at < lead.length) return {kInvalidCodePoint, 1};
  const uint8_t second = static_cast<uint8_t>(text[at + 1]);
  if (second < lead.second_min || second > lead.second_max) return {kInvalidCodePoint, 1};
  uint32_t value = ((first & (0x7Fu >> lead.length)) << 6) | (second & 0x3Fu);
  for (size_t i = 2; i < lead.length; ++i) {
    const uint8_t next = static_cast<uint8_t>(text[at + i]);
    if ((next & 0xC0) != 0x80) return {kInvalidCodePoint, 1};
    value = (value << 6) | (next & 0x3Fu);
  }
  return {value, lead.length};
}

size_t first_invalid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    if (point.value == kInvalidCodePoint) return at;
    at += point.size;
  }
  return text.size();
}

CharClass char_class(uint32_t code_point) {
  if (code_point < 128) return kAsciiClasses[code_point];
  if (code_point > 0x10FFFF) return CharClass::other;
  if (code_point == 0x85) return CharClass::space;
  return class_of_category(utf8proc_category(static_cast<utf8proc_int32_t>(code_point)));
}

}  // namespace leoam
