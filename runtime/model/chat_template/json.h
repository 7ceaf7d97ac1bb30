// JSON: the caller's data in, and `tojson` out, formatted as Python's json.dumps.
#pragma once

#include <optional>
#include <string_view>

#include "runtime/model/chat_template/value.h"

namespace leoam::chat {

// Strict RFC 8259; every text of it is marked as from the user. Fails with invalid_argument (offset,
// expected, found), unsupported (an integer beyond 64 bits) or no_space.
Result<Value> read_json(Budget& budget, std::string_view json);

struct JsonStyle {
  std::optional<Text> indent;  // one level; none: everything on one line
  Text item_separator{", "};
  Text key_separator{": "};
  bool ascii = false;
  bool sort_keys = false;
};

Status append_json(TextBuilder& out, Budget& budget, const Value& value, const JsonStyle& style);

}  // namespace leoam::chat
