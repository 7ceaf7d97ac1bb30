#include "runtime/model/chat_template/access.h"

#include <cstring>

#include "runtime/model/chat_template/characters.h"

namespace leoam::chat {
namespace {

Value method_or_undefined(const Value& object, std::string_view name, const std::string* shown) {
  const Method* method = find_method(object, name);
  if (method == nullptr) return Undefined{shown};
  auto callable = std::make_shared<Callable>();
  callable->self = object;
  callable->method = method;
  return Value(std::shared_ptr<const Callable>(std::move(callable)));
}

Value loop_attribute(const Value& object, const std::string& name) {
  const Loop& loop = *object.loop();
  const auto& items = loop.items->items;
  const auto index = static_cast<int64_t>(loop.index), size = static_cast<int64_t>(items.size());
  if (name == "index0") return index;
  if (name == "index") return index + 1;
  if (name == "revindex0") return size - index - 1;
  if (name == "revindex") return size - index;
  if (name == "first") return index == 0;
  if (name == "last") return index == size - 1;
  if (name == "length") return size;
  // Only recursive loops, which are not there, go deeper.
  if (name == "depth") return int64_t{1};
  if (name == "depth0") return int64_t{0};
  if (name == "previtem") return index > 0 ? items[loop.index - 1] : Value(Undefined{&name});
  if (name == "nextitem") return index + 1 < size ? items[loop.index + 1] : Value(Undefined{&name});
  return method_or_undefined(object, name, &name);
}

Result<Value> text_item(Context& context, const Text& text, int64_t index) {
  LEOAM_RETURN_IF_ERROR(context.budget.spend_on_bytes(text.size_bytes()));
  const std::string_view bytes = text.view();
  if (index < 0) index += static_cast<int64_t>(count_characters(bytes));
  if (index < 0) return Value(Undefined{});
  const size_t at = offset_of_character(bytes, static_cast<size_t>(index));
  if (at >= bytes.size()) return Value(Undefined{});
  return Value(text.slice(at, character_at(bytes, at).size_bytes));
}

struct Range {
  int64_t from, to, step;
};

Result<int64_t> bound(const Value& value, int64_t otherwise) {
  if (value.is(Kind::none)) return otherwise;
  if (value.is(Kind::undefined)) return undefined_error(value);
  if (!value.is_integral()) {
    return error(ErrorKind::invalid_argument, "the bound of a slice is of type '{}'", value.type_name());
  }
  return value.as_integer();
}

int64_t clamp_bound(int64_t at, int64_t size, int64_t lowest, int64_t highest) {
  if (at < 0) at = at < -size ? -1 : at + size;
  return at < lowest ? lowest : (at > highest ? highest : at);
}

// Bounds inside the sequence, as Python's slice.indices gives them.
Result<Range> slice_range(int64_t size, const Value& from, const Value& to, const Value& step) {
  LEOAM_ASSIGN_OR_RETURN(const int64_t stride, bound(step, 1));
  if (stride == 0) return error(ErrorKind::invalid_argument, "the step of a slice is zero");
  const bool forward = stride > 0;
  const int64_t lowest = forward ? 0 : -1, highest = forward ? size : size - 1;
  Range range{forward ? 0 : size - 1, forward ? size : -1, stride};
  if (!from.is(Kind::none)) {
    LEOAM_ASSIGN_OR_RETURN(const int64_t at, bound(from, 0));
    range.from = clamp_bound(at, size, lowest, highest);
  }
  if (!to.is(Kind::none)) {
    LEOAM_ASSIGN_OR_RETURN(const int64_t at, bound(to, 0));
    range.to = clamp_bound(at, size, lowest, highest);
  }
  return range;
}

// take(index) for every index of the range.
template <class Take>
Status for_each_index(const Range& range, Take&& take) {
  for (int64_t at = range.from; range.step > 0 ? at < range.to : at > range.to;) {
    LEOAM_RETURN_IF_ERROR(take(static_cast<size_t>(at)));
    if (__builtin_add_overflow(at, range.step, &at)) break;
  }
  return {};
}

Result<Value> slice_text(Context& context, const Text& text, const Value& from, const Value& to,
                         const Value& step) {
  LEOAM_RETURN_IF_ERROR(context.budget.spend_on_bytes(2 * text.size_bytes()));
  const std::string_view bytes = text.view();
  LEOAM_ASSIGN_OR_RETURN(const Range range,
                         slice_range(static_cast<int64_t>(count_characters(bytes)), from, to, step));
  if (range.step == 1) {
    if (range.from >= range.to) return Value(Text());
    const size_t begin = offset_of_character(bytes, static_cast<size_t>(range.from));
    const size_t size = offset_of_character(bytes.substr(begin), static_cast<size_t>(range.to - range.from));
    return Value(text.slice(begin, size));
  }
  LEOAM_ASSIGN_OR_RETURN(const ListRef characters, elements(context, Value(text)));
  TextBuilder out(context.budget);
  LEOAM_RETURN_IF_ERROR(for_each_index(range, [&](size_t at) {
    out.append(characters->items[at].text());
    return Status();
  }));
  LEOAM_ASSIGN_OR_RETURN(Text sliced, out.finish());
  return Value(std::move(sliced));
}

Result<Value> characters_of(Context& context, const Text& text) {
  LEOAM_RETURN_IF_ERROR(context.budget.spend_on_bytes(text.size_bytes()));
  ListBuilder list(context.budget);
  const std::string_view bytes = text.view();
  for (size_t at = 0; at < bytes.size();) {
    const size_t size = character_at(bytes, at).size_bytes;
    LEOAM_RETURN_IF_ERROR(list.add(Value(text.slice(at, size))));
    at += size;
  }
  return list.finish();
}

}  // namespace

size_t find_bytes(std::string_view text, std::string_view needle, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (needle.empty()) return from;
  if (needle.size() > text.size() - from) return std::string_view::npos;
  // memmem is linear for every input, std::string_view::find is not.
  const void* found = memmem(text.data() + from, text.size() - from, needle.data(), needle.size());
  return found == nullptr ? std::string_view::npos
                          : static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

Result<Value> get_attribute(Context&, const Value& object, const std::string& name) {
  switch (object.kind()) {
    case Kind::undefined:
      return undefined_error(object);
    case Kind::dict: {
      Value method = method_or_undefined(object, name, &name);
      if (!method.is(Kind::undefined)) return method;
      const Value* item = object.dict()->find(name);
      return item != nullptr ? *item : Value(Undefined{&name});
    }
    case Kind::name_space: {
      const auto& attributes = object.name_space()->attributes;
      const auto found = attributes.find(name);
      return found == attributes.end() ? Value(Undefined{&name}) : found->second;
    }
    case Kind::loop:
      return loop_attribute(object, name);
    default:
      return method_or_undefined(object, name, &name);
  }
}

Result<Value> get_item(Context& context, const Value& object, const Value& key) {
  if (object.is(Kind::undefined)) return undefined_error(object);
  if (object.is(Kind::dict)) {
    const Value* item = object.dict()->find(key);
    if (item != nullptr) return *item;
  } else if (object.is(Kind::list) && key.is_integral()) {
    const auto& items = object.list()->items;
    const auto size = static_cast<int64_t>(items.size());
    const int64_t index = key.as_integer() < 0 ? key.as_integer() + size : key.as_integer();
    return index >= 0 && index < size ? items[static_cast<size_t>(index)] : Value(Undefined{});
  } else if (object.is_text() && key.is_integral()) {
    return text_item(context, object.text(), key.as_integer());
  } else if (object.is(Kind::loop) || object.is(Kind::name_space)) {
    return error(ErrorKind::unsupported, "brackets on a value of type '{}'", object.type_name());
  }
  return key.is_text() ? method_or_undefined(object, key.text().view(), nullptr) : Value(Undefined{});
}

Result<Value> get_slice(Context& context, const Value& object, const Value& from, const Value& to,
                        const Value& step) {
  if (object.is(Kind::undefined)) return undefined_error(object);
  if (object.is_text()) return slice_text(context, object.text(), from, to, step);
  if (!object.is(Kind::list)) {
    return error(ErrorKind::invalid_argument, "a value of type '{}' cannot be sliced", object.type_name());
  }
  const List& list = *object.list();
  LEOAM_ASSIGN_OR_RETURN(const Range range,
                         slice_range(static_cast<int64_t>(list.items.size()), from, to, step));
  ListBuilder out(context.budget);
  LEOAM_RETURN_IF_ERROR(for_each_index(range, [&](size_t at) { return out.add(list.items[at]); }));
  return out.finish(list.is_tuple);
}

Result<ListRef> elements(Context& context, const Value& value) {
  const auto as_list = [](Result<Value> made) -> Result<ListRef> {
    if (!made.ok()) return std::move(made).status();
    return made->list();
  };
  switch (value.kind()) {
    case Kind::undefined:
      return as_list(make_list(context.budget, {}));
    case Kind::list:
      return value.list();
    case Kind::text:
      return as_list(characters_of(context, value.text()));
    case Kind::dict: {
      ListBuilder keys(context.budget);
      for (const auto& entry : value.dict()->entries) LEOAM_RETURN_IF_ERROR(keys.add(entry.first));
      return as_list(keys.finish());
    }
    case Kind::iterator: {
      Iterator& iterator = *value.iterator();
      ListBuilder remaining(context.budget);
      for (; iterator.next < iterator.items->items.size(); ++iterator.next) {
        LEOAM_RETURN_IF_ERROR(remaining.add(iterator.items->items[iterator.next]));
      }
      return as_list(remaining.finish());
    }
    default:
      return error(ErrorKind::invalid_argument, "a value of type '{}' is not iterable", value.type_name());
  }
}

Result<Value> iterate_later(Result<Value> list) {
  if (!list.ok()) return list;
  auto iterator = std::make_shared<Iterator>();
  iterator->items = list->list();
  return Value(std::move(iterator));
}

Result<int64_t> length(Context& context, const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
      return int64_t{0};
    case Kind::text:
      LEOAM_RETURN_IF_ERROR(context.budget.spend_on_bytes(value.text().size_bytes()));
      return static_cast<int64_t>(count_characters(value.text().view()));
    case Kind::list:
      return static_cast<int64_t>(value.list()->items.size());
    case Kind::dict:
      return static_cast<int64_t>(value.dict()->entries.size());
    case Kind::loop:
      return static_cast<int64_t>(value.loop()->items->items.size());
    default:
      return error(ErrorKind::invalid_argument, "a value of type '{}' has no length", value.type_name());
  }
}

Result<bool> contains(Context& context, const Value& container, const Value& item) {
  if (container.is_text()) {
    if (item.is(Kind::undefined)) return undefined_error(item);
    if (!item.is_text()) {
      return error(ErrorKind::invalid_argument, "'in' looks for a value of type '{}' in a text",
                   item.type_name());
    }
    LEOAM_RETURN_IF_ERROR(context.budget.spend_on_bytes(container.text().size_bytes()));
    return find_bytes(container.text().view(), item.text().view()) != std::string_view::npos;
  }
  if (container.is(Kind::dict)) return container.dict()->find(item) != nullptr;
  LEOAM_ASSIGN_OR_RETURN(const ListRef list, elements(context, container));
  for (const Value& element : list->items) {
    LEOAM_ASSIGN_OR_RETURN(const bool same, equal(context.budget, element, item));
    if (same) return true;
  }
  return false;
}

}  // namespace leoam::chat
