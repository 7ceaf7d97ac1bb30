#include "runtime/engine/rope_table.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace leoam {
namespace {

// The pair index whose wavelength fits `rotations` times into the original context (arXiv 2309.00071, eq. 17
// ff).
double correction_pair(const RopeConfig& config, double rotations) {
  return config.n_rot * std::log(config.original_context_tokens / (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(static_cast<double>(config.base)));
}

}  // namespace

RopeTable::RopeTable(const RopeConfig& config) : frequencies_(config.n_rot / 2) {
  const double interpolation = config.scaling == RopeScaling::none ? 1.0 : 1.0 / config.factor;
  const bool yarn = config.scaling == RopeScaling::yarn;
  double low = 0;
  double high = 0;
  if (yarn) {
    low = std::max(0.0, std::floor(correction_pair(config, config.yarn_beta_fast)));
    high = std::min(config.n_rot - 1.0, std::ceil(correction_pair(config, config.yarn_beta_slow)));
    magnitude_ = config.yarn_attn_factor;
    if (config.yarn_ext_factor != 0.0f)
      magnitude_ *= 1.0 + 0.1 * std::log(static_cast<double>(config.factor));
  }
  for (size_t i = 0; i < frequencies_.size(); ++i) {
    double frequency =
        std::pow(static_cast<double>(config.base), -2.0 * static_cast<double>(i) / config.n_rot);
    if (!config.freq_factors.empty()) frequency /= config.freq_factors[i];
    double extrapolated = 0;  // share of the unscaled frequency
    if (yarn) {
      const double ramp = (static_cast<double>(i) - low) / std::max(0.001, high - low);
      extrapolated = (1.0 - std::clamp(ramp, 0.0, 1.0)) * config.yarn_ext_factor;
    }
    frequencies_[i] = frequency * (interpolation * (1.0 - extrapolated) + extrapolated);
  }
}

void RopeTable::fill(int32_t position, float* cos, float* sin) const {
  for (size_t i = 0; i < frequencies_.size(); ++i) {
    const double angle = position * frequencies_[i];
    cos[i] = static_cast<float>(std::cos(angle) * magnitude_);
    sin[i] = static_cast<float>(std::sin(angle) * magnitude_);
  }
}

}  // namespace leoam
