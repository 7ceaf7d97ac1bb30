// The element types of weights, by their GGUF type ids, and the shape of their blocks as they stand in a file
// (GGUF specification, ggml block formats). Kernels read these bytes only while packing.
#pragma once

#include <cstddef>
#include <cstdint>

namespace leoam::kernels {

enum class WeightType : int32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  bf16 = 30,
};

struct WeightTypeTraits {
  const char* name;       // "q4_1"
  uint32_t block_values;  // values a block; a row is a whole number of blocks
  uint32_t block_bytes;   // bytes a block in a file
};

// nullptr for an id that is not in WeightType.
const WeightTypeTraits* weight_type_traits(int32_t type);

}  // namespace leoam::kernels
