#include "kernels/weight_type.h"

namespace leoam::kernels {

const WeightTypeTraits* weight_type_traits(int32_t type) {
  for (const WeightTypeRow& row : kWeightTypes)
    if (static_cast<int32_t>(row.type) == type) return &row.traits;
  return nullptr;
}

}  // namespace leoam::kernels
