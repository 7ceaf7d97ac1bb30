// Access: reaching into values the way Jinja's environment does: attributes before items for a dot, items
// before attributes for brackets, and an undefined value instead of an error for what is not there.
#pragma once

#include <string_view>

#include "runtime/model/chat_template/builtins.h"
#include "runtime/model/chat_template/syntax.h"
#include "runtime/model/chat_template/value.h"

namespace leoam::chat {

Result<Value> get_attribute(Context& context, const Value& object, const std::string& name);
Result<Value> get_item(Context& context, const Value& object, const Value& key);
// Bounds are integers or none.
Result<Value> get_slice(Context& context, const Value& object, const Value& from, const Value& to,
                        const Value& step);

// The elements that a loop over the value visits: of a text its characters, of a dict its keys. An iterator
// is used up by it.
Result<ListRef> elements(Context& context, const Value& value);
Result<Value> iterate_later(Result<Value> list);
Result<int64_t> length(Context& context, const Value& value);
Result<bool> contains(Context& context, const Value& container, const Value& item);

Result<Value> apply_operator(Context& context, Operator op, const Value& left, const Value& right);
Result<Value> negate(const Value& value);

// Offset of `needle` at or after `from`, or npos; linear in the worst case.
size_t find_bytes(std::string_view text, std::string_view needle, size_t from = 0);

}  // namespace leoam::chat
