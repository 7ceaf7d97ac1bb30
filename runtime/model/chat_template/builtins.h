// Builtins: the filters, tests, methods and global functions that templates may call, by name. All of them
// fail with invalid_argument (what Python raises), unsupported (a form that is not there) or no_space (the
// budget).
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/model/chat_template/characters.h"
#include "runtime/model/chat_template/value.h"

namespace leoam::chat {

// Thread rule: one rendering owns it.
struct Context {
  explicit Context(Budget& the_budget) : budget(the_budget) {}
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  // Namespaces may hold each other in a ring or a long chain; emptied one by one they are freed without
  // either.
  ~Context() {
    for (const auto& name_space : namespaces) name_space->attributes.clear();
  }

  Budget& budget;
  // Every namespace of the rendering.
  std::vector<std::shared_ptr<Namespace>> namespaces;
  // What strftime_now gives: a time in seconds since 1970 of the caller's clock, else a ready text, else
  // nothing.
  std::optional<int64_t> now_s;
  std::optional<Text> date_string;
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string_view, Value>> named;

  // The argument of each parameter, nullptr where none was given. Fails with invalid_argument for an unknown
  // name, too many arguments, or none for one of the first `n_required`.
  Result<std::vector<const Value*>> bind(std::string_view function,
                                         std::initializer_list<std::string_view> parameters,
                                         size_t n_required = 0) const;
  Status expect_none(std::string_view function) const { return bind(function, {}).status(); }
  // Without the first `n` positional ones.
  Arguments after(size_t n) const;
};

using Filter = Result<Value> (*)(Context& context, const Value& subject, const Arguments& arguments);
using Test = Result<bool> (*)(Context& context, const Value& subject, const Arguments& arguments);

struct Method {
  std::string_view name;
  // nullptr: Python has it, templates here do not (it changes its object, or no model's template needs it).
  Result<Value> (*function)(Context& context, const Value& self, const Arguments& arguments);
};

struct Global {
  std::string_view name;
  Result<Value> (*function)(Context& context, const Arguments& arguments);
};

template <class Function>
struct Named {
  std::string_view name;
  Function function;
};

// nullptr when there is none of that name.
Filter find_filter(std::string_view name);
Test find_test(std::string_view name);
const Method* find_method(const Value& self, std::string_view name);
const Global* find_global(std::string_view name);

// Parts of find_filter and find_method.
Filter find_text_filter(std::string_view name);
Filter find_item_filter(std::string_view name);
const Method* find_text_method(std::string_view name);

template <class Table>
auto find_named(const Table& table, std::string_view name) -> decltype(&table[0]) {
  for (const auto& entry : table) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

// For work on each character by itself, which takes longer than moving bytes.
Status spend_on_characters(Context& context, const Text& text);

// Text functions that both a filter and a method offer.
enum class Side : uint8_t { left, right, both };
Result<Value> strip(Context& context, const Text& text, const Value* characters, Side side);
Result<Value> replace(Context& context, const Text& text, const Text& from, const Text& to, int64_t limit);
Result<Value> capitalize(Context& context, const Text& text);
// Every character in one case, or in the one that `choose` gives for the characters in turn.
Result<Value> change_case(Context& context, const Text& text, LetterCase letter_case);
Result<Value> change_case(Context& context, const Text& text,
                          const std::function<LetterCase(int32_t code_point)>& choose);
Result<Value> join(Context& context, const Text& separator, const std::vector<Value>& items);

// The number in an argument, or `otherwise` without one.
Result<int64_t> integer_argument(std::string_view function, const Value* argument, int64_t otherwise);
Result<Text> text_argument(std::string_view function, const Value* argument);

}  // namespace leoam::chat
