#include <cmath>

#include "kernels/key_codes/key_codes.h"

namespace leoam::kernels {

void granule_sum_scalar(const GranuleSumParams& params) {
  const uint32_t n_granules = params.page_tokens / kGranule_tokens;
  for (size_t row = 0; row < size_t{params.n_blocks} * params.group; ++row) {
    const uint32_t pages = params.blocks[row / params.group].pages;
    float total = 0;
    for (uint32_t page = 0; page < kCodeBlock_pages; ++page) {
      const float* scores = params.scores + (row * kCodeBlock_pages + page) * params.page_tokens;
      float* sums = params.sums + (row * kCodeBlock_pages + page) * n_granules;
      for (uint32_t i = 0; i < n_granules; ++i) {
        float sum = 0;
        for (uint32_t t = 0; t < kGranule_tokens && (pages >> page & 1) != 0; ++t) {
          sum += std::exp(scores[i * kGranule_tokens + t] - params.maximum[row]);
        }
        sums[i] = sum;
        total += sum;
      }
    }
    params.totals[row] = total;
  }
}

void granule_mass_scalar(const GranuleMassParams& params) {
  const size_t n_granules = size_t{kCodeBlock_pages} * params.page_tokens / kGranule_tokens;
  for (size_t i = 0; i < params.n_blocks * n_granules; ++i) params.mass[i] = 0;
  for (uint32_t g = 0; g < params.group; ++g) {
    const bool fixed = params.fixed_sum != nullptr && params.fixed_sum[g] > 0;
    float maximum = fixed ? params.fixed_maximum[g] : -INFINITY;
    for (uint32_t b = 0; b < params.n_blocks; ++b) {
      const float other = params.maximum[size_t{b} * params.group + g];
      maximum = other > maximum ? other : maximum;
    }
    float sum = fixed ? params.fixed_sum[g] * std::exp(params.fixed_maximum[g] - maximum) : 0;
    for (uint32_t b = 0; b < params.n_blocks; ++b) {
      const size_t row = size_t{b} * params.group + g;
      if (params.totals[row] > 0) sum += params.totals[row] * std::exp(params.maximum[row] - maximum);
    }
    params.head_maximum[g] = maximum;
    params.head_sum[g] = sum;
    if (!(sum > 0)) continue;
    for (uint32_t b = 0; b < params.n_blocks; ++b) {
      const size_t row = size_t{b} * params.group + g;
      if (!(params.totals[row] > 0)) continue;
      const float factor = std::exp(params.maximum[row] - maximum) / (sum * static_cast<float>(params.group));
      for (size_t i = 0; i < n_granules; ++i) {
        params.mass[b * n_granules + i] += factor * params.sums[row * n_granules + i];
      }
    }
  }
}

void granule_rest_scalar(const GranuleRestParams& params) {
  const uint32_t n_granules = params.page_tokens / kGranule_tokens;
  for (uint32_t g = 0; g < params.group; ++g) {
    for (uint32_t page = 0; page < kCodeBlock_pages; ++page) {
      const size_t at = size_t{g} * kCodeBlock_pages + page;
      const float* sums = params.sums + at * n_granules;
      float sum = 0;
      float squares = 0;
      float n = 0;
      for (uint32_t i = 0; i < n_granules; ++i) {
        const float left = (params.selected[page] >> i & 1) == 0 ? 1.0f : 0.0f;
        sum += left * sums[i];
        squares += left * sums[i] * sums[i];
        n += left;
      }
      params.weights[at] =
          squares >= kLeastSquares ? params.units[g] * (sum * (sum * sum / (n * squares))) : 0;
    }
  }
}

}  // namespace leoam::kernels
