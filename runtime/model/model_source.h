// ModelSource: everything that a model file says before its weights, read and checked against itself. Model's
// two entries, read_header and load, begin with it.
#pragma once

#include <optional>

#include "runtime/io/file.h"
#include "runtime/model/gguf.h"
#include "runtime/model/model.h"
#include "runtime/model/tensor_plan.h"

namespace leoam {

struct ModelSource {
  Gguf gguf;
  ModelHeader header;
  std::vector<TensorPlan> tensors;  // those that the file has
};

// Fails as Model::load does.
Result<ModelSource> read_model_source(const File& file, const ModelOptions& options);

// Hyper-parameters under `general.*` and `{arch}.*`, with the overrides; fails with corrupt, unsupported
// (architecture, mixture of experts, a feature that changes results) or invalid_argument (an override). Reads
// `rope_freqs.weight` from the file.
Result<ModelConfig> read_model_config(const File& file, const Gguf& gguf, const ModelOptions& options);

// What Tokenizer::create takes, copied out; nothing for a file that says it has no tokenizer. Fails with
// corrupt when a key has the wrong type, or the vocabulary is not of the embedding's size; and with
// cancelled.
Result<std::optional<TokenizerData>> read_tokenizer_data(const Gguf& gguf, const ModelConfig& config,
                                                         const CancelFlag* cancel = nullptr);

// Fails with corrupt when the vocabulary is not of the embedding's size. Copies nothing.
Status check_vocabulary(const Gguf& gguf, const ModelConfig& config);

// "none" when the file has no tokenizer.
Result<std::string> read_tokenizer_model(const Gguf& gguf);

}  // namespace leoam
