// Charts of a report: numbers in, a drawing out. Labels and units are the caller's.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "svg.h"

namespace leoam::cli {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  // ascending x
};

struct Axis {
  std::string label;  // with its unit
  bool logarithmic = false;
  std::optional<double> least = {};  // else what the numbers need
  std::optional<double> most = {};
};

// Points that a logarithm does not have are left out. `markers`: each point is shown.
Svg line_chart(const std::string& title, const Axis& x, const Axis& y, const std::vector<Series>& series,
               bool markers);

struct BarName {
  std::string name;
  size_t colour = 0;  // of a series
};
// Groups of bars below each other, one group a measure with a scale of its own.
struct BarGroup {
  std::string label;  // with its unit
  std::vector<double> values;
  std::optional<double> most = {};
};
Svg bar_chart(const std::string& title, const std::vector<BarName>& names,
              const std::vector<BarGroup>& groups);

// One row of a timeline: what computes, what waits, and what is on its way meanwhile.
struct TimelineRow {
  std::string name;
  double begin = 0, end = 0;
  double waiting = 0;  // of it
  std::optional<std::pair<double, double>> transfers = std::nullopt;
  std::string tip;
};
Svg timeline_chart(const std::string& title, const std::string& unit, const std::vector<TimelineRow>& rows);

// values[row][column]; NaN: nothing is known.
Svg heat_map(const std::string& title, const std::string& row_label, const std::string& column_label,
             const std::string& value_label, const std::vector<std::vector<double>>& values, double least,
             double most);

}  // namespace leoam::cli
