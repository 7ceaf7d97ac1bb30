// Svg: a drawing as text, and the one place that says what a text, a number and a colour look like in it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace leoam::cli {

// Fit for XML, as text and between quotes: what is markup is spelt out, what is not UTF-8 or no character
// becomes U+FFFD.
std::string escape_xml(std::string_view text);

// At most four significant digits and no more than are needed: "0.25", "1,024", "3.1e-06".
std::string short_number(double value);

// The rules of all classes that drawings use, for light and for dark. Series: "s0", "s1", ... draws lines in
// a colour, "f0", ... fills with it; colours differ in lightness too, for who does not tell hues apart.
std::string drawing_style();
inline constexpr size_t kSeriesColours = 6;

// From dark (0) to light (1), in order of lightness for every eye.
std::string heat_colour(double share);

enum class Anchor { start, middle, end };

class Svg {
 public:
  Svg(double width, double height, std::string_view label);

  double width() const { return width_; }
  double height() const { return height_; }
  void rect(double x, double y, double w, double h, std::string_view classes, std::string_view tip = {});
  // Filled with a colour of its own.
  void cell(double x, double y, double w, double h, std::string_view colour, std::string_view tip = {});
  void line(double x1, double y1, double x2, double y2, std::string_view classes);
  void path(const std::vector<std::pair<double, double>>& points, std::string_view classes);
  // One of some shapes, by the number of its series.
  void marker(double x, double y, size_t series, std::string_view tip = {});
  void text(double x, double y, std::string_view words, Anchor anchor = Anchor::start,
            std::string_view classes = {});
  // Upwards, around its middle.
  void text_up(double x, double y, std::string_view words);

  // Inside a page that has drawing_style().
  std::string inlined() const;
  // A file of its own, on a card of its own colour, which stands on light and on dark pages.
  std::string standalone() const;

 private:
  std::string size() const;
  void close(std::string_view tip, std::string_view element);

  const double width_, height_;
  const std::string label_;
  std::string body_;
};

// About so wide are words in the size that drawings use.
double text_width(std::string_view words);

}  // namespace leoam::cli
