#include "runtime/model/chat_template/access.h"

namespace leoam::chat {
namespace {

Result<Value> dict_get(Context&, const Value& self, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("get", {"key", "default"}, 1));
  const Value* found = self.dict()->find(*bound[0]);
  if (found != nullptr) return *found;
  return bound[1] == nullptr ? Value(None{}) : *bound[1];
}

Result<Value> dict_keys(Context& context, const Value& self, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("keys"));
  ListBuilder keys(context.budget);
  for (const auto& entry : self.dict()->entries) LEOAM_RETURN_IF_ERROR(keys.add(entry.first));
  return keys.finish();
}

Result<Value> dict_values(Context& context, const Value& self, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("values"));
  ListBuilder values(context.budget);
  for (const auto& entry : self.dict()->entries) LEOAM_RETURN_IF_ERROR(values.add(entry.second));
  return values.finish();
}

Result<Value> dict_items(Context& context, const Value& self, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("items"));
  ListBuilder items(context.budget);
  for (const auto& entry : self.dict()->entries) {
    LEOAM_ASSIGN_OR_RETURN(Value pair, make_list(context.budget, {entry.first, entry.second}, true));
    LEOAM_RETURN_IF_ERROR(items.add(std::move(pair)));
  }
  return items.finish();
}

Result<Value> copy_of_immutable(Context&, const Value& self, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("copy"));
  return self;
}

Result<Value> list_count(Context& context, const Value& self, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("count", {"value"}, 1));
  int64_t n = 0;
  for (const Value& item : self.list()->items) {
    LEOAM_ASSIGN_OR_RETURN(const bool same, equal(context.budget, item, *bound[0]));
    n += same ? 1 : 0;
  }
  return Value(n);
}

Result<Value> list_index(Context& context, const Value& self, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("index", {"value"}, 1));
  const auto& items = self.list()->items;
  for (size_t i = 0; i < items.size(); ++i) {
    LEOAM_ASSIGN_OR_RETURN(const bool same, equal(context.budget, items[i], *bound[0]));
    if (same) return Value(static_cast<int64_t>(i));
  }
  return error(ErrorKind::invalid_argument, "'index': the value is not in the list");
}

Result<Value> loop_cycle(Context&, const Value& self, const Arguments& arguments) {
  const auto& values = arguments.positional;
  if (values.empty()) return error(ErrorKind::invalid_argument, "'cycle' needs a value");
  return values[self.loop()->index % values.size()];
}

constexpr Method kDictMethods[] = {
    {"get", dict_get},           {"keys", dict_keys},     {"values", dict_values}, {"items", dict_items},
    {"copy", copy_of_immutable}, {"clear", nullptr},      {"fromkeys", nullptr},   {"pop", nullptr},
    {"popitem", nullptr},        {"setdefault", nullptr}, {"update", nullptr},
};
constexpr Method kTupleMethods[] = {{"count", list_count}, {"index", list_index}};
constexpr Method kListMethods[] = {
    {"count", list_count}, {"index", list_index}, {"copy", copy_of_immutable}, {"append", nullptr},
    {"clear", nullptr},    {"extend", nullptr},   {"insert", nullptr},         {"pop", nullptr},
    {"remove", nullptr},   {"reverse", nullptr},  {"sort", nullptr},
};
constexpr Method kLoopMethods[] = {{"cycle", loop_cycle}, {"changed", nullptr}};

}  // namespace

const Method* find_method(const Value& self, std::string_view name) {
  switch (self.kind()) {
    case Kind::text:
      return find_text_method(name);
    case Kind::dict:
      return find_named(kDictMethods, name);
    case Kind::list:
      return self.list()->is_tuple ? find_named(kTupleMethods, name) : find_named(kListMethods, name);
    case Kind::loop:
      return find_named(kLoopMethods, name);
    default:
      return nullptr;
  }
}

}  // namespace leoam::chat
