// From a run-time type to a template argument, the only such switch.
#pragma once

#include "kernels/matmul/layout.h"

namespace leoam::kernels {
namespace {

constexpr bool is_float_type(WeightType type) {
  return packed_form(type).scale == ScaleForm::none;
}

// Calls function.template operator()<type>().
template <class Function>
void with_type(WeightType type, const Function& function) {
  switch (type) {
    case WeightType::f32:
      return function.template operator()<WeightType::f32>();
    case WeightType::f16:
      return function.template operator()<WeightType::f16>();
    case WeightType::bf16:
      return function.template operator()<WeightType::bf16>();
    case WeightType::q4_0:
      return function.template operator()<WeightType::q4_0>();
    case WeightType::q4_1:
      return function.template operator()<WeightType::q4_1>();
    case WeightType::q5_0:
      return function.template operator()<WeightType::q5_0>();
    case WeightType::q5_1:
      return function.template operator()<WeightType::q5_1>();
    case WeightType::q8_0:
      return function.template operator()<WeightType::q8_0>();
    case WeightType::q2_k:
      return function.template operator()<WeightType::q2_k>();
    case WeightType::q3_k:
      return function.template operator()<WeightType::q3_k>();
    case WeightType::q4_k:
      return function.template operator()<WeightType::q4_k>();
    case WeightType::q5_k:
      return function.template operator()<WeightType::q5_k>();
    case WeightType::q6_k:
      return function.template operator()<WeightType::q6_k>();
  }
}

}  // namespace
}  // namespace leoam::kernels
