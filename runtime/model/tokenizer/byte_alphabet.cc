#include "runtime/model/tokenizer/byte_alphabet.h"

#include <array>

#include "runtime/model/tokenizer/unicode.h"

namespace leoam {
namespace {

constexpr uint32_t kAlphabetEnd = 0x100 + 68;

struct Alphabet {
  std::array<uint16_t, 256> spelling{};
  std::array<int16_t, kAlphabetEnd> byte{};  // -1: outside the alphabet
};

constexpr bool prints(uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
}

constexpr Alphabet make_alphabet() {
  Alphabet alphabet;
  for (int16_t& byte : alphabet.byte) byte = -1;
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const uint32_t spelling = prints(byte) ? byte : next++;
    alphabet.spelling[byte] = static_cast<uint16_t>(spelling);
    alphabet.byte[spelling] = static_cast<int16_t>(byte);
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = make_alphabet();

}  // namespace

uint32_t spelling_of_byte(uint8_t byte) {
  return kAlphabet.spelling[byte];
}

void append_spelling(std::string_view bytes, std::string* out) {
  for (const char c : bytes) {
    const uint32_t point = spelling_of_byte(static_cast<uint8_t>(c));
    if (point < 0x80) {
      out->push_back(static_cast<char>(point));
    } else {
      out->push_back(static_cast<char>(0xC0 | (point >> 6)));
      out->push_back(static_cast<char>(0x80 | (point & 0x3F)));
    }
  }
}

void append_spelt_bytes(std::string_view spelling, std::string* out) {
  for (size_t at = 0; at < spelling.size();) {
    const CodePoint point = code_point_at(spelling, at);
    if (point.value < kAlphabetEnd && kAlphabet.byte[point.value] >= 0) {
      out->push_back(static_cast<char>(kAlphabet.byte[point.value]));
    } else {
      out->append(spelling.substr(at, point.size));
    }
    at += point.size;
  }
}

}  // namespace leoam
