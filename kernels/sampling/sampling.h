// Reductions over a row of logits: what samplers need of a vocabulary of 50,000 to 260,000 entries.
#pragma once

#include <cstdint>

namespace leoam::kernels {

struct LogitsMaximum {
  float value;
  uint32_t index;  // the lowest index that has it
};

// NaN entries are ignored; all NaN gives {-inf, 0}. n >= 1.
using LogitsMaximumFunction = LogitsMaximum(const float* logits, uint32_t n);
LogitsMaximumFunction logits_maximum_scalar, logits_maximum_avx2, logits_maximum_avx512;

// sum over i of exp((logits[i] - maximum) * inverse_temperature), in double; NaN entries count 0.
using LogitsExpSumFunction = double(const float* logits, uint32_t n, float maximum,
                                    float inverse_temperature);
LogitsExpSumFunction logits_exp_sum_scalar, logits_exp_sum_avx2, logits_exp_sum_avx512;

// Appends the indices with logits[i] >= threshold, ascending, at most `capacity` of them, to `indices`;
// returns how many qualify in all (it may exceed capacity).
using LogitsAboveFunction = uint32_t(const float* logits, uint32_t n, float threshold, uint32_t* indices,
                                     uint32_t capacity);
LogitsAboveFunction logits_above_scalar, logits_above_avx2, logits_above_avx512;

}  // namespace leoam::kernels
