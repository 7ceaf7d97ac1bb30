#include "runtime/model/chat_template/characters.h"

#include <utf8proc.h>

namespace leoam::chat {
namespace {

// Length that the first byte announces, 0 for a byte that starts no character.
uint32_t announced_size(uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  if (lead >= 0xf0 && lead < 0xf5) return 4;
  return 0;
}

bool is_valid(int32_t code_point, uint32_t size_bytes) {
  if (size_bytes == 3) return code_point >= 0x800 && (code_point < 0xd800 || code_point > 0xdfff);
  if (size_bytes == 4) return code_point >= 0x10000 && code_point <= 0x10ffff;
  return true;
}

}  // namespace

Character character_at(std::string_view text, size_t at) {
  const auto lead = static_cast<uint8_t>(text[at]);
  if (lead < 0x80) return {lead, 1};
  const uint32_t size = announced_size(lead);
  if (size == 0 || text.size() - at < size) return {-1, 1};
  int32_t code_point = lead & (0x7f >> size);
  for (uint32_t i = 1; i < size; ++i) {
    const auto byte = static_cast<uint8_t>(text[at + i]);
    if ((byte & 0xc0) != 0x80) return {-1, 1};
    code_point = (code_point << 6) | (byte & 0x3f);
  }
  return is_valid(code_point, size) ? Character{code_point, size} : Character{-1, 1};
}

size_t count_characters(std::string_view text) {
  size_t n = 0;
  for (size_t at = 0; at < text.size(); ++n) at += character_at(text, at).size_bytes;
  return n;
}

size_t offset_of_character(std::string_view text, size_t index) {
  size_t at = 0;
  for (; index > 0 && at < text.size(); --index) at += character_at(text, at).size_bytes;
  return at;
}

bool is_space(int32_t c) {
  if (c < 0x80) return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20);
  return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
         c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool is_line_break(int32_t c) {
  return (c >= 0x0a && c <= 0x0d) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

size_t skip_space(std::string_view text, size_t at) {
  while (at < text.size()) {
    const Character character = character_at(text, at);
    if (!is_space(character.code_point)) break;
    at += character.size_bytes;
  }
  return at;
}

size_t before_trailing_space(std::string_view text) {
  size_t end = text.size();
  while (end > 0) {
    size_t start = end - 1;
    while (start > 0 && end - start < 4 && (static_cast<uint8_t>(text[start]) & 0xc0) == 0x80) --start;
    const Character character = character_at(text, start);
    if (start + character.size_bytes != end || !is_space(character.code_point)) break;
    end = start;
  }
  return end;
}

bool is_printable(int32_t code_point) {
  if (code_point == ' ') return true;
  switch (utf8proc_category(code_point)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

bool is_cased(int32_t code_point) {
  const auto category = utf8proc_category(code_point);
  return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL ||
         category == UTF8PROC_CATEGORY_LT;
}

std::string with_case(std::string_view text, Character character, size_t at, LetterCase letter_case) {
  if (character.code_point < 0) return std::string(text.substr(at, character.size_bytes));
  if (character.code_point < 0x80) {
    const char c = text[at];
    const bool is_upper = c >= 'A' && c <= 'Z', is_lower = c >= 'a' && c <= 'z';
    const bool changes = letter_case == LetterCase::lower ? is_upper : is_lower;
    return std::string(1, changes ? static_cast<char>(c ^ 0x20) : c);
  }
  constexpr int32_t kSharpS = 0xdf;
  if (character.code_point == kSharpS && letter_case != LetterCase::lower) {
    return letter_case == LetterCase::upper ? "SS" : "Ss";
  }
  int32_t mapped = character.code_point;
  if (letter_case == LetterCase::lower) mapped = utf8proc_tolower(mapped);
  if (letter_case == LetterCase::upper) mapped = utf8proc_toupper(mapped);
  if (letter_case == LetterCase::title) mapped = utf8proc_totitle(mapped);
  std::string out;
  append_utf8(static_cast<uint32_t>(mapped), &out);
  return out;
}

void append_utf8(uint32_t c, std::string* out) {
  const auto put = [out](uint32_t byte) { out->push_back(static_cast<char>(static_cast<uint8_t>(byte))); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | (c >> 6));
    put(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    put(0xe0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3f));
    put(0x80 | (c & 0x3f));
  } else {
    put(0xf0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3f));
    put(0x80 | ((c >> 6) & 0x3f));
    put(0x80 | (c & 0x3f));
  }
}

}  // namespace leoam::chat
