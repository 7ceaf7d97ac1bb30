// What the CPU can do, found once a call with CPUID and XGETBV.
#pragma once

#include <cstdint>

namespace leoam::kernels {

// Ordered: a CPU of one level runs every lower one.
enum class CpuLevel : int32_t {
  scalar = 0,
  avx2 = 1,    // AVX2, FMA, F16C
  avx512 = 2,  // AVX-512 F, BW, DQ, VL and VNNI
};

// The highest level that CPU and operating system support.
CpuLevel best_cpu_level();
const char* cpu_level_name(CpuLevel level);  // "avx512"
// "scalar", "avx2" or "avx512"; false for any other text.
bool parse_cpu_level(const char* text, CpuLevel* level);

}  // namespace leoam::kernels
