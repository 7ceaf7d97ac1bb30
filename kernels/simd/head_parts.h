// The query heads of a group in parts whose heads are computed together, each with code of its own.
#pragma once

#include "kernels/simd/simd.h"

namespace leoam::kernels {
namespace {

// Calls f.operator()<heads>(first head) for parts as equal as they can be, of at most kMost <= 8 heads.
template <uint32_t kMost, class F>
LEOAM_INLINE void for_each_part(uint32_t group, const F& f) {
  static_assert(kMost <= 8);
  const uint32_t n_parts = (group + kMost - 1) / kMost;
  uint32_t done = 0;
  for (uint32_t part = 0; part < n_parts; ++part) {
    const uint32_t n_heads = (group - done) / (n_parts - part);
    switch (n_heads) {
      case 1:
        f.template operator()<1>(done);
        break;
      case 2:
        f.template operator()<2>(done);
        break;
      case 3:
        f.template operator()<3>(done);
        break;
      case 4:
        f.template operator()<4>(done);
        break;
      case 5:
        if constexpr (kMost >= 5) f.template operator()<5>(done);
        break;
      case 6:
        if constexpr (kMost >= 6) f.template operator()<6>(done);
        break;
      case 7:
        if constexpr (kMost >= 7) f.template operator()<7>(done);
        break;
      case 8:
        if constexpr (kMost >= 8) f.template operator()<8>(done);
        break;
      default:
        break;
    }
    done += n_heads;
  }
}

}  // namespace
}  // namespace leoam::kernels
