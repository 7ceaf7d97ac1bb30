#include <algorithm>
#include <cmath>

#include "runtime/model/chat_template/characters.h"
#include "runtime/model/chat_template/json.h"

namespace leoam::chat {
namespace {

class JsonWriter {
 public:
  JsonWriter(TextBuilder& out, Budget& budget, const JsonStyle& style)
      : out_(out), budget_(budget), style_(style) {}

  Status write(const Value& value) {
    LEOAM_RETURN_IF_ERROR(budget_.spend(1));
    switch (value.kind()) {
      case Kind::none:
        return put("null");
      case Kind::boolean:
        return put(value.boolean() ? "true" : "false");
      case Kind::integer:
        return put(fmt::format("{}", value.integer()));
      case Kind::real:
        return put(number(value.real()));
      case Kind::text:
        LEOAM_RETURN_IF_ERROR(budget_.spend(value.text().size_bytes() / 32));
        write_text(value.text());
        return {};
      case Kind::list:
        return write_list(*value.list());
      case Kind::dict:
        return write_dict(*value.dict());
      default:
        return error(ErrorKind::invalid_argument, "a value of type '{}' has no JSON form", value.type_name());
    }
  }

 private:
  Status put(std::string_view bytes) {
    out_.append(bytes, false);
    return {};
  }

  static std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
    return python_float(value);
  }

  void write_text(const Text& text) {
    out_.append("\"", false);
    text.for_each_run([this](std::string_view run, bool from_user) {
      for (size_t at = 0; at < run.size();) {
        const Character character = character_at(run, at);
        write_character(run.substr(at, character.size_bytes), character.code_point, from_user);
        at += character.size_bytes;
      }
    });
    out_.append("\"", false);
  }

  void write_character(std::string_view bytes, int32_t c, bool from_user) {
    static constexpr std::string_view kShort = "\"\\\n\r\t\f\b", kLetters = "\"\\nrtfb";
    const size_t known = c >= 0 && c < 0x80 ? kShort.find(static_cast<char>(c)) : std::string_view::npos;
    if (known != std::string_view::npos) {
      const char escape[] = {'\\', kLetters[known]};
      out_.append(std::string_view(escape, 2), from_user);
    } else if ((c >= 0 && c < 0x20) || (style_.ascii && c >= 0x7f && c < 0x10000)) {
      out_.append(fmt::format("\\u{:04x}", c), from_user);
    } else if (style_.ascii && c >= 0x10000) {
      const int32_t rest = c - 0x10000;
      out_.append(fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + (rest >> 10), 0xdc00 + (rest & 0x3ff)),
                  from_user);
    } else {
      out_.append(bytes, from_user);
    }
  }

  void line_break() {
    if (!style_.indent) return;
    out_.append("\n", false);
    for (uint32_t i = 0; i < level_; ++i) out_.append(*style_.indent);
  }

  Status write_list(const List& list) {
    if (list.items.empty()) return put("[]");
    out_.append("[", false);
    ++level_;
    for (size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) out_.append(style_.item_separator);
      line_break();
      LEOAM_RETURN_IF_ERROR(write(list.items[i]));
    }
    --level_;
    line_break();
    return put("]");
  }

  Status write_dict(const Dict& dict) {
    if (dict.entries.empty()) return put("{}");
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict.entries) entries.push_back(&entry);
    if (style_.sort_keys) LEOAM_RETURN_IF_ERROR(sort(entries));
    out_.append("{", false);
    ++level_;
    bool first = true;
    for (const auto* entry : entries) {
      if (!std::exchange(first, false)) out_.append(style_.item_separator);
      line_break();
      if (entry->first.is_text()) {
        write_text(entry->first.text());
      } else {
        out_.append(fmt::format("\"{}\"", entry->first.integer()), false);
      }
      out_.append(style_.key_separator);
      LEOAM_RETURN_IF_ERROR(write(entry->second));
    }
    --level_;
    line_break();
    return put("}");
  }

  Status sort(std::vector<const std::pair<Value, Value>*>& entries) {
    const bool texts = entries[0]->first.is_text();
    for (const auto* entry : entries) {
      if (entry->first.is_text() != texts) {
        return error(ErrorKind::invalid_argument, "keys of different types have no order");
      }
    }
    LEOAM_RETURN_IF_ERROR(budget_.spend(entries.size()));
    std::sort(entries.begin(), entries.end(), [texts](const auto* a, const auto* b) {
      return texts ? a->first.text().view() < b->first.text().view()
                   : a->first.integer() < b->first.integer();
    });
    return {};
  }

  TextBuilder& out_;
  Budget& budget_;
  const JsonStyle& style_;
  uint32_t level_ = 0;
};

}  // namespace

Status append_json(TextBuilder& out, Budget& budget, const Value& value, const JsonStyle& style) {
  return JsonWriter(out, budget, style).write(value);
}

}  // namespace leoam::chat
