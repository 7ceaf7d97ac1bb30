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

struct WeightTypeRow {
  WeightType type;
  WeightTypeTraits traits;
};

inline constexpr WeightTypeRow kWeightTypes[] = {
    {WeightType::f32, {"f32", 1, 4}},       {WeightType::f16, {"f16", 1, 2}},
    {WeightType::bf16, {"bf16", 1, 2}},     {WeightType::q4_0, {"q4_0", 32, 18}},
    {WeightType::q4_1, {"q4_1", 32, 20}},   {WeightType::q5_0, {"q5_0", 32, 22}},
    {WeightType::q5_1, {"q5_1", 32, 24}},   {WeightType::q8_0, {"q8_0", 32, 34}},
    {WeightType::q2_k, {"q2_k", 256, 84}},  {WeightType::q3_k, {"q3_k", 256, 110}},
    {WeightType::q4_k, {"q4_k", 256, 144}}, {WeightType::q5_k, {"q5_k", 256, 176}},
    {WeightType::q6_k, {"q6_k", 256, 210}},
};

// nullptr for an id that is not in WeightType.
const WeightTypeTraits* weight_type_traits(int32_t type);

}  // namespace leoam::kernels
