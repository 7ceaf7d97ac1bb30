#include <array>

#include "runtime/model/chat_template/access.h"

namespace leoam::chat {
namespace {

Result<Value> raise_exception(Context& context, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("raise_exception", {"message"}, 1));
  LEOAM_ASSIGN_OR_RETURN(const Text message, to_text(context.budget, *bound[0]));
  return Status(ErrorKind::invalid_argument, without_user_text(message));
}

Result<Value> range(Context& context, const Arguments& arguments) {
  // What Jinja's sandbox allows.
  constexpr uint64_t kLongest = 100'000;
  const auto& given = arguments.positional;
  if (given.empty() || given.size() > 3 || !arguments.named.empty()) {
    return error(ErrorKind::invalid_argument, "'range' takes 1 to 3 arguments, found {}", given.size());
  }
  int64_t numbers[3] = {0, 0, 1};
  for (size_t i = 0; i < given.size(); ++i) {
    if (!given[i].is_integral()) {
      return error(ErrorKind::invalid_argument, "'range' needs integers, found a value of type '{}'",
                   given[i].type_name());
    }
    numbers[given.size() == 1 ? 1 : i] = given[i].as_integer();
  }
  const auto [from, to, step] = numbers;
  if (step == 0) return error(ErrorKind::invalid_argument, "'range' with a step of zero");
  uint64_t n = 0;
  if (step > 0 ? from < to : from > to) {
    const uint64_t distance = step > 0 ? static_cast<uint64_t>(to) - static_cast<uint64_t>(from)
                                       : static_cast<uint64_t>(from) - static_cast<uint64_t>(to);
    const uint64_t stride = step > 0 ? static_cast<uint64_t>(step) : 0 - static_cast<uint64_t>(step);
    n = (distance - 1) / stride + 1;
  }
  if (n > kLongest) {
    return Status::no_space(fmt::format("'range' of {} numbers, at most {} are allowed", n, kLongest), n,
                            kLongest);
  }
  ListBuilder list(context.budget);
  for (uint64_t i = 0; i < n; ++i) {
    const uint64_t number = static_cast<uint64_t>(from) + i * static_cast<uint64_t>(step);
    LEOAM_RETURN_IF_ERROR(list.add(Value(static_cast<int64_t>(number))));
  }
  return list.finish();
}

// The pairs of a mapping given in front and the named arguments.
Result<std::vector<std::pair<Value, Value>>> entries(Context& context, const Arguments& arguments) {
  std::vector<std::pair<Value, Value>> out;
  if (arguments.positional.size() > 1) {
    return error(ErrorKind::invalid_argument, "a mapping is made of one argument, found {}",
                 arguments.positional.size());
  }
  if (!arguments.positional.empty()) {
    if (!arguments.positional[0].is(Kind::dict)) {
      return error(ErrorKind::unsupported, "a mapping made of a value of type '{}'",
                   arguments.positional[0].type_name());
    }
    out = arguments.positional[0].dict()->entries;
    LEOAM_RETURN_IF_ERROR(context.budget.spend(out.size()));
  }
  for (const auto& [name, value] : arguments.named) out.emplace_back(Text(std::string(name)), value);
  return out;
}

Result<Value> dict(Context& context, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(auto pairs, entries(context, arguments));
  return make_dict(context.budget, std::move(pairs));
}

Result<Value> name_space(Context& context, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(auto pairs, entries(context, arguments));
  auto made = std::make_shared<Namespace>();
  for (auto& [key, value] : pairs) {
    if (!key.is_text()) return error(ErrorKind::unsupported, "an attribute named by a '{}'", key.type_name());
    made->attributes[std::string(key.text().view())] = std::move(value);
  }
  LEOAM_RETURN_IF_ERROR(made->charge_attributes(context.budget));
  context.namespaces.push_back(made);
  return Value(std::move(made));
}

struct Date {
  int64_t year;
  int month, day, weekday, day_of_year;  // month and day from 1, weekday from Sunday = 0
  int hour, minute, second;
};

bool is_leap(int64_t year) {
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

// The proleptic Gregorian calendar, which repeats itself after 400 years.
Date date_of(int64_t seconds) {
  constexpr int64_t kDay = 86'400;
  int64_t days = seconds / kDay, rest = seconds % kDay;
  if (rest < 0) {
    rest += kDay;
    --days;
  }
  Date date{};
  date.hour = static_cast<int>(rest / 3600);
  date.minute = static_cast<int>(rest / 60 % 60);
  date.second = static_cast<int>(rest % 60);
  date.weekday = static_cast<int>(((days + 4) % 7 + 7) % 7);
  date.year = 1970;
  constexpr int64_t kEraDays = 146'097;
  int64_t eras = days / kEraDays;
  if (days % kEraDays < 0) --eras;
  date.year += eras * 400;
  days -= eras * kEraDays;
  for (int64_t length; days >= (length = is_leap(date.year) ? 366 : 365); ++date.year) days -= length;
  date.day_of_year = static_cast<int>(days) + 1;
  static constexpr std::array<int, 12> kMonthDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  for (date.month = 1;; ++date.month) {
    const int length =
        kMonthDays[static_cast<size_t>(date.month - 1)] + (date.month == 2 && is_leap(date.year) ? 1 : 0);
    if (days < length) break;
    days -= length;
  }
  date.day = static_cast<int>(days) + 1;
  return date;
}

constexpr std::array<std::string_view, 12> kMonths = {"January",   "February", "March",    "April",
                                                      "May",       "June",     "July",     "August",
                                                      "September", "October",  "November", "December"};
constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                   "Thursday", "Friday", "Saturday"};

// English names whatever the locale.
Result<std::string> date_field(const Date& date, char directive) {
  const std::string_view month = kMonths[static_cast<size_t>(date.month - 1)];
  const std::string_view day = kDays[static_cast<size_t>(date.weekday)];
  switch (directive) {
    case 'Y':
      return fmt::format("{}", date.year);
    case 'y':
      return fmt::format("{:02}", (date.year % 100 + 100) % 100);
    case 'm':
      return fmt::format("{:02}", date.month);
    case 'd':
      return fmt::format("{:02}", date.day);
    case 'e':
      return fmt::format("{:2}", date.day);
    case 'B':
      return std::string(month);
    case 'b':
      return std::string(month.substr(0, 3));
    case 'A':
      return std::string(day);
    case 'a':
      return std::string(day.substr(0, 3));
    case 'H':
      return fmt::format("{:02}", date.hour);
    case 'I':
      return fmt::format("{:02}", (date.hour + 11) % 12 + 1);
    case 'p':
      return std::string(date.hour < 12 ? "AM" : "PM");
    case 'M':
      return fmt::format("{:02}", date.minute);
    case 'S':
      return fmt::format("{:02}", date.second);
    case 'j':
      return fmt::format("{:03}", date.day_of_year);
    case 'F':
      return fmt::format("{}-{:02}-{:02}", date.year, date.month, date.day);
    case 'T':
      return fmt::format("{:02}:{:02}:{:02}", date.hour, date.minute, date.second);
    case '%':
      return std::string("%");
    default:
      return error(ErrorKind::unsupported, "'strftime_now' with the directive 0x{:02x}",
                   static_cast<uint8_t>(directive));
  }
}

Result<Value> strftime_now(Context& context, const Arguments& arguments) {
  LEOAM_ASSIGN_OR_RETURN(const auto bound, arguments.bind("strftime_now", {"format"}, 1));
  LEOAM_ASSIGN_OR_RETURN(const Text format, text_argument("strftime_now", bound[0]));
  // Without either the function is not defined.
  if (!context.now_s) return Value(context.date_string.value_or(Text()));
  const Date date = date_of(*context.now_s);
  TextBuilder out(context.budget);
  const std::string_view bytes = format.view();
  for (size_t at = 0; at < bytes.size() && !out.failed(); ++at) {
    if (bytes[at] != '%' || at + 1 == bytes.size()) {
      out.append(format.slice(at, 1));
      continue;
    }
    // "%-d" is without padding.
    const bool unpadded = bytes[at + 1] == '-' && at + 2 < bytes.size();
    at += unpadded ? 2 : 1;
    LEOAM_ASSIGN_OR_RETURN(std::string field, date_field(date, bytes[at]));
    if (unpadded) field.erase(0, std::min(field.find_first_not_of("0 "), field.size() - 1));
    out.append(field, false);
  }
  LEOAM_ASSIGN_OR_RETURN(Text text, out.finish());
  return Value(std::move(text));
}

constexpr Global kGlobals[] = {{"raise_exception", raise_exception},
                               {"range", range},
                               {"dict", dict},
                               {"namespace", name_space},
                               {"strftime_now", strftime_now}};

}  // namespace

const Global* find_global(std::string_view name) {
  return find_named(kGlobals, name);
}

}  // namespace leoam::chat
