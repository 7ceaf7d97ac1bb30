// Value: what an expression of a template evaluates to; Python's types as far as templates see them. Lists
// and dicts are immutable once made. Values may be nested in each other as deeply as the budget says and no
// deeper, so that walking and freeing them needs little stack.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/model/chat_template/budget.h"
#include "runtime/model/chat_template/text.h"

namespace leoam::chat {

class Value;
struct List;
struct Dict;
struct Namespace;
struct Loop;
struct Iterator;
struct Callable;
struct Method;
struct Global;
struct MacroNode;

// Named after the expression that gave nothing; nullptr when that is not known. The name belongs to the
// template.
struct Undefined {
  const std::string* name = nullptr;
};
struct None {};

using ListRef = std::shared_ptr<const List>;
using DictRef = std::shared_ptr<const Dict>;

// In the order of Value's variant.
enum class Kind : uint8_t {
  undefined,
  none,
  boolean,
  integer,
  real,
  text,
  list,  // lists and tuples
  dict,
  name_space,
  loop,
  iterator,  // what Python's filters yield lazily: true, without a length, read once
  callable,
};

class Value {
 public:
  Value() = default;
  // NOLINTBEGIN(google-explicit-constructor): a Value is what it holds
  Value(Undefined value) : data_(value) {}
  Value(None value) : data_(value) {}
  Value(bool value) : data_(value) {}
  Value(int64_t value) : data_(value) {}
  Value(double value) : data_(value) {}
  Value(Text value) : data_(std::move(value)) {}
  Value(ListRef value) : data_(std::move(value)) {}
  Value(DictRef value) : data_(std::move(value)) {}
  Value(std::shared_ptr<Namespace> value) : data_(std::move(value)) {}
  Value(std::shared_ptr<Loop> value) : data_(std::move(value)) {}
  Value(std::shared_ptr<Iterator> value) : data_(std::move(value)) {}
  Value(std::shared_ptr<const Callable> value) : data_(std::move(value)) {}
  // NOLINTEND(google-explicit-constructor)
  Value(const char*) = delete;

  Kind kind() const { return static_cast<Kind>(data_.index()); }
  bool is(Kind wanted) const { return kind() == wanted; }
  bool is_text() const { return is(Kind::text); }
  // The getters need the kind to match.
  const Undefined& undefined() const { return std::get<Undefined>(data_); }
  bool boolean() const { return std::get<bool>(data_); }
  int64_t integer() const { return std::get<int64_t>(data_); }
  double real() const { return std::get<double>(data_); }
  const Text& text() const { return std::get<Text>(data_); }
  const ListRef& list() const { return std::get<ListRef>(data_); }
  const DictRef& dict() const { return std::get<DictRef>(data_); }
  const std::shared_ptr<Namespace>& name_space() const { return std::get<std::shared_ptr<Namespace>>(data_); }
  const std::shared_ptr<Loop>& loop() const { return std::get<std::shared_ptr<Loop>>(data_); }
  const std::shared_ptr<Iterator>& iterator() const { return std::get<std::shared_ptr<Iterator>>(data_); }
  const std::shared_ptr<const Callable>& callable() const {
    return std::get<std::shared_ptr<const Callable>>(data_);
  }

  // A boolean is an integer, as in Python.
  bool is_integral() const { return is(Kind::integer) || is(Kind::boolean); }
  bool is_number() const { return is_integral() || is(Kind::real); }
  int64_t as_integer() const { return is(Kind::boolean) ? int64_t{boolean()} : integer(); }
  double as_real() const { return is(Kind::real) ? real() : static_cast<double>(as_integer()); }

  bool truth() const;
  // Python's name of the type: "str", "dict".
  std::string_view type_name() const;
  // Levels of lists and dicts in it, 0 for a scalar.
  uint32_t depth() const;

 private:
  std::variant<Undefined, None, bool, int64_t, double, Text, ListRef, DictRef, std::shared_ptr<Namespace>,
               std::shared_ptr<Loop>, std::shared_ptr<Iterator>, std::shared_ptr<const Callable>>
      data_;
};

struct List {
  std::vector<Value> items;
  bool is_tuple = false;
  uint32_t depth = 1;
  Charge charge;
};

// Keys are texts or integers.
struct Dict {
  std::vector<std::pair<Value, Value>> entries;  // in order of insertion
  uint32_t depth = 1;
  Charge charge;
  using Key = std::variant<int64_t, std::string_view>;
  std::map<Key, size_t> index;  // empty for a small dict

  // nullptr when absent.
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
};

struct Namespace {
  std::map<std::string, Value, std::less<>> attributes;
  Charge charge;

  // To be called whenever attributes were added. Fails with no_space.
  Status charge_attributes(Budget& budget) {
    constexpr uint64_t kAttributeBytes = 128;
    return charge.raise_to(budget, (attributes.size() + 2) * kAttributeBytes);
  }
};

struct Loop {
  ListRef items;
  size_t index = 0;
};

struct Iterator {
  ListRef items;
  size_t next = 0;
};

// A method of a value, a function of the environment or a macro: exactly one of the three.
struct Callable {
  Value self;
  const Method* method = nullptr;
  const Global* global = nullptr;
  const MacroNode* macro = nullptr;
};

// Makes one list of a length that is not known before, charged as it grows.
class ListBuilder {
 public:
  explicit ListBuilder(Budget& budget) : budget_(&budget) {}
  // Fails with no_space.
  Status add(Value value);
  // Leaves the builder empty.
  Result<Value> finish(bool is_tuple = false);

 private:
  Budget* budget_;
  std::vector<Value> items_;
  Charge charge_;
};

// The makers fail with no_space (memory, depth), a dict also with unsupported (a key that is neither text nor
// integer). Later entries of the same key replace earlier ones, in the earlier one's place.
Result<Value> make_list(Budget& budget, std::vector<Value> items, bool is_tuple = false);
Result<Value> make_dict(Budget& budget, std::vector<std::pair<Value, Value>> entries);

// Python's == and three-way order. Both spend steps for every element that they visit.
Result<bool> equal(Budget& budget, const Value& a, const Value& b);
Result<int> order(Budget& budget, const Value& a, const Value& b, std::string_view operation);

// Python's str() and repr().
Status append_str(TextBuilder& out, Budget& budget, const Value& value);
Status append_repr(TextBuilder& out, Budget& budget, const Value& value);
Result<Text> to_text(Budget& budget, const Value& value);

// Shortest text that reads back as the same double, as Python writes it.
std::string python_float(double value);

// What Python says of an undefined value that is used.
Status undefined_error(const Value& value);

}  // namespace leoam::chat
