#include <charconv>

#include "runtime/model/chat_template/characters.h"
#include "runtime/model/chat_template/json.h"

namespace leoam::chat {
namespace {

class JsonReader {
 public:
  JsonReader(Budget& budget, std::string_view json) : budget_(budget), json_(json) {}

  Result<Value> read() {
    LEOAM_ASSIGN_OR_RETURN(Value value, read_value(0));
    skip_blanks();
    if (at_ < json_.size()) return malformed("the end");
    return value;
  }

 private:
  Status malformed(std::string_view expected) const {
    if (at_ >= json_.size()) {
      return error(ErrorKind::invalid_argument, "JSON offset {}: expected {}, found the end", at_, expected);
    }
    return error(ErrorKind::invalid_argument, "JSON offset {}: expected {}, found byte 0x{:02x}", at_,
                 expected, static_cast<uint8_t>(json_[at_]));
  }

  void skip_blanks() {
    while (at_ < json_.size() && std::string_view(" \t\r\n").find(json_[at_]) != std::string_view::npos)
      ++at_;
  }

  bool skip(std::string_view mark) {
    if (json_.substr(at_, mark.size()) != mark) return false;
    at_ += mark.size();
    return true;
  }

  Result<Value> read_value(uint32_t depth) {
    if (depth >= budget_.depth()) {
      return Status::no_space(fmt::format("JSON offset {}: nested more than {} deep", at_, budget_.depth()),
                              uint64_t{depth} + 1, budget_.depth());
    }
    LEOAM_RETURN_IF_ERROR(budget_.spend(1));
    skip_blanks();
    if (skip("{")) return read_object(depth);
    if (skip("[")) return read_array(depth);
    if (skip("\"")) {
      LEOAM_ASSIGN_OR_RETURN(Text text, read_text());
      return Value(std::move(text));
    }
    if (skip("true")) return Value(true);
    if (skip("false")) return Value(false);
    if (skip("null")) return Value(None{});
    return read_number();
  }

  Result<Value> read_array(uint32_t depth) {
    ListBuilder list(budget_);
    skip_blanks();
    if (skip("]")) return list.finish();
    while (true) {
      LEOAM_ASSIGN_OR_RETURN(Value item, read_value(depth + 1));
      LEOAM_RETURN_IF_ERROR(list.add(std::move(item)));
      skip_blanks();
      if (skip("]")) return list.finish();
      if (!skip(",")) return malformed("',' or ']'");
    }
  }

  Result<Value> read_object(uint32_t depth) {
    std::vector<std::pair<Value, Value>> entries;
    Charge charge;
    skip_blanks();
    if (skip("}")) return make_dict(budget_, {});
    while (true) {
      skip_blanks();
      if (!skip("\"")) return malformed("a key");
      LEOAM_ASSIGN_OR_RETURN(Text key, read_text());
      skip_blanks();
      if (!skip(":")) return malformed("':'");
      LEOAM_ASSIGN_OR_RETURN(Value value, read_value(depth + 1));
      LEOAM_RETURN_IF_ERROR(charge.raise_to(budget_, (entries.size() + 1) * sizeof(entries[0])));
      entries.emplace_back(std::move(key), std::move(value));
      skip_blanks();
      if (skip("}")) return make_dict(budget_, std::move(entries));
      if (!skip(",")) return malformed("',' or '}'");
    }
  }

  Result<uint32_t> read_hex() {
    uint32_t value = 0;
    const std::string_view digits = json_.substr(at_, 4);
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 4 || result.ptr != digits.data() + 4) return malformed("four hexadecimal digits");
    at_ += 4;
    return value;
  }

  // After "\u". A surrogate without its other half is no character.
  Status read_code_point(std::string* out) {
    LEOAM_ASSIGN_OR_RETURN(uint32_t code_point, read_hex());
    if (code_point >= 0xd800 && code_point < 0xdc00) {
      if (!skip("\\u")) return malformed("the second half of a surrogate pair");
      LEOAM_ASSIGN_OR_RETURN(const uint32_t low, read_hex());
      if (low < 0xdc00 || low > 0xdfff) return malformed("the second half of a surrogate pair");
      code_point = 0x10000 + ((code_point - 0xd800) << 10) + (low - 0xdc00);
    } else if (code_point >= 0xdc00 && code_point < 0xe000) {
      return malformed("the first half of a surrogate pair");
    }
    append_utf8(code_point, out);
    return {};
  }

  // After the opening quote.
  Result<Text> read_text() {
    static constexpr std::string_view kLetters = "\"\\/bfnrt", kMeaning = "\"\\/\b\f\n\r\t";
    std::string bytes;
    while (true) {
      if (at_ >= json_.size()) return malformed("'\"'");
      const char c = json_[at_];
      if (static_cast<uint8_t>(c) < 0x20) return malformed("an escape for a control character");
      ++at_;
      if (c == '"') break;
      if (c != '\\') {
        bytes.push_back(c);
      } else if (skip("u")) {
        LEOAM_RETURN_IF_ERROR(read_code_point(&bytes));
      } else {
        const size_t known = at_ < json_.size() ? kLetters.find(json_[at_]) : std::string_view::npos;
        if (known == std::string_view::npos) return malformed("an escape");
        bytes.push_back(kMeaning[known]);
        ++at_;
      }
    }
    TextBuilder text(budget_);
    text.append(bytes, true);
    return text.finish();
  }

  size_t skip_digits() {
    const size_t begin = at_;
    while (at_ < json_.size() && json_[at_] >= '0' && json_[at_] <= '9') ++at_;
    return at_ - begin;
  }

  Result<Value> read_number() {
    const size_t begin = at_;
    skip("-");
    const bool leading_zero = at_ < json_.size() && json_[at_] == '0';
    const size_t n_digits = skip_digits();
    if (n_digits == 0) return malformed("a value");
    if (leading_zero && n_digits > 1) {
      at_ = begin;
      return malformed("a number without a leading zero");
    }
    bool is_real = skip(".");
    if (is_real && skip_digits() == 0) return malformed("a digit");
    if (skip("e") || skip("E")) {
      is_real = true;
      if (!skip("+")) skip("-");
      if (skip_digits() == 0) return malformed("a digit");
    }
    const std::string_view digits = json_.substr(begin, at_ - begin);
    return is_real ? real(digits) : integer(digits);
  }

  Result<Value> integer(std::string_view digits) const {
    int64_t value = 0;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (result.ec != std::errc()) {
      return error(ErrorKind::unsupported, "JSON offset {}: an integer beyond 64 bits", at_ - digits.size());
    }
    return Value(value);
  }

  Result<Value> real(std::string_view digits) const {
    double value = 0;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (result.ec != std::errc()) {
      return error(ErrorKind::unsupported, "JSON offset {}: a number beyond a double", at_ - digits.size());
    }
    return Value(value);
  }

  Budget& budget_;
  std::string_view json_;
  size_t at_ = 0;
};

}  // namespace

Result<Value> read_json(Budget& budget, std::string_view json) {
  return JsonReader(budget, json).read();
}

}  // namespace leoam::chat
