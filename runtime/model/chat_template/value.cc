#include "runtime/model/chat_template/value.h"

#include <algorithm>
#include <cmath>

namespace leoam::chat {
namespace {

constexpr size_t kSmallDict = 8;

Result<uint32_t> depth_over(Budget& budget, uint32_t deepest) {
  if (deepest < budget.depth()) return deepest + 1;
  return Status::no_space(fmt::format("values are nested more than {} deep", budget.depth()), deepest + 1,
                          budget.depth());
}

bool is_key(const Value& value) {
  return value.is_text() || value.is(Kind::integer);
}

Dict::Key key_of(const Value& value) {
  if (value.is_text()) return value.text().view();
  return value.integer();
}

bool same_key(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  return a.is_text() ? a.text().view() == b.text().view() : a.integer() == b.integer();
}

Result<bool> equal_lists(Budget& budget, const List& a, const List& b) {
  if (a.is_tuple != b.is_tuple || a.items.size() != b.items.size()) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    LEOAM_ASSIGN_OR_RETURN(const bool same, equal(budget, a.items[i], b.items[i]));
    if (!same) return false;
  }
  return true;
}

Result<bool> equal_dicts(Budget& budget, const Dict& a, const Dict& b) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, value] : a.entries) {
    const Value* other = b.find(key);
    if (other == nullptr) return false;
    LEOAM_ASSIGN_OR_RETURN(const bool same, equal(budget, value, *other));
    if (!same) return false;
  }
  return true;
}

template <class T>
int three_way(const T& a, const T& b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

}  // namespace

bool Value::truth() const {
  switch (kind()) {
    case Kind::undefined:
    case Kind::none:
      return false;
    case Kind::boolean:
      return boolean();
    case Kind::integer:
      return integer() != 0;
    case Kind::real:
      return real() != 0;
    case Kind::text:
      return !text().empty();
    case Kind::list:
      return !list()->items.empty();
    case Kind::dict:
      return !dict()->entries.empty();
    case Kind::loop:
      return !loop()->items->items.empty();
    default:
      return true;
  }
}

std::string_view Value::type_name() const {
  switch (kind()) {
    case Kind::undefined:
      return "Undefined";
    case Kind::none:
      return "NoneType";
    case Kind::boolean:
      return "bool";
    case Kind::integer:
      return "int";
    case Kind::real:
      return "float";
    case Kind::text:
      return "str";
    case Kind::list:
      return list()->is_tuple ? "tuple" : "list";
    case Kind::dict:
      return "dict";
    case Kind::name_space:
      return "Namespace";
    case Kind::loop:
      return "LoopContext";
    case Kind::iterator:
      return "generator";
    default:
      return "function";
  }
}

uint32_t Value::depth() const {
  switch (kind()) {
    case Kind::list:
      return list()->depth;
    case Kind::dict:
      return dict()->depth;
    case Kind::loop:
      return loop()->items->depth;
    case Kind::iterator:
      return iterator()->items->depth;
    case Kind::callable:
      return callable()->self.depth();
    default:
      return 0;
  }
}

const Value* Dict::find(const Value& key) const {
  if (!is_key(key)) {
    // True and 1.0 are the key 1 to Python; no template of ours asks for that.
    return nullptr;
  }
  if (!index.empty()) {
    const auto found = index.find(key_of(key));
    return found == index.end() ? nullptr : &entries[found->second].second;
  }
  for (const auto& entry : entries) {
    if (same_key(entry.first, key)) return &entry.second;
  }
  return nullptr;
}

const Value* Dict::find(std::string_view key) const {
  if (!index.empty()) {
    const auto found = index.find(Key(key));
    return found == index.end() ? nullptr : &entries[found->second].second;
  }
  for (const auto& entry : entries) {
    if (entry.first.is_text() && entry.first.text().view() == key) return &entry.second;
  }
  return nullptr;
}

Status ListBuilder::add(Value value) {
  LEOAM_RETURN_IF_ERROR(charge_.grow(*budget_, sizeof(List) + (items_.size() + 1) * sizeof(Value)));
  items_.push_back(std::move(value));
  return items_.size() % 16 == 0 ? budget_->spend(1) : Status();
}

Result<Value> ListBuilder::finish(bool is_tuple) {
  auto list = std::make_shared<List>();
  LEOAM_RETURN_IF_ERROR(charge_.raise_to(*budget_, sizeof(List) + items_.size() * sizeof(Value)));
  uint32_t deepest = 0;
  for (const Value& item : items_) deepest = std::max(deepest, item.depth());
  LEOAM_ASSIGN_OR_RETURN(list->depth, depth_over(*budget_, deepest));
  list->items = std::exchange(items_, {});
  list->is_tuple = is_tuple;
  list->charge = std::exchange(charge_, {});
  return Value(ListRef(std::move(list)));
}

Result<Value> make_list(Budget& budget, std::vector<Value> items, bool is_tuple) {
  ListBuilder builder(budget);
  for (Value& item : items) LEOAM_RETURN_IF_ERROR(builder.add(std::move(item)));
  return builder.finish(is_tuple);
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): entries are moved out of it
Result<Value> make_dict(Budget& budget, std::vector<std::pair<Value, Value>> entries) {
  auto dict = std::make_shared<Dict>();
  constexpr size_t kIndexNodeBytes = 80;
  LEOAM_RETURN_IF_ERROR(
      dict->charge.raise_to(budget, sizeof(Dict) + entries.size() * (sizeof(entries[0]) + kIndexNodeBytes)));
  LEOAM_RETURN_IF_ERROR(budget.spend(entries.size() / 8));
  std::map<Dict::Key, size_t> index;
  uint32_t deepest = 0;
  for (auto& [key, value] : entries) {
    if (!is_key(key)) return error(ErrorKind::unsupported, "a dict key of type '{}'", key.type_name());
    deepest = std::max(deepest, value.depth());
    const auto [place, inserted] = index.try_emplace(key_of(key), dict->entries.size());
    if (inserted) {
      dict->entries.emplace_back(std::move(key), std::move(value));
    } else {
      dict->entries[place->second].second = std::move(value);
    }
  }
  LEOAM_ASSIGN_OR_RETURN(dict->depth, depth_over(budget, deepest));
  if (dict->entries.size() > kSmallDict) dict->index = std::move(index);
  return Value(DictRef(std::move(dict)));
}

Result<bool> equal(Budget& budget, const Value& a, const Value& b) {
  LEOAM_RETURN_IF_ERROR(budget.spend(1));
  if (a.is_number() && b.is_number()) {
    if (a.is_integral() && b.is_integral()) return a.as_integer() == b.as_integer();
    return a.as_real() == b.as_real();
  }
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::text:
      LEOAM_RETURN_IF_ERROR(budget.spend_on_bytes(std::min(a.text().size_bytes(), b.text().size_bytes())));
      return a.text().view() == b.text().view();
    case Kind::list:
      if (a.list() == b.list()) return true;
      return equal_lists(budget, *a.list(), *b.list());
    case Kind::dict:
      if (a.dict() == b.dict()) return true;
      return equal_dicts(budget, *a.dict(), *b.dict());
    case Kind::name_space:
      return a.name_space() == b.name_space();
    case Kind::loop:
      return a.loop() == b.loop();
    case Kind::iterator:
      return a.iterator() == b.iterator();
    case Kind::callable:
      return a.callable() == b.callable();
    default:
      return true;
  }
}

Result<int> order(Budget& budget, const Value& a, const Value& b, std::string_view operation) {
  LEOAM_RETURN_IF_ERROR(budget.spend(1));
  if (a.is_integral() && b.is_integral()) return three_way(a.as_integer(), b.as_integer());
  if (a.is_number() && b.is_number()) {
    if (std::isnan(a.as_real()) || std::isnan(b.as_real())) {
      return error(ErrorKind::unsupported, "the order of NaN");
    }
    return three_way(a.as_real(), b.as_real());
  }
  if (a.is_text() && b.is_text()) {
    LEOAM_RETURN_IF_ERROR(budget.spend_on_bytes(std::min(a.text().size_bytes(), b.text().size_bytes())));
    return three_way(a.text().view(), b.text().view());
  }
  if (a.is(Kind::list) && b.is(Kind::list) && a.list()->is_tuple == b.list()->is_tuple) {
    const auto &left = a.list()->items, &right = b.list()->items;
    for (size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
      LEOAM_ASSIGN_OR_RETURN(const bool same, equal(budget, left[i], right[i]));
      if (!same) return order(budget, left[i], right[i], operation);
    }
    return three_way(left.size(), right.size());
  }
  if (a.is(Kind::undefined)) return undefined_error(a);
  if (b.is(Kind::undefined)) return undefined_error(b);
  return error(ErrorKind::invalid_argument, "'{}' is not supported between '{}' and '{}'", operation,
               a.type_name(), b.type_name());
}

Status undefined_error(const Value& value) {
  const std::string* name = value.undefined().name;
  if (name == nullptr) return error(ErrorKind::invalid_argument, "an element that does not exist is used");
  return error(ErrorKind::invalid_argument, "'{}' is undefined", *name);
}

}  // namespace leoam::chat
