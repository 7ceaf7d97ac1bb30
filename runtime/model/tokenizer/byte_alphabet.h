// The printable alphabet in which byte-level BPE files spell bytes (GPT-2's encoder, Radford et al. 2019):
// bytes that print in Latin-1 stand for themselves, the other 68 for U+0100 onwards in order.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace leoam {

// The code point that spells `byte`.
uint32_t spelling_of_byte(uint8_t byte);
// Appends the spelling of `bytes` in UTF-8.
void append_spelling(std::string_view bytes, std::string* out);
// Appends the bytes that a well-formed spelling stands for; code points outside the alphabet stand for
// themselves.
void append_spelt_bytes(std::string_view spelling, std::string* out);

}  // namespace leoam
