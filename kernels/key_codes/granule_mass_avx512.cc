#include "kernels/key_codes/key_codes.h"

namespace leoam::kernels {

void granule_sum_avx512(const GranuleSumParams& params) {
  granule_sum_scalar(params);
}

void granule_mass_avx512(const GranuleMassParams& params) {
  granule_mass_scalar(params);
}

}  // namespace leoam::kernels
