// tiny_model: a complete random model of a few layers, as a GgufFile that loads.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/weight_type.h"
#include "tests/support/gguf_writer.h"

namespace leoam::testing {

enum class TinyTokenizer {
  none,           // tokenizer.ggml.model = "none"
  byte_level,     // "gpt2": the 256 bytes, a few merges, <|endoftext|>, <|im_start|>, <|im_end|>
  sentencepiece,  // "llama": <unk>, <s>, </s>, the 256 bytes, letters and a few words
};

struct TinyModelOptions {
  std::string architecture = "llama";  // llama, qwen2, qwen3, gemma3
  kernels::WeightType matrix_type = kernels::WeightType::f32;
  TinyTokenizer tokenizer = TinyTokenizer::none;
  uint32_t n_layers = 2;
  uint32_t n_heads = 4;
  uint32_t n_kv_heads = 2;
  // 0: the smallest that the type's blocks allow: 16, or 64 for types of 256-value blocks.
  uint32_t head_dim = 0;
  uint32_t n_embd = 0;   // 0: n_heads * head_dim
  uint32_t n_ff = 0;     // 0: 2 * n_embd
  uint32_t n_vocab = 0;  // 0: 320, which has room for both tokenizers
  uint32_t context_tokens = 512;
  uint32_t sliding_window_tokens = 64;  // gemma3
  bool tied_output = true;
  bool chat_template = false;
  uint64_t seed = 1;
};

// Same options, same bytes. Matrices have a standard deviation of about 1 / sqrt(columns), norms are near 1.
GgufFile tiny_model(const TinyModelOptions& options = {});

// n_values (whole blocks) of random weights in a type's file layout, with about this standard deviation.
std::vector<uint8_t> random_weights(kernels::WeightType type, uint64_t n_values, float deviation,
                                    uint64_t seed);

}  // namespace leoam::testing
