#include <cmath>

#include "kernels/softmax/softmax.h"

namespace leoam::kernels {

void softmax_scalar(const float* x, uint32_t n, float* out) {
  float maximum = x[0];
  for (uint32_t i = 1; i < n; ++i) maximum = x[i] > maximum ? x[i] : maximum;
  double sum = 0;
  for (uint32_t i = 0; i < n; ++i) {
    out[i] = std::exp(x[i] - maximum);
    sum += static_cast<double>(out[i]);
  }
  const float inverse = static_cast<float>(1.0 / sum);
  for (uint32_t i = 0; i < n; ++i) out[i] *= inverse;
}

}  // namespace leoam::kernels
