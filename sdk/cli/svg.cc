#include "svg.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace leoam::cli {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Bytes of the code point that begins here; 0: none does.
size_t code_point_bytes(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = at(0);
  const size_t n = first < 0x80   ? 1
                   : first < 0xC2 ? 0
                   : first < 0xE0 ? 2
                   : first < 0xF0 ? 3
                   : first < 0xF5 ? 4
                                  : 0;
  if (n == 0 || n > text.size()) return 0;
  for (size_t i = 1; i < n; ++i)
    if ((at(i) & 0xC0) != 0x80) return 0;
  if (n == 1) return first >= 0x20 || first == '\n' || first == '\t' ? 1 : 0;
  const unsigned char second = at(1);
  // Overlong, surrogates, beyond the last one, and the two that are no characters.
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
      (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F) ||
      (first == 0xEF && second == 0xBF && at(2) >= 0xBE) || (first == 0xC2 && second < 0xA0))
    return 0;
  return n;
}

std::string coordinate(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  std::string_view digits(text);
  if (digits.ends_with(".0")) digits.remove_suffix(2);
  return std::string(digits == "-0" ? "0" : digits);
}

std::string attribute(std::string_view name, double value) {
  return " " + std::string(name) + "=\"" + coordinate(value) + "\"";
}

std::string class_attribute(std::string_view classes) {
  return classes.empty() ? std::string() : " class=\"" + std::string(classes) + "\"";
}

struct Theme {
  std::string_view card, ink, faint, grid, warning;
  std::array<std::string_view, kSeriesColours> series;
};
// After Okabe and Ito; darker, or lighter, where they would not stand out from the ground.
constexpr Theme kLight = {"#ffffff", "#1b1f24",
                          "#57606a", "#d8dee4",
                          "#b35900", {"#0072b2", "#c44e00", "#00795a", "#8e3f84", "#1b1f24", "#7a6200"}};
constexpr Theme kDark = {"#161b22", "#e6edf3",
                         "#9aa5b1", "#343b44",
                         "#ffb454", {"#56b4e9", "#ff9a4d", "#2fd3a0", "#e6a3d4", "#e6edf3", "#e8d44d"}};

std::string rules(const Theme& theme) {
  std::string css;
  const auto rule = [&css](const std::string& selector, std::string_view property, std::string_view value) {
    css += selector + "{" + std::string(property) + ":" + std::string(value) + "}";
  };
  rule(".card", "fill", theme.card);
  rule("svg text", "fill", theme.ink);
  rule("svg text.faint", "fill", theme.faint);
  rule(".grid", "stroke", theme.grid);
  rule(".axis", "stroke", theme.faint);
  rule(".track", "fill", theme.grid);
  for (size_t i = 0; i < kSeriesColours; ++i) {
    rule(".s" + std::to_string(i), "stroke", theme.series[i]);
    rule(".f" + std::to_string(i), "fill", theme.series[i]);
  }
  return css;
}

}  // namespace

std::string escape_xml(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t n = code_point_bytes(text);
    switch (n == 1 ? text[0] : '\0') {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += n == 0 ? kReplacement : text.substr(0, n);
    }
    text.remove_prefix(std::max<size_t>(n, 1));
  }
  return out;
}

std::string short_number(double value) {
  char text[40];
  if (!std::isfinite(value)) return "-";
  const double size = std::fabs(value);
  if (size != 0 && (size < 1e-3 || size >= 1e9)) {
    std::snprintf(text, sizeof text, "%.2g", value);
    return text;
  }
  const int decimals = size >= 1000 || size == std::floor(size) ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 3;
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  std::string digits = text;
  if (decimals > 0) {
    while (digits.ends_with('0')) digits.pop_back();
    if (digits.ends_with('.')) digits.pop_back();
  }
  for (size_t at = digits.find('.') == std::string::npos ? digits.size() : 0; at > 3; at -= 3)
    if (at - 3 > (value < 0 ? 1u : 0u)) digits.insert(at - 3, ",");
  return digits;
}

std::string drawing_style() {
  return "svg text{font:12px system-ui,-apple-system,'Segoe UI',sans-serif}svg "
         "text.head{font-size:15px;font-weight:600}"
         ".grid,.axis{stroke-width:1}.series{fill:none;stroke-width:2;stroke-linejoin:round}"
         ".thin{fill:none;stroke-width:1.5}.d1{stroke-dasharray:7 3}.d2{stroke-dasharray:2 3}"
         ".d3{stroke-dasharray:9 3 2 3}.d4{stroke-dasharray:4 2}.d5{stroke-dasharray:12 "
         "4}.pale{opacity:.45}" +
         rules(kLight) + "@media(prefers-color-scheme:dark){" + rules(kDark) + "}";
}

std::string heat_colour(double share) {
  // Viridis at equal distances.
  static constexpr double kStops[][3] = {{68, 1, 84},    {70, 50, 126},  {54, 92, 141},  {39, 127, 142},
                                         {31, 161, 135}, {74, 193, 109}, {160, 218, 57}, {253, 231, 37}};
  constexpr size_t kLast = std::size(kStops) - 1;
  const double at = std::clamp(share, 0.0, 1.0) * kLast;
  const size_t low = std::min(static_cast<size_t>(at), kLast - 1);
  char text[8];
  unsigned rgb[3];
  for (size_t i = 0; i < 3; ++i)
    rgb[i] = static_cast<unsigned>(std::lround(kStops[low][i] + (at - static_cast<double>(low)) *
                                                                    (kStops[low + 1][i] - kStops[low][i])));
  std::snprintf(text, sizeof text, "#%02x%02x%02x", rgb[0] & 255, rgb[1] & 255, rgb[2] & 255);
  return text;
}

double text_width(std::string_view words) {
  const auto n = std::count_if(words.begin(), words.end(), [](char c) { return (c & 0xC0) != 0x80; });
  return 6.6 * static_cast<double>(n);
}

Svg::Svg(double width, double height, std::string_view label)
    : width_(width), height_(height), label_(escape_xml(label)) {}

void Svg::close(std::string_view tip, std::string_view element) {
  if (tip.empty())
    body_ += "/>";
  else
    body_ += "><title>" + escape_xml(tip) + "</title></" + std::string(element) + ">";
}

void Svg::rect(double x, double y, double w, double h, std::string_view classes, std::string_view tip) {
  body_ += "<rect" + attribute("x", x) + attribute("y", y) + attribute("width", std::max(w, 0.0)) +
           attribute("height", std::max(h, 0.0)) + class_attribute(classes);
  close(tip, "rect");
}

void Svg::cell(double x, double y, double w, double h, std::string_view colour, std::string_view tip) {
  body_ += "<rect" + attribute("x", x) + attribute("y", y) + attribute("width", w) + attribute("height", h) +
           " fill=\"" + std::string(colour) + "\"";
  close(tip, "rect");
}

void Svg::line(double x1, double y1, double x2, double y2, std::string_view classes) {
  body_ += "<line" + attribute("x1", x1) + attribute("y1", y1) + attribute("x2", x2) + attribute("y2", y2) +
           class_attribute(classes) + "/>";
}

void Svg::path(const std::vector<std::pair<double, double>>& points, std::string_view classes) {
  if (points.empty()) return;
  body_ += "<polyline points=\"";
  for (size_t i = 0; i < points.size(); ++i)
    body_ += (i > 0 ? " " : "") + coordinate(points[i].first) + "," + coordinate(points[i].second);
  body_ += "\"" + class_attribute(classes) + "/>";
}

void Svg::marker(double x, double y, size_t series, std::string_view tip) {
  static constexpr std::array<std::string_view, 4> kShapes = {
      "M-4 0A4 4 0 1 1 4 0A4 4 0 1 1 -4 0Z", "M-4 -4H4V4H-4Z", "M0 -5L5 4H-5Z", "M0 -5L5 0L0 5L-5 0Z"};
  body_ += "<path d=\"" + std::string(kShapes[series % kShapes.size()]) + "\" transform=\"translate(" +
           coordinate(x) + " " + coordinate(y) + ")\" class=\"f" + std::to_string(series % kSeriesColours) +
           "\"";
  close(tip, "path");
}

void Svg::text(double x, double y, std::string_view words, Anchor anchor, std::string_view classes) {
  body_ += "<text" + attribute("x", x) + attribute("y", y) + class_attribute(classes);
  if (anchor != Anchor::start)
    body_ += anchor == Anchor::middle ? " text-anchor=\"middle\"" : " text-anchor=\"end\"";
  body_ += ">" + escape_xml(words) + "</text>";
}

void Svg::text_up(double x, double y, std::string_view words) {
  body_ += "<text transform=\"translate(" + coordinate(x) + " " + coordinate(y) +
           ") rotate(-90)\" text-anchor=\"middle\">" + escape_xml(words) + "</text>";
}

std::string Svg::size() const {
  return " viewBox=\"0 0 " + coordinate(width_) + " " + coordinate(height_) + "\"" +
         attribute("width", width_) + attribute("height", height_) + " role=\"img\" aria-label=\"" + label_ +
         "\"";
}

std::string Svg::inlined() const {
  return "<svg" + size() + ">" + body_ + "</svg>";
}

std::string Svg::standalone() const {
  return "<svg xmlns=\"http://www.w3.org/2000/svg\"" + size() + "><title>" + label_ + "</title><style>" +
         drawing_style() + "</style><rect width=\"100%\" height=\"100%\" rx=\"8\" class=\"card\"/>" + body_ +
         "</svg>\n";
}

}  // namespace leoam::cli
