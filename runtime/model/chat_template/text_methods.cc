#include <algorithm>

#include "runtime/model/chat_template/access.h"
#include "runtime/model/chat_template/characters.h"

namespace leoam::chat {
namespace {

template <Side side>
Result<Value> text_strip(Context& context, const Value& self, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("strip", {"chars"}));
  return strip(context, self.text(), bound[0], side);
}

template <bool at_end>
Result<Value> text_starts_or_ends(Context& context, const Value& self, const Arguments& arguments) {
  const std::string_view function = at_end ? "endswith" : "startswith";
  if (arguments.positional.size() > 1) return error(ErrorKind::unsupported, "'{}' with bounds", function);
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind(function, {"prefix"}, 1));
  const std::string_view bytes = self.text().view();
  std::vector<Value> one{*bound[0]};
  const bool several = bound[0]->is(Kind::list) && bound[0]->list()->is_tuple;
  for (const Value& wanted : several ? bound[0]->list()->items : one) {
    LEOAM_ASSIGN_OR_RETURN(const Text part, text_argument(function, &wanted));
    const std::string_view text = part.view();
    LEOAM_RETURN_IF_ERROR(context.budget.spend(1 + text.size() / 256));
    if (text.size() > bytes.size()) continue;
    if (bytes.substr(at_end ? bytes.size() - text.size() : 0, text.size()) == text) return Value(true);
  }
  return Value(false);
}

template <bool at_end>
Result<Value> text_remove(Context&, const Value& self, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("removeprefix", {"affix"}, 1));
  LEOAM_ASSIGN_OR_RETURN(const Text affix, text_argument("removeprefix", bound[0]));
  const std::string_view bytes = self.text().view();
  const size_t size = affix.size_bytes();
  if (size > bytes.size()) return self;
  const size_t rest = bytes.size() - size;
  if (bytes.substr(at_end ? rest : 0, size) != affix.view()) return self;
  return Value(self.text().slice(at_end ? 0 : size, rest));
}

Result<Value> text_replace(Context& context, const Value& self, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("replace", {"old", "new", "count"}, 2));
  LEOAM_ASSIGN_OR_RETURN(const Text from, text_argument("replace", bound[0]));
  LEOAM_ASSIGN_OR_RETURN(const Text to, text_argument("replace", bound[1]));
  LEOAM_ASSIGN_OR_RETURN(const int64_t limit, integer_argument("replace", bound[2], -1));
  return replace(context, self.text(), from, to, limit);
}

Result<Value> text_upper(Context& context, const Value& self, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("upper"));
  return change_case(context, self.text(), LetterCase::upper);
}

Result<Value> text_lower(Context& context, const Value& self, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("lower"));
  return change_case(context, self.text(), LetterCase::lower);
}

Result<Value> text_capitalize(Context& context, const Value& self, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("capitalize"));
  return capitalize(context, self.text());
}

// A cased character after another one is lower, else in title case.
Result<Value> text_title(Context& context, const Value& self, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("title"));
  bool after_cased = false;
  return change_case(context, self.text(), [&](int32_t code_point) {
    return std::exchange(after_cased, is_cased(code_point)) ? LetterCase::lower : LetterCase::title;
  });
}

// Parts between white space, none of them empty. With a limit the last part is the rest.
Result<Value> split_at_space(Context& context, const Text& text, int64_t limit) {
  LEOAM_RETURN_IF_ERROR(spend_on_characters(context, text));
  ListBuilder parts(context.budget);
  const std::string_view bytes = text.view();
  size_t at = skip_space(bytes, 0);
  for (int64_t n = 0; at < bytes.size(); ++n) {
    size_t end = at;
    if (limit >= 0 && n == limit) {
      end = at + before_trailing_space(bytes.substr(at));
      LEOAM_RETURN_IF_ERROR(parts.add(Value(text.slice(at, end - at))));
      break;
    }
    while (end < bytes.size()) {
      const Character character = character_at(bytes, end);
      if (is_space(character.code_point)) break;
      end += character.size_bytes;
    }
    LEOAM_RETURN_IF_ERROR(parts.add(Value(text.slice(at, end - at))));
    at = skip_space(bytes, end);
  }
  return parts.finish();
}

struct SplitArguments {
  std::optional<Text> separator;
  int64_t limit = -1;
};

Result<SplitArguments> split_arguments(std::string_view function, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind(function, {"sep", "maxsplit"}));
  SplitArguments split;
  if (bound[0] != nullptr && !bound[0]->is(Kind::none)) {
    LEOAM_ASSIGN_OR_RETURN(split.separator, text_argument(function, bound[0]));
    if (split.separator->empty())
      return error(ErrorKind::invalid_argument, "'{}' at an empty text", function);
  }
  LEOAM_ASSIGN_OR_RETURN(split.limit, integer_argument(function, bound[1], -1));
  return split;
}

Result<Value> text_split(Context& context, const Value& self, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto split, split_arguments("split", arguments));
  if (!split.separator) return split_at_space(context, self.text(), split.limit);
  LEOAM_RETURN_IF_ERROR(context.budget.spend_on_bytes(self.text().size_bytes()));
  ListBuilder parts(context.budget);
  const std::string_view bytes = self.text().view();
  size_t begin = 0;
  for (int64_t n = 0; split.limit < 0 || n < split.limit; ++n) {
    const size_t end = find_bytes(bytes, split.separator->view(), begin);
    if (end == std::string_view::npos) break;
    LEOAM_RETURN_IF_ERROR(parts.add(Value(self.text().slice(begin, end - begin))));
    begin = end + split.separator->size_bytes();
  }
  LEOAM_RETURN_IF_ERROR(parts.add(Value(self.text().slice(begin, bytes.size() - begin))));
  return parts.finish();
}

// From the end; only a limit makes it differ from split.
Result<Value> text_rsplit(Context& context, const Value& self, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto split, split_arguments("rsplit", arguments));
  if (split.limit < 0) return text_split(context, self, arguments);
  if (!split.separator) return error(ErrorKind::unsupported, "'rsplit' at white space with a limit");
  LEOAM_RETURN_IF_ERROR(spend_on_characters(context, self.text()));
  ListBuilder backwards(context.budget);
  const std::string_view bytes = self.text().view(), separator = split.separator->view();
  size_t end = bytes.size();
  for (int64_t n = 0; n < split.limit; ++n) {
    size_t at = end < separator.size() ? std::string_view::npos : end - separator.size();
    while (at != std::string_view::npos && bytes.compare(at, separator.size(), separator) != 0) {
      LEOAM_RETURN_IF_ERROR(context.budget.spend_on_bytes(separator.size()));
      at = at == 0 ? std::string_view::npos : at - 1;
    }
    if (at == std::string_view::npos) break;
    const size_t begin = at + separator.size();
    LEOAM_RETURN_IF_ERROR(backwards.add(Value(self.text().slice(begin, end - begin))));
    end = at;
  }
  LEOAM_RETURN_IF_ERROR(backwards.add(Value(self.text().slice(0, end))));
  LEOAM_ASSIGN_OR_RETURN(const Value list, backwards.finish());
  return get_slice(context, list, None{}, None{}, Value(int64_t{-1}));
}

Result<Value> text_splitlines(Context& context, const Value& self, const Arguments& arguments) {
  LEOAM_RETURN_IF_ERROR(arguments.expect_none("splitlines"));
  LEOAM_RETURN_IF_ERROR(spend_on_characters(context, self.text()));
  ListBuilder lines(context.budget);
  const std::string_view bytes = self.text().view();
  for (size_t begin = 0; begin < bytes.size();) {
    size_t end = begin, next = bytes.size();
    while (end < bytes.size()) {
      const Character character = character_at(bytes, end);
      if (is_line_break(character.code_point)) {
        next = end + character.size_bytes;
        if (bytes.substr(end, 2) == "\r\n") ++next;
        break;
      }
      end += character.size_bytes;
    }
    LEOAM_RETURN_IF_ERROR(lines.add(Value(self.text().slice(begin, end - begin))));
    begin = next;
  }
  return lines.finish();
}

Result<Value> text_join(Context& context, const Value& self, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("join", {"iterable"}, 1));
  LEOAM_ASSIGN_OR_RETURN(const ListRef list, elements(context, *bound[0]));
  for (const Value& item : list->items) LEOAM_RETURN_IF_ERROR(text_argument("join", &item).status());
  return join(context, self.text(), list->items);
}

// Position in characters, or -1.
template <bool from_end>
Result<Value> text_find(Context& context, const Value& self, const Arguments& arguments) {
  const std::string_view function = from_end ? "rfind" : "find";
  if (arguments.positional.size() > 1) return error(ErrorKind::unsupported, "'{}' with bounds", function);
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind(function, {"sub"}, 1));
  LEOAM_ASSIGN_OR_RETURN(const Text wanted, text_argument(function, bound[0]));
  const std::string_view bytes = self.text().view();
  LEOAM_RETURN_IF_ERROR(context.budget.spend_on_bytes(2 * bytes.size()));
  size_t found = from_end && wanted.empty() ? bytes.size() : find_bytes(bytes, wanted.view());
  while (from_end && !wanted.empty() && found != std::string_view::npos) {
    LEOAM_RETURN_IF_ERROR(context.budget.spend(1 + wanted.size_bytes() / 64));
    const size_t next = find_bytes(bytes, wanted.view(), found + 1);
    if (next == std::string_view::npos) break;
    found = next;
  }
  if (found == std::string_view::npos) return Value(int64_t{-1});
  return Value(static_cast<int64_t>(count_characters(bytes.substr(0, found))));
}

Result<Value> text_count(Context& context, const Value& self, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("count", {"sub"}, 1));
  LEOAM_ASSIGN_OR_RETURN(const Text wanted, text_argument("count", bound[0]));
  const std::string_view bytes = self.text().view();
  LEOAM_RETURN_IF_ERROR(context.budget.spend_on_bytes(bytes.size()));
  if (wanted.empty()) return Value(static_cast<int64_t>(count_characters(bytes)) + 1);
  int64_t n = 0;
  for (size_t at = find_bytes(bytes, wanted.view()); at != std::string_view::npos; ++n) {
    at = find_bytes(bytes, wanted.view(), at + wanted.size_bytes());
  }
  return Value(n);
}

// The argument that a replacement field names: "" (the next one), a position or a name.
const Value* format_argument(const Arguments& arguments, std::string_view field, size_t* next) {
  for (const auto& [name, value] : arguments.named) {
    if (name == field) return &value;
  }
  size_t position = 0;
  if (field.empty()) {
    position = (*next)++;
  } else if (field.size() > 4 || field.find_first_not_of("0123456789") != std::string_view::npos) {
    return nullptr;
  } else {
    for (const char digit : field) position = position * 10 + static_cast<size_t>(digit - '0');
  }
  return position < arguments.positional.size() ? &arguments.positional[position] : nullptr;
}

// Fields without conversion, attributes and format; "{{" and "}}" are braces.
Result<Value> text_format(Context& context, const Value& self, const Arguments& arguments) {
  const std::string_view bytes = self.text().view();
  TextBuilder out(context.budget);
  size_t next = 0;
  for (size_t at = 0; at < bytes.size() && !out.failed();) {
    const size_t brace = std::min(bytes.find_first_of("{}", at), bytes.size());
    out.append(self.text().slice(at, brace - at));
    at = brace + 1;
    if (brace == bytes.size()) break;
    if (bytes.substr(brace, 2) == (bytes[brace] == '{' ? "{{" : "}}")) {
      out.append(self.text().slice(brace, 1));
      ++at;
      continue;
    }
    const size_t close = bytes.find('}', at);
    if (bytes[brace] == '}' || close == std::string_view::npos) {
      return error(ErrorKind::invalid_argument, "'format' of a text with a single brace");
    }
    const std::string_view field = bytes.substr(at, close - at);
    if (field.find_first_of("!:.[{") != std::string_view::npos) {
      return error(ErrorKind::unsupported, "'format' with more in its braces than a name");
    }
    const Value* argument = format_argument(arguments, field, &next);
    if (argument == nullptr) return error(ErrorKind::invalid_argument, "'format' has too few arguments");
    LEOAM_RETURN_IF_ERROR(append_str(out, context.budget, *argument));
    at = close + 1;
  }
  LEOAM_ASSIGN_OR_RETURN(Text formatted, out.finish());
  return Value(std::move(formatted));
}

constexpr Method kTextMethods[] = {
    {"strip", text_strip<Side::both>},
    {"lstrip", text_strip<Side::left>},
    {"rstrip", text_strip<Side::right>},
    {"startswith", text_starts_or_ends<false>},
    {"endswith", text_starts_or_ends<true>},
    {"removeprefix", text_remove<false>},
    {"removesuffix", text_remove<true>},
    {"replace", text_replace},
    {"upper", text_upper},
    {"lower", text_lower},
    {"capitalize", text_capitalize},
    {"title", text_title},
    {"split", text_split},
    {"rsplit", text_rsplit},
    {"splitlines", text_splitlines},
    {"join", text_join},
    {"find", text_find<false>},
    {"rfind", text_find<true>},
    {"count", text_count},
    {"format", text_format},
    {"casefold", nullptr},
    {"center", nullptr},
    {"encode", nullptr},
    {"expandtabs", nullptr},
    {"format_map", nullptr},
    {"index", nullptr},
    {"isalnum", nullptr},
    {"isalpha", nullptr},
    {"isascii", nullptr},
    {"isdecimal", nullptr},
    {"isdigit", nullptr},
    {"isidentifier", nullptr},
    {"islower", nullptr},
    {"isnumeric", nullptr},
    {"isprintable", nullptr},
    {"isspace", nullptr},
    {"istitle", nullptr},
    {"isupper", nullptr},
    {"ljust", nullptr},
    {"maketrans", nullptr},
    {"partition", nullptr},
    {"rindex", nullptr},
    {"rjust", nullptr},
    {"rpartition", nullptr},
    {"swapcase", nullptr},
    {"translate", nullptr},
    {"zfill", nullptr},
};

}  // namespace

const Method* find_text_method(std::string_view name) {
  return find_named(kTextMethods, name);
}

}  // namespace leoam::chat
