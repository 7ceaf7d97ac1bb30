#include "kernels/rope/rope.h"

namespace leoam::kernels {

void rope_scalar(const RopeParams& params, uint32_t n_heads, float* x) {
  const uint32_t n_pairs = params.n_rot / 2;
  const bool adjacent = params.pairing == RopePairing::adjacent;
  const uint32_t step = adjacent ? 2 : 1;
  const uint32_t distance = adjacent ? 1 : n_pairs;
  for (uint32_t head = 0; head < n_heads; ++head, x += params.head_dim) {
    for (uint32_t i = 0; i < n_pairs; ++i) {
      float& first = x[step * i];
      float& second = x[step * i + distance];
      const float a = first;
      const float b = second;
      first = a * params.cos[i] - b * params.sin[i];
      second = a * params.sin[i] + b * params.cos[i];
    }
  }
}

}  // namespace leoam::kernels
