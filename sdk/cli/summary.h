// Summary: what repeated measurements come to.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

namespace leoam::cli {

// Median, and half the distance between the quartiles.
struct Measured {
  double median = 0;
  double spread = 0;
};

inline Measured summarise(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return values[static_cast<size_t>(std::lround(share * static_cast<double>(values.size() - 1)))];
  };
  const size_t half = values.size() / 2;
  const double median = values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
  return {median, (at(0.75) - at(0.25)) / 2};
}

}  // namespace leoam::cli
