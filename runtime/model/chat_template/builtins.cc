#include "runtime/model/chat_template/builtins.h"

#include <algorithm>

namespace leoam::chat {

Result<std::vector<const Value*>> Arguments::bind(std::string_view function,
                                                  std::initializer_list<std::string_view> parameters,
                                                  size_t n_required) const {
  std::vector<const Value*> bound(parameters.size(), nullptr);
  if (positional.size() > parameters.size()) {
    return error(ErrorKind::invalid_argument, "'{}' takes {} arguments, found {}", function,
                 parameters.size(), positional.size());
  }
  for (size_t i = 0; i < positional.size(); ++i) bound[i] = &positional[i];
  for (const auto& [name, value] : named) {
    const auto found = std::find(parameters.begin(), parameters.end(), name);
    if (found == parameters.end()) {
      return error(ErrorKind::invalid_argument, "'{}' has no argument '{}'", function, name);
    }
    const Value*& place = bound[static_cast<size_t>(found - parameters.begin())];
    if (place != nullptr)
      return error(ErrorKind::invalid_argument, "'{}' has two arguments '{}'", function, name);
    place = &value;
  }
  for (size_t i = 0; i < n_required; ++i) {
    if (bound[i] == nullptr) {
      return error(ErrorKind::invalid_argument, "'{}' needs the argument '{}'", function,
                   *(parameters.begin() + i));
    }
  }
  return bound;
}

Arguments Arguments::after(size_t n) const {
  Arguments rest;
  const auto skipped = static_cast<ptrdiff_t>(std::min(n, positional.size()));
  rest.positional.assign(positional.begin() + skipped, positional.end());
  rest.named = named;
  return rest;
}

Filter find_filter(std::string_view name) {
  const Filter found = find_text_filter(name);
  return found != nullptr ? found : find_item_filter(name);
}

Result<int64_t> integer_argument(std::string_view function, const Value* argument, int64_t otherwise) {
  if (argument == nullptr || argument->is(Kind::none)) return otherwise;
  if (argument->is_integral()) return argument->as_integer();
  return error(ErrorKind::invalid_argument, "'{}' needs an integer, found a value of type '{}'", function,
               argument->type_name());
}

Result<Text> text_argument(std::string_view function, const Value* argument) {
  if (argument != nullptr && argument->is_text()) return argument->text();
  return error(ErrorKind::invalid_argument, "'{}' needs a text, found a value of type '{}'", function,
               argument == nullptr ? "nothing" : argument->type_name());
}

}  // namespace leoam::chat
