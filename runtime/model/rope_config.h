// The RoPE part of a model's hyper-parameters: base, rotated channels, scaling, frequency factors, overrides.
#pragma once

#include "runtime/io/file.h"
#include "runtime/model/key_reader.h"
#include "runtime/model/model.h"

namespace leoam {

// Fills config->rope and config->local_rope; n_heads, head_dim and context_tokens are set already. Fails with
// corrupt, unsupported (a kind of scaling) or invalid_argument (an override).
Status read_rope_config(const File& file, const KeyReader& keys, const ModelOptions& options,
                        ModelConfig* config);

}  // namespace leoam
