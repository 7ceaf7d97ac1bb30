// Characters: the code points of a UTF-8 text and the properties of them that Python's string functions ask
// for. A byte that is no valid UTF-8 counts as one character of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace leoam::chat {

struct Character {
  int32_t code_point;  // -1: an invalid byte
  uint32_t size_bytes;
};

// `at` must lie inside the text.
Character character_at(std::string_view text, size_t at);
size_t count_characters(std::string_view text);
// Byte offset of character number `index`, or the size when there are fewer.
size_t offset_of_character(std::string_view text, size_t index);

// As Python's str.isspace.
bool is_space(int32_t code_point);
// As Python's str.splitlines, but for the pair "\r\n".
bool is_line_break(int32_t code_point);
// Offset after the leading, and of the trailing, white space.
size_t skip_space(std::string_view text, size_t at);
size_t before_trailing_space(std::string_view text);

// As Python's repr prints it: itself or an escape.
bool is_printable(int32_t code_point);
bool is_cased(int32_t code_point);

enum class LetterCase { lower, upper, title };
// The character in another case, as UTF-8: Unicode's simple mapping, and U+00DF in upper case as two letters.
std::string with_case(std::string_view text, Character character, size_t at, LetterCase letter_case);

void append_utf8(uint32_t code_point, std::string* out);

}  // namespace leoam::chat
