#include "kernels/key_codes/granule_mass_simd.h"

namespace leoam::kernels {

void granule_sum_avx2(const GranuleSumParams& params) {
  granule_sum_simd(params);
}

void granule_mass_avx2(const GranuleMassParams& params) {
  granule_mass_simd(params);
}

void granule_rest_avx2(const GranuleRestParams& params) {
  granule_rest_simd(params);
}

}  // namespace leoam::kernels
