// ModelConfig: the hyper-parameters of a model, checked against each other, whatever its architecture.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/rope/rope.h"

namespace leoam {

enum class RopeScaling : int32_t { none = 0, linear = 1, yarn = 2 };
enum class Activation : int32_t { silu = 0, gelu_tanh = 1 };

// How positions become angles (llama.cpp-compatible meaning of the GGUF keys `{arch}.rope.*`; YaRN:
// arXiv 2309.00071).
struct RopeConfig {
  float base = 10000.0f;
  RopeScaling scaling = RopeScaling::none;
  float factor = 1.0f;                   // context extension factor of linear and yarn, >= 1
  uint32_t original_context_tokens = 0;  // yarn
  float yarn_ext_factor = 1.0f;
  float yarn_attn_factor = 1.0f;
  float yarn_beta_fast = 32.0f;
  float yarn_beta_slow = 1.0f;
  uint32_t n_rot = 0;               // rotated channels of a head, even
  std::vector<float> freq_factors;  // [n_rot / 2] divisors of the frequencies (rope_freqs.weight), or empty
};

// One description an architecture: what its files mean beyond their numbers.
struct Architecture {
  const char* name;  // general.architecture
  kernels::RopePairing rope_pairing;
  Activation activation;
  bool qkv_bias;            // q, k and v have biases (required tensors; optional where false)
  bool qk_norm;             // per-head RMS norm of q and k before RoPE (required tensors)
  bool post_norms;          // RMS norms after attention and after the feed-forward part (required tensors)
  bool scale_embedding;     // embeddings are multiplied by sqrt(n_embd)
  uint32_t sliding_period;  // 0: no sliding layers; p: every p-th layer (index % p == p - 1) is global
  float local_rope_base;    // of sliding layers, unscaled; 0: as the global ones
};

// nullptr for an unknown name.
const Architecture* find_architecture(const std::string& name);

struct ModelConfig {
  const Architecture* architecture = nullptr;
  std::string name;  // general.name, may be empty
  uint32_t n_layers = 0;
  uint32_t n_embd = 0;
  uint32_t n_heads = 0;
  uint32_t n_kv_heads = 0;
  uint32_t head_dim = 0;
  uint32_t n_ff = 0;
  uint32_t n_vocab = 0;
  uint32_t context_tokens = 0;  // trained context, after overrides
  float norm_eps = 0;
  float attention_scale = 0;  // 1 / sqrt(head_dim) unless the file says otherwise
  float embedding_scale = 1;
  float logit_scale = 1;
  uint32_t sliding_window_tokens = 0;  // 0: none
  RopeConfig rope;                     // global layers
  RopeConfig local_rope;               // sliding layers

  bool is_sliding(uint32_t layer) const {
    return sliding_window_tokens != 0 && architecture->sliding_period != 0 &&
           layer % architecture->sliding_period != architecture->sliding_period - 1;
  }
};

}  // namespace leoam
