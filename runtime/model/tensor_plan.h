// TensorPlan: which tensors a model must, may and must not have, of which shapes, and where each one goes.
#pragma once

#include <string>
#include <vector>

#include "runtime/model/gguf.h"
#include "runtime/model/model.h"

namespace leoam {

struct TensorPlan {
  enum class Place { layer, embedding, head, output_norm, config };

  std::string name;
  bool required = true;
  Place place = Place::layer;
  uint32_t layer = 0;                            // of place `layer`
  DeviceMatrix LayerWeights::*matrix = nullptr;  // one of the two, for place `layer`
  std::vector<float> LayerWeights::*vector = nullptr;
  uint32_t n_rows = 0;  // 0: a vector of n_cols floats
  uint32_t n_cols = 0;
  const GgufTensor* tensor = nullptr;  // in the file

  bool is_vector() const { return n_rows == 0; }
};

// The tensors that the file has, in the order of the layers. Fails with corrupt (a required tensor is
// missing, a shape is not what the hyper-parameters say) or unsupported (a tensor that this architecture has
// no use for: a model that needs it would answer wrongly without it).
Result<std::vector<TensorPlan>> plan_tensors(const Gguf& gguf, const ModelConfig& config);

}  // namespace leoam
