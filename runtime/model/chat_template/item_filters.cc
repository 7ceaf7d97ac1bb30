#include <algorithm>

#include "runtime/model/chat_template/access.h"

namespace leoam::chat {
namespace {

Result<Value> without_case(Context& context, const Value& value) {
  if (!value.is_text()) return value;
  return change_case(context, value.text(), LetterCase::lower);
}

// What an `attribute` argument reaches: "a.b", "0.name" or an index.
Result<Value> reach(Context& context, Value value, const Value& path) {
  if (path.is_integral()) return get_item(context, value, path);
  LEOAM_ASSIGN_OR_RETURN(const Text text, text_argument("attribute", &path));
  const std::string_view bytes = text.view();
  for (size_t begin = 0; begin <= bytes.size();) {
    const size_t end = std::min(bytes.find('.', begin), bytes.size());
    const std::string_view part = bytes.substr(begin, end - begin);
    const bool is_index = !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
    Value key(text.slice(begin, end - begin));
    if (is_index) {
      LEOAM_ASSIGN_OR_RETURN(key, find_filter("int")(context, key, {}));
    }
    LEOAM_ASSIGN_OR_RETURN(value, get_item(context, value, key));
    begin = end + 1;
  }
  return value;
}

// The value by which an element is compared: its attribute, if asked for, without case unless that matters.
Result<Value> sort_key(Context& context, const Value& element, const Value* attribute, bool case_sensitive) {
  Value key = element;
  if (attribute != nullptr && !attribute->is(Kind::none)) {
    LEOAM_ASSIGN_OR_RETURN(key, reach(context, element, *attribute));
  }
  return case_sensitive ? Result<Value>(std::move(key)) : without_case(context, key);
}

struct Keyed {
  Value key;
  Value element;
};

struct KeyedList {
  std::vector<Keyed> entries;
  Charge charge;  // also for the second list that sorting needs
};

Result<KeyedList> keyed_elements(Context& context, const Value& subject, const Value* attribute,
                                 bool case_sensitive) {
  LEOAM_ASSIGN_OR_RETURN(const ListRef list, elements(context, subject));
  KeyedList keyed;
  LEOAM_RETURN_IF_ERROR(keyed.charge.raise_to(context.budget, 2 * sizeof(Keyed) * list->items.size()));
  for (const Value& element : list->items) {
    LEOAM_RETURN_IF_ERROR(context.budget.spend(1));
    LEOAM_ASSIGN_OR_RETURN(Value key, sort_key(context, element, attribute, case_sensitive));
    keyed.entries.push_back({std::move(key), element});
  }
  return keyed;
}

// A stable merge sort that ends at the first comparison that fails.
Status sort(Context& context, std::vector<Keyed>& keyed, bool descending) {
  const auto merge = [&](size_t begin, size_t middle, size_t end, std::vector<Keyed>& to) -> Status {
    size_t left = begin, right = middle;
    for (size_t at = begin; at < end; ++at) {
      bool take_right = left == middle;
      if (!take_right && right < end) {
        LEOAM_ASSIGN_OR_RETURN(const int way, order(context.budget, keyed[right].key, keyed[left].key, "<"));
        take_right = descending ? way > 0 : way < 0;
      }
      to[at] = std::move(take_right ? keyed[right++] : keyed[left++]);
    }
    return {};
  };
  std::vector<Keyed> merged(keyed.size());
  for (size_t width = 1; width < keyed.size(); width *= 2) {
    for (size_t begin = 0; begin < keyed.size(); begin += 2 * width) {
      const size_t middle = std::min(begin + width, keyed.size()),
                   end = std::min(begin + 2 * width, keyed.size());
      LEOAM_RETURN_IF_ERROR(merge(begin, middle, end, merged));
    }
    std::swap(keyed, merged);
  }
  return {};
}

bool flag(const Value* argument) {
  return argument != nullptr && argument->truth();
}

Result<Value> list_of(Context& context, std::vector<Keyed> keyed) {
  ListBuilder list(context.budget);
  for (Keyed& entry : keyed) LEOAM_RETURN_IF_ERROR(list.add(std::move(entry.element)));
  return list.finish();
}

Result<Value> filter_length(Context& context, const Value& subject, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("length"));
  LEOAM_ASSIGN_OR_RETURN(const int64_t n, length(context, subject));
  return Value(n);
}

Result<Value> filter_first(Context& context, const Value& subject, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("first"));
  if (subject.is(Kind::iterator)) {
    Iterator& iterator = *subject.iterator();
    if (iterator.next == iterator.items->items.size()) return Value(Undefined{});
    return iterator.items->items[iterator.next++];
  }
  LEOAM_ASSIGN_OR_RETURN(const ListRef list, elements(context, subject));
  return list->items.empty() ? Value(Undefined{}) : list->items.front();
}

Result<Value> filter_last(Context& context, const Value& subject, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("last"));
  if (subject.is(Kind::iterator)) {
    return error(ErrorKind::invalid_argument, "a value of type 'generator' has no last element");
  }
  LEOAM_ASSIGN_OR_RETURN(const ListRef list, elements(context, subject));
  return list->items.empty() ? Value(Undefined{}) : list->items.back();
}

Result<Value> filter_join(Context& context, const Value& subject, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("join", {"d", "attribute"}));
  Text separator;
  if (bound[0] != nullptr) {
    LEOAM_ASSIGN_OR_RETURN(separator, to_text(context.budget, *bound[0]));
  }
  LEOAM_ASSIGN_OR_RETURN(auto keyed, keyed_elements(context, subject, bound[1], true));
  std::vector<Value> items;
  for (Keyed& entry : keyed.entries) items.push_back(std::move(entry.key));
  return join(context, separator, items);
}

Result<Value> filter_default(Context&, const Value& subject, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("default", {"default_value", "boolean"}));
  const bool replaced = subject.is(Kind::undefined) || (flag(bound[1]) && !subject.truth());
  if (!replaced) return subject;
  return bound[0] == nullptr ? Value(Text()) : *bound[0];
}

Result<Value> filter_items(Context& context, const Value& subject, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("items"));
  if (subject.is(Kind::undefined)) return iterate_later(make_list(context.budget, {}));
  if (!subject.is(Kind::dict)) {
    return error(ErrorKind::invalid_argument, "the filter 'items' needs a dict, found a value of type '{}'",
                 subject.type_name());
  }
  return iterate_later(find_method(subject, "items")->function(context, subject, {}));
}

Result<Value> filter_list(Context& context, const Value& subject, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("list"));
  LEOAM_ASSIGN_OR_RETURN(const ListRef list, elements(context, subject));
  if (!list->is_tuple) return Value(list);
  ListBuilder copy(context.budget);
  for (const Value& item : list->items) LEOAM_RETURN_IF_ERROR(copy.add(item));
  return copy.finish();
}

Result<Value> filter_reverse(Context& context, const Value& subject, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("reverse"));
  if (subject.is_text()) return get_slice(context, subject, None{}, None{}, Value(int64_t{-1}));
  LEOAM_ASSIGN_OR_RETURN(const ListRef list, elements(context, subject));
  ListBuilder reversed(context.budget);
  for (size_t i = list->items.size(); i > 0; --i) LEOAM_RETURN_IF_ERROR(reversed.add(list->items[i - 1]));
  return iterate_later(reversed.finish());
}

Result<Value> filter_sort(Context& context, const Value& subject, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound,
                         arguments.bind("sort", {"reverse", "case_sensitive", "attribute"}));
  LEOAM_ASSIGN_OR_RETURN(auto keyed, keyed_elements(context, subject, bound[2], flag(bound[1])));
  LEOAM_RETURN_IF_ERROR(sort(context, keyed.entries, flag(bound[0])));
  return list_of(context, std::move(keyed.entries));
}

Result<Value> filter_dictsort(Context& context, const Value& subject, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("dictsort", {"case_sensitive", "by", "reverse"}));
  if (!subject.is(Kind::dict)) {
    return error(ErrorKind::invalid_argument,
                 "the filter 'dictsort' needs a dict, found a value of type '{}'", subject.type_name());
  }
  int64_t position = 0;
  if (bound[1] != nullptr) {
    LEOAM_ASSIGN_OR_RETURN(const Text by, text_argument("dictsort", bound[1]));
    if (by.view() != "key" && by.view() != "value") {
      return error(ErrorKind::invalid_argument, "the filter 'dictsort' sorts by 'key' or 'value'");
    }
    position = by.view() == "value" ? 1 : 0;
  }
  LEOAM_ASSIGN_OR_RETURN(const Value entries, find_method(subject, "items")->function(context, subject, {}));
  const Value attribute(position);
  LEOAM_ASSIGN_OR_RETURN(auto keyed, keyed_elements(context, entries, &attribute, flag(bound[0])));
  LEOAM_RETURN_IF_ERROR(sort(context, keyed.entries, flag(bound[2])));
  return list_of(context, std::move(keyed.entries));
}

Result<Value> filter_unique(Context& context, const Value& subject, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("unique", {"case_sensitive", "attribute"}));
  LEOAM_ASSIGN_OR_RETURN(auto keyed, keyed_elements(context, subject, bound[1], flag(bound[0])));
  std::vector<Keyed> kept;
  for (Keyed& entry : keyed.entries) {
    bool seen = false;
    for (size_t i = 0; i < kept.size() && !seen; ++i) {
      LEOAM_ASSIGN_OR_RETURN(seen, equal(context.budget, kept[i].key, entry.key));
    }
    if (!seen) kept.push_back(std::move(entry));
  }
  return iterate_later(list_of(context, std::move(kept)));
}

// The smaller one for sign 1, the larger one for sign -1.
Result<Value> extreme(Context& context, const Value& subject, const Arguments& arguments, int sign) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound,
                         arguments.bind(sign > 0 ? "min" : "max", {"case_sensitive", "attribute"}));
  LEOAM_ASSIGN_OR_RETURN(auto keyed, keyed_elements(context, subject, bound[1], flag(bound[0])));
  auto& entries = keyed.entries;
  if (entries.empty()) return Value(Undefined{});
  size_t best = 0;
  for (size_t i = 1; i < entries.size(); ++i) {
    LEOAM_ASSIGN_OR_RETURN(const int way, order(context.budget, entries[i].key, entries[best].key, "<"));
    if (way * sign < 0) best = i;
  }
  return std::move(entries[best].element);
}

Result<Value> filter_min(Context& context, const Value& subject, const Arguments& arguments) {
  return extreme(context, subject, arguments, 1);
}

Result<Value> filter_max(Context& context, const Value& subject, const Arguments& arguments) {
  return extreme(context, subject, arguments, -1);
}

Result<Value> filter_sum(Context& context, const Value& subject, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("sum", {"attribute", "start"}));
  LEOAM_ASSIGN_OR_RETURN(const auto keyed, keyed_elements(context, subject, bound[0], true));
  Value total = bound[1] == nullptr ? Value(int64_t{0}) : *bound[1];
  if (total.is_text()) return error(ErrorKind::invalid_argument, "the filter 'sum' does not add texts");
  for (const Keyed& entry : keyed.entries) {
    LEOAM_ASSIGN_OR_RETURN(total, apply_operator(context, Operator::add, total, entry.key));
  }
  return total;
}

Result<Value> filter_batch(Context& context, const Value& subject, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("batch", {"linecount", "fill_with"}, 1));
  LEOAM_ASSIGN_OR_RETURN(const int64_t size, integer_argument("batch", bound[0], 1));
  if (size < 1 || bound[1] != nullptr)
    return error(ErrorKind::unsupported, "the filter 'batch' in this form");
  LEOAM_ASSIGN_OR_RETURN(const ListRef list, elements(context, subject));
  ListBuilder batches(context.budget), batch(context.budget);
  int64_t n = 0;
  for (size_t i = 0; i < list->items.size(); ++i) {
    LEOAM_RETURN_IF_ERROR(batch.add(list->items[i]));
    if (++n < size && i + 1 < list->items.size()) continue;
    LEOAM_ASSIGN_OR_RETURN(Value full, batch.finish());
    LEOAM_RETURN_IF_ERROR(batches.add(std::move(full)));
    n = 0;
  }
  return iterate_later(batches.finish());
}

// The elements of anything true, and none of none.
Result<ListRef> elements_if_true(Context& context, const Value& subject) {
  return elements(context, subject.truth() ? subject : Value(Undefined{}));
}

Result<Value> filter_map(Context& context, const Value& subject, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const ListRef list, elements_if_true(context, subject));
  ListBuilder mapped(context.budget);
  if (arguments.positional.empty()) {
    LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("map", {"attribute", "default"}, 1));
    for (const Value& item : list->items) {
      LEOAM_RETURN_IF_ERROR(context.budget.spend(1));
      LEOAM_ASSIGN_OR_RETURN(Value reached, reach(context, item, *bound[0]));
      if (reached.is(Kind::undefined) && bound[1] != nullptr) reached = *bound[1];
      LEOAM_RETURN_IF_ERROR(mapped.add(std::move(reached)));
    }
    return iterate_later(mapped.finish());
  }
  LEOAM_ASSIGN_OR_RETURN(const Text name, text_argument("map", &arguments.positional[0]));
  const Filter filter = find_filter(name.view());
  // Through itself it would nest without a bound.
  if (filter == nullptr || filter == filter_map) {
    return error(ErrorKind::unsupported, "the filter 'map' with the filter '{}'", without_user_text(name));
  }
  const Arguments rest = arguments.after(1);
  for (const Value& item : list->items) {
    LEOAM_RETURN_IF_ERROR(context.budget.spend(1));
    LEOAM_ASSIGN_OR_RETURN(Value changed, filter(context, item, rest));
    LEOAM_RETURN_IF_ERROR(mapped.add(std::move(changed)));
  }
  return iterate_later(mapped.finish());
}

// select, reject (by the element) and selectattr, rejectattr (by its attribute): a test and its arguments, or
// truth.
Result<Value> select(Context& context, const Value& subject, const Arguments& arguments, bool by_attribute,
                     bool wanted) {
  const size_t n_before = by_attribute ? 1 : 0;
  if (arguments.positional.size() < n_before) {
    return error(ErrorKind::invalid_argument, "selecting by an attribute needs its name");
  }
  Test test = nullptr;
  if (arguments.positional.size() > n_before) {
    LEOAM_ASSIGN_OR_RETURN(const Text name, text_argument("select", &arguments.positional[n_before]));
    test = find_test(name.view());
    if (test == nullptr) return error(ErrorKind::unsupported, "the test '{}'", without_user_text(name));
  }
  const Arguments rest = arguments.after(n_before + 1);
  LEOAM_ASSIGN_OR_RETURN(const ListRef list, elements_if_true(context, subject));
  ListBuilder selected(context.budget);
  for (const Value& item : list->items) {
    LEOAM_RETURN_IF_ERROR(context.budget.spend(1));
    Value tested = item;
    if (by_attribute) {
      LEOAM_ASSIGN_OR_RETURN(tested, reach(context, item, arguments.positional[0]));
    }
    bool passed = tested.truth();
    if (test != nullptr) {
      LEOAM_ASSIGN_OR_RETURN(passed, test(context, tested, rest));
    }
    if (passed == wanted) LEOAM_RETURN_IF_ERROR(selected.add(item));
  }
  return iterate_later(selected.finish());
}

Result<Value> filter_select(Context& context, const Value& subject, const Arguments& arguments) {
  return select(context, subject, arguments, false, true);
}
Result<Value> filter_reject(Context& context, const Value& subject, const Arguments& arguments) {
  return select(context, subject, arguments, false, false);
}
Result<Value> filter_selectattr(Context& context, const Value& subject, const Arguments& arguments) {
  return select(context, subject, arguments, true, true);
}
Result<Value> filter_rejectattr(Context& context, const Value& subject, const Arguments& arguments) {
  return select(context, subject, arguments, true, false);
}

constexpr Named<Filter> kFilters[] = {{"length", filter_length},
                                      {"count", filter_length},
                                      {"first", filter_first},
                                      {"last", filter_last},
                                      {"join", filter_join},
                                      {"default", filter_default},
                                      {"d", filter_default},
                                      {"items", filter_items},
                                      {"list", filter_list},
                                      {"reverse", filter_reverse},
                                      {"sort", filter_sort},
                                      {"dictsort", filter_dictsort},
                                      {"unique", filter_unique},
                                      {"min", filter_min},
                                      {"max", filter_max},
                                      {"sum", filter_sum},
                                      {"batch", filter_batch},
                                      {"map", filter_map},
                                      {"select", filter_select},
                                      {"reject", filter_reject},
                                      {"selectattr", filter_selectattr},
                                      {"rejectattr", filter_rejectattr}};

}  // namespace

Filter find_item_filter(std::string_view name) {
  const auto* found = find_named(kFilters, name);
  return found == nullptr ? nullptr : found->function;
}

}  // namespace leoam::chat
