#include "report_chart.h"

#include <algorithm>
#include <cmath>

namespace leoam::cli {
namespace {

constexpr double kWidth = 760;
constexpr double kLegendRow = 20;

std::string numbered(std::string_view stem, size_t i) {
  return std::string(stem) + std::to_string(i % kSeriesColours);
}

// Steps of 1, 2 or 5 times a power of ten, about `n` of them.
double nice_step(double range, int n) {
  const double raw = range / n;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (raw <= factor * power) return factor * power;
  return 10 * power;
}

// From numbers to places on the page.
class Scale {
 public:
  Scale(const Axis& axis, double least, double most, double from, double to, int n_ticks)
      : logarithmic_(axis.logarithmic), from_(from), to_(to) {
    least = axis.least.value_or(least);
    most = std::max(axis.most.value_or(most), least);
    if (logarithmic_) {
      low_ = std::floor(std::log10(least) + 1e-9);
      high_ = std::max(std::ceil(std::log10(most) - 1e-9), low_ + 1);
      const int every = std::max(1, static_cast<int>(std::ceil((high_ - low_) / n_ticks)));
      for (int power = static_cast<int>(low_); power <= static_cast<int>(high_); power += every)
        ticks_.push_back(std::pow(10, power));
      return;
    }
    if (most <= least) most = least + (least == 0 ? 1 : std::fabs(least) / 10);
    const double step = nice_step(most - least, n_ticks);
    low_ = std::floor(least / step + 1e-9) * step;
    high_ = std::ceil(most / step - 1e-9) * step;
    for (int i = 0; low_ + i * step <= high_ + step / 1e3; ++i) ticks_.push_back(low_ + i * step);
  }

  bool shows(double value) const { return std::isfinite(value) && (!logarithmic_ || value > 0); }
  double operator()(double value) const {
    return from_ + (to_ - from_) * ((logarithmic_ ? std::log10(value) : value) - low_) / (high_ - low_);
  }
  const std::vector<double>& ticks() const { return ticks_; }

 private:
  bool logarithmic_;
  double from_, to_, low_ = 0, high_ = 1;
  std::vector<double> ticks_;
};

struct LegendPlaces {
  std::vector<std::pair<double, double>> at;  // of each name, from the legend's corner
  double height = 0;
};

LegendPlaces place_legend(const std::vector<std::string>& names, double width) {
  LegendPlaces places;
  double x = 0, y = 0;
  for (const std::string& name : names) {
    const double w = 30 + text_width(name) + 18;
    if (x > 0 && x + w > width) {
      x = 0;
      y += kLegendRow;
    }
    places.at.emplace_back(x, y);
    x += w;
  }
  places.height = names.empty() ? 0 : y + kLegendRow;
  return places;
}

std::pair<double, double> range_of(const std::vector<Series>& series, const Axis& axis, bool of_x) {
  double least = INFINITY, most = -INFINITY;
  for (const Series& one : series)
    for (const auto& point : one.points) {
      const double value = of_x ? point.first : point.second;
      if (!std::isfinite(value) || (axis.logarithmic && value <= 0)) continue;
      least = std::min(least, value);
      most = std::max(most, value);
    }
  return least > most ? std::pair(1.0, 10.0) : std::pair(least, most);
}

void title_of(Svg& svg, const std::string& title) {
  svg.text(16, 24, title, Anchor::start, "head");
}

}  // namespace

Svg line_chart(const std::string& title, const Axis& x, const Axis& y, const std::vector<Series>& series,
               bool markers) {
  constexpr double kLeft = 78, kRight = 24, kTop = 40, kPlot = 260;
  std::vector<std::string> names;
  for (const Series& one : series) names.push_back(one.name);
  const LegendPlaces legend = place_legend(names, kWidth - kLeft - kRight);
  const double top = kTop + legend.height + 10;
  const double bottom = top + kPlot;
  Svg svg(kWidth, bottom + 56, title);
  title_of(svg, title);
  const auto [x_least, x_most] = range_of(series, x, true);
  const auto [y_least, y_most] = range_of(series, y, false);
  const Scale across(x, x_least, x_most, kLeft, kWidth - kRight, 8);
  const Scale up(y, y_least, y_most, bottom, top, 5);
  for (const double tick : up.ticks()) {
    svg.line(kLeft, up(tick), kWidth - kRight, up(tick), "grid");
    svg.text(kLeft - 8, up(tick) + 4, short_number(tick), Anchor::end, "faint");
  }
  for (const double tick : across.ticks()) {
    svg.line(across(tick), bottom, across(tick), bottom + 5, "axis");
    svg.text(across(tick), bottom + 20, short_number(tick), Anchor::middle, "faint");
  }
  svg.line(kLeft, bottom, kWidth - kRight, bottom, "axis");
  svg.text((kLeft + kWidth - kRight) / 2, bottom + 42, x.label, Anchor::middle);
  svg.text_up(18, (top + bottom) / 2, y.label);
  for (size_t i = 0; i < series.size(); ++i) {
    std::vector<std::pair<double, double>> places;
    for (const auto& [px, py] : series[i].points)
      if (across.shows(px) && up.shows(py)) places.emplace_back(across(px), up(py));
    svg.path(places, "series " + numbered("s", i) + " " + numbered("d", i));
    size_t at = 0;
    if (markers)
      for (const auto& [px, py] : series[i].points)
        if (across.shows(px) && up.shows(py)) {
          svg.marker(places[at].first, places[at].second, i,
                     series[i].name + ": " + short_number(px) + ", " + short_number(py));
          ++at;
        }
    const double lx = kLeft + legend.at[i].first, ly = kTop + legend.at[i].second + 6;
    svg.line(lx, ly, lx + 24, ly, "series " + numbered("s", i) + " " + numbered("d", i));
    if (markers) svg.marker(lx + 12, ly, i);
    svg.text(lx + 30, ly + 4, series[i].name);
  }
  return svg;
}

Svg bar_chart(const std::string& title, const std::vector<BarName>& names,
              const std::vector<BarGroup>& groups) {
  constexpr double kLeft = 16, kBar = 18, kRow = 24, kHead = 26, kGap = 14, kFigure = 70;
  double name_width = 0;
  for (const BarName& one : names) name_width = std::max(name_width, text_width(one.name));
  const double from = kLeft + name_width + 14;
  const double room = kWidth - from - kFigure - 16;
  const double group_height = kHead + kRow * static_cast<double>(names.size()) + kGap;
  Svg svg(kWidth, 44 + group_height * static_cast<double>(groups.size()), title);
  title_of(svg, title);
  double y = 40;
  for (const BarGroup& group : groups) {
    double most = group.most.value_or(0);
    for (const double value : group.values)
      if (std::isfinite(value)) most = std::max(most, value);
    svg.text(from, y + 16, group.label, Anchor::start, "faint");
    for (size_t i = 0; i < names.size(); ++i) {
      const double at = y + kHead + kRow * static_cast<double>(i);
      const double value = group.values[i];
      const double length = value > 0 ? std::max(room * value / most, 1.0) : 0;
      svg.text(from - 10, at + 13, names[i].name, Anchor::end);
      svg.rect(from, at, room, kBar, "track");
      svg.rect(from, at, length, kBar, numbered("f", names[i].colour),
               names[i].name + ": " + short_number(value));
      svg.text(from + room + 8, at + 13, short_number(value));
    }
    y += group_height;
  }
  return svg;
}

Svg timeline_chart(const std::string& title, const std::string& unit, const std::vector<TimelineRow>& rows) {
  constexpr double kLeft = 78, kRight = 24, kTop = 72, kRow = 15, kBar = 8, kTransfer = 3;
  const double bottom = kTop + kRow * static_cast<double>(rows.size());
  Svg svg(kWidth, bottom + 56, title);
  title_of(svg, title);
  double least = 0, most = 0;
  for (const TimelineRow& row : rows) {
    most = std::max(most, row.end);
    if (row.transfers) {
      least = std::min(least, row.transfers->first);
      most = std::max(most, row.transfers->second);
    }
  }
  // What was sent for long before is shown as far as it says something about this step.
  least = std::max(least, -most);
  const Scale across({}, least, most, kLeft, kWidth - kRight, 8);
  const double first = across.ticks().front();
  for (const double tick : across.ticks()) {
    svg.line(across(tick), kTop, across(tick), bottom, "grid");
    svg.text(across(tick), bottom + 18, short_number(tick), Anchor::middle, "faint");
  }
  svg.text((kLeft + kWidth - kRight) / 2, bottom + 42, unit, Anchor::middle);
  double x = kLeft;
  for (const auto& [name, classes] : {std::pair("computes", "f0"), std::pair("waits for pages", "f1"),
                                      std::pair("its pages are on their way", "f2")}) {
    svg.rect(x, 46, 14, 10, classes);
    svg.text(x + 20, 55, name);
    x += 20 + text_width(name) + 24;
  }
  const size_t every = (rows.size() + 39) / 40;
  for (size_t i = 0; i < rows.size(); ++i) {
    const TimelineRow& row = rows[i];
    const double y = kTop + kRow * static_cast<double>(i);
    if (i % every == 0) svg.text(kLeft - 8, y + kBar + 1, row.name, Anchor::end, "faint");
    const double begin = across(row.begin), end = across(row.end);
    const double waited = row.end > row.begin ? (end - begin) * row.waiting / (row.end - row.begin) : 0;
    svg.rect(begin, y + 1, waited, kBar, "f1", row.tip);
    svg.rect(begin + waited, y + 1, end - begin - waited, kBar, "f0", row.tip);
    if (!row.transfers) continue;
    const double sent = across(std::max(row.transfers->first, first));
    svg.rect(sent, y + 1 + kBar + 1, std::max(across(row.transfers->second) - sent, 1.0), kTransfer, "f2",
             row.tip);
  }
  return svg;
}

Svg heat_map(const std::string& title, const std::string& row_label, const std::string& column_label,
             const std::string& value_label, const std::vector<std::vector<double>>& values, double least,
             double most) {
  constexpr double kLeft = 60, kTop = 44, kScale = 16;
  size_t n_columns = 1;
  for (const auto& row : values) n_columns = std::max(n_columns, row.size());
  const double cell_w = std::clamp(560 / static_cast<double>(n_columns), 6.0, 40.0);
  const double cell_h = values.size() > 40 ? 10 : 14;
  const double right = kLeft + cell_w * static_cast<double>(n_columns);
  const double bottom = kTop + cell_h * static_cast<double>(values.size());
  const double scale_height = std::max(bottom - kTop, 110.0);
  Svg svg(std::max(right + 120, 40 + 1.25 * text_width(title)), std::max(bottom, kTop + scale_height) + 50,
          title);
  title_of(svg, title);
  const auto shade = [&](double value) { return most > least ? (value - least) / (most - least) : 1.0; };
  const size_t every_row = (values.size() + 19) / 20;
  const auto every_column = static_cast<size_t>(std::ceil(24 / cell_w));
  for (size_t r = 0; r < values.size(); ++r) {
    const double y = kTop + cell_h * static_cast<double>(r);
    if (r % every_row == 0) svg.text(kLeft - 6, y + cell_h / 2 + 4, std::to_string(r), Anchor::end, "faint");
    for (size_t c = 0; c < values[r].size(); ++c) {
      if (!std::isfinite(values[r][c])) continue;
      svg.cell(kLeft + cell_w * static_cast<double>(c), y, cell_w - (cell_w > 8 ? 1 : 0), cell_h - 1,
               heat_colour(shade(values[r][c])),
               row_label + " " + std::to_string(r) + ", " + column_label + " " + std::to_string(c) + ": " +
                   short_number(values[r][c]));
    }
  }
  for (size_t c = 0; c < n_columns; c += every_column)
    svg.text(kLeft + cell_w * (static_cast<double>(c) + 0.5), bottom + 16, std::to_string(c), Anchor::middle,
             "faint");
  svg.text((kLeft + right) / 2, bottom + 36, column_label, Anchor::middle);
  svg.text_up(16, (kTop + bottom) / 2, row_label);
  constexpr int kSteps = 32;
  for (int i = 0; i < kSteps; ++i)
    svg.cell(right + 20, kTop + scale_height * i / kSteps, kScale, scale_height / kSteps + 0.5,
             heat_colour(1 - (i + 0.5) / kSteps));
  svg.text(right + 42, kTop + 10, short_number(most), Anchor::start, "faint");
  svg.text(right + 42, kTop + scale_height, short_number(least), Anchor::start, "faint");
  svg.text_up(right + 84, kTop + scale_height / 2, value_label);
  return svg;
}

}  // namespace leoam::cli
