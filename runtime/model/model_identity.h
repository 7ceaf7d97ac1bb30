// Which model it is: a hash of its weights, its header (hyper-parameters, tokenizer, template) and the
// overrides that change what it computes. Finds a mistaken file, not a forged one.
#pragma once

#include <array>

#include "runtime/io/file.h"
#include "runtime/model/model_config.h"
#include "runtime/model/weight_reader.h"

namespace leoam {

// Bytes [0, header_bytes) of the file are its header. Fails with io, corrupt.
Result<std::array<uint8_t, 16>> model_identity(const File& file, uint64_t header_bytes,
                                               const ModelConfig& config, const WeightDigest& weights);

}  // namespace leoam
