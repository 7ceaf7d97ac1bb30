#include <cmath>

#include "kernels/norm/rms_norm.h"

namespace leoam::kernels {

void rms_norm_scalar(const float* x, const float* weight, uint32_t n, float eps, float* out) {
  double sum = 0;
  for (uint32_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  const float scale = static_cast<float>(1.0 / std::sqrt(sum / n + static_cast<double>(eps)));
  for (uint32_t i = 0; i < n; ++i) out[i] = x[i] * scale * weight[i];
}

}  // namespace leoam::kernels
