// Code points of untrusted UTF-8 and the classes that pre-tokenizers tell apart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace leoam {

// What may follow a lead byte (Unicode 15, table 3-7). length 0: not a lead byte.
struct Utf8Lead {
  uint8_t length;
  uint8_t second_min, second_max;  // bounds of the second byte; later ones are 0x80..0xBF
};
Utf8Lead utf8_lead(uint8_t byte);

// The code point at text[at], at < text.size(). Not well-formed: value kInvalidCodePoint, size 1.
struct CodePoint {
  uint32_t value;
  uint32_t size;
};
inline constexpr uint32_t kInvalidCodePoint = 0xFFFFFFFF;
CodePoint code_point_at(std::string_view text, size_t at);

// Offset of the first byte that is not part of well-formed UTF-8; text.size() when there is none.
size_t first_invalid_utf8(std::string_view text);

// letter: L*, number: N*, space: White_Space, punctuation: P*, other: everything else, also invalid bytes.
enum class CharClass : uint8_t { letter, number, space, punctuation, other };
CharClass char_class(uint32_t code_point);

}  // namespace leoam
