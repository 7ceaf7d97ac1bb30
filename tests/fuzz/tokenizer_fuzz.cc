// A tokenizer made of the input, then the rest of the input as text: created or refused, tokenised, decoded.
//
// u8 format, u8 flags, i8 bos, eos, eot, unknown; tokens, each u8 length < 255, bytes, u8 type, i8 score; u8
// 255; merges, each u8 length < 255, bytes; u8 255; text.

#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>

#include "runtime/model/tokenizer/byte_alphabet.h"
#include "runtime/model/tokenizer/tokenizer.h"
#include "runtime/model/tokenizer/unicode.h"

namespace {

using leoam::Tokenizer;
using leoam::TokenizerData;
using leoam::TokenType;

class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  uint8_t byte() { return rest_.empty() ? 0 : static_cast<uint8_t>(take(1)[0]); }
  int8_t number() { return static_cast<int8_t>(byte()); }
  std::string_view take(size_t size) {
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  // False at the end of a list.
  bool next(std::string* item) {
    if (rest_.empty()) return false;
    const uint8_t length = byte();
    if (length != 255) item->assign(take(length));
    return length != 255;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

void add_token(TokenizerData* data, std::string spelling, int32_t type, float score) {
  data->tokens.push_back(std::move(spelling));
  data->types.push_back(type);
  data->scores.push_back(score);
}

// Every byte and the blank: a base on which most inputs are accepted.
void add_bytes(TokenizerData* data) {
  for (int byte = 0; byte < 256; ++byte) {
    std::string spelling;
    const char raw = static_cast<char>(byte);
    if (data->model == "gpt2") {
      leoam::append_spelling({&raw, 1}, &spelling);
      add_token(data, spelling, static_cast<int32_t>(TokenType::normal), 0);
    } else {
      add_token(data, fmt::format("<0x{:02X}>", byte), static_cast<int32_t>(TokenType::byte), 0);
    }
  }
  if (data->model != "gpt2") add_token(data, "\xE2\x96\x81", static_cast<int32_t>(TokenType::normal), -50);
}

void require(bool holds) {
  if (!holds) std::abort();
}

// In ranges that cover the text, or that meet in its middle, a control token has no place.
void check_plain(const Tokenizer& tokenizer, std::string_view text) {
  const size_t middle = text.size() / 2;
  const leoam::TextRange halves[] = {{0, middle}, {middle, text.size()}};
  const auto plain = tokenizer.tokenize(text, {});
  const auto in_halves = tokenizer.tokenize(text, {.parse_special = true, .plain = halves});
  require(plain.ok() && in_halves.ok() && *plain == *in_halves);
}

void check_text(const Tokenizer& tokenizer, std::string_view text, bool round_trips) {
  if (text.size() > 1) check_plain(tokenizer, text);
  for (const bool special : {false, true}) {
    const auto ids = tokenizer.tokenize(text, {.parse_special = special, .add_bos = special});
    require(ids.ok());
    leoam::Utf8Stream stream;
    std::string shown;
    for (const int32_t id : *ids) {
      require(id >= 0 && static_cast<uint32_t>(id) < tokenizer.n_vocab());
      stream.push(tokenizer.token_bytes(id, special), &shown);
    }
    stream.finish(&shown);
    require(leoam::first_invalid_utf8(shown) == shown.size());
    const std::string decoded = tokenizer.decode(*ids, special);
    if (!special && round_trips) require(decoded == text);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static constexpr const char* kPre[] = {"smollm", "gpt-2", "llama-bpe", "qwen2", "default", "", "other"};
  Input input(bytes, size);
  TokenizerData data;
  const uint8_t format = input.byte();
  const uint8_t flags = input.byte();
  data.model = format % 2 == 0 ? "gpt2" : "llama";
  data.pre = kPre[format / 2 % 7];
  data.add_bos = static_cast<int32_t>(flags & 3) - 1;
  data.add_space_prefix = static_cast<int32_t>(flags >> 2 & 3) - 1;
  data.bos = input.number();
  data.eos = input.number();
  data.eot = input.number();
  data.unknown = input.number();

  const bool has_bytes = (flags & 16) != 0;
  if (has_bytes) add_bytes(&data);
  bool all_normal = true;
  for (std::string spelling; input.next(&spelling);) {
    const int32_t type = input.number();
    const int8_t score = input.number();
    all_normal &= type == static_cast<int32_t>(TokenType::normal);
    add_token(&data, spelling, type, score == 127 ? std::numeric_limits<float>::quiet_NaN() : score);
  }
  for (std::string merge; input.next(&merge);) data.merges.push_back(merge);
  if ((flags & 32) != 0) data.types.clear();
  if ((flags & 64) != 0) data.scores.clear();

  const bool has_types = !data.types.empty();
  const std::string_view text = input.rest();
  const bool round_trips =
      has_bytes && has_types && all_normal && text.find("\xE2\x96\x81") == std::string_view::npos;
  const auto created = Tokenizer::create(std::move(data));
  if (!created.ok()) {
    require(!created.status().message().empty());
    return 0;
  }
  check_text(**created, text, round_trips);
  return 0;
}
