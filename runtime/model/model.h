// Model: one loaded model file, immutable and shared by any number of sessions.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/cancel.h"
#include "runtime/base/log.h"
#include "runtime/base/thread_pool.h"
#include "runtime/device/device.h"
#include "runtime/model/chat_template/chat_template.h"
#include "runtime/model/model_config.h"
#include "runtime/model/tokenizer/tokenizer.h"

namespace leoam {

// Float tensors are plain arrays in host memory; a missing optional one is empty.
struct LayerWeights {
  std::vector<float> attention_norm;  // [n_embd]
  DeviceMatrix q;                     // [n_heads * head_dim][n_embd]
  DeviceMatrix k;                     // [n_kv_heads * head_dim][n_embd]
  DeviceMatrix v;                     // likewise
  DeviceMatrix o;                     // [n_embd][n_heads * head_dim]
  std::vector<float> q_bias, k_bias, v_bias, o_bias;
  std::vector<float> q_norm, k_norm;       // [head_dim]
  std::vector<float> attention_post_norm;  // [n_embd]
  std::vector<float> ffn_norm;             // [n_embd]
  DeviceMatrix gate;                       // [n_ff][n_embd]
  DeviceMatrix up;                         // [n_ff][n_embd]
  DeviceMatrix down;                       // [n_embd][n_ff]
  std::vector<float> ffn_post_norm;        // [n_embd]
};

struct ModelOptions {
  // Overrides of what the file says.
  std::optional<RopeScaling> rope_scaling;
  std::optional<float> rope_factor;
  std::optional<uint32_t> rope_original_context_tokens;
  std::optional<float> rope_base;
  std::optional<uint32_t> context_tokens;
  // Weights as 32-bit floats, which meet activations that are floats too: many times the memory and the time;
  // for judging, as quantised activations make a noise of their own.
  bool float_weights = false;
};

// Called on the loading thread with bytes done and in all, from (0, total) to (total, total); at least every
// 4 MiB.
using LoadProgress = std::function<void(uint64_t done_bytes, uint64_t total_bytes)>;

// What `leoam info` and a planner need, read from the header alone.
struct ModelHeader {
  ModelConfig config;
  uint64_t file_bytes = 0;
  uint64_t weight_bytes = 0;    // tensor data in the file
  uint64_t trailing_bytes = 0;  // at the end of the file, which nothing in it refers to; harmless
  uint64_t n_parameters = 0;
  uint32_t gguf_version = 0;
  std::string quantization;     // the type with most bytes, "q4_1"
  std::string tokenizer_model;  // "gpt2", "llama", "none"
  std::string pre_tokenizer;
  bool has_chat_template = false;
  // n_tensors, metadata as (key, printable value) pairs, long arrays shortened
  uint64_t n_tensors = 0;
  std::vector<std::pair<std::string, std::string>> metadata;
};

// Thread rule: immutable after load; everything const is safe from any thread.
class Model {
 public:
  // Reads the header only: no weights. Fails as load does.
  static Result<ModelHeader> read_header(const std::string& path, const ModelOptions& options);

  // Reads and packs all weights onto `device`, in parallel on `pool`, with bounded staging memory. Fails with
  // not_found, io, corrupt (field, offset, expected, found), unsupported, out_of_memory, cancelled (within
  // 100 ms of the flag).
  static Result<std::unique_ptr<Model>> load(const std::string& path, const ModelOptions& options,
                                             Device& device, ThreadPool& pool, const LoadProgress& progress,
                                             const CancelFlag* cancel);

  const ModelHeader& header() const { return header_; }
  const ModelConfig& config() const { return header_.config; }
  const DeviceMatrix& embedding() const { return embedding_; }  // [n_vocab][n_embd]
  // The embedding itself when the file ties them.
  const DeviceMatrix& head() const { return head_.present() ? head_ : embedding_; }
  const std::vector<float>& output_norm() const { return output_norm_; }
  const LayerWeights& layer(uint32_t index) const { return layers_[index]; }
  // nullptr when the file has no tokenizer (`none`): such a model runs on token ids.
  const Tokenizer* tokenizer() const { return tokenizer_.get(); }
  // nullptr when the file has no template, or has one that this library cannot read; then
  // chat_template_status() says why.
  const ChatTemplate* chat_template() const { return chat_template_.get(); }
  const Status& chat_template_status() const { return chat_template_status_; }
  uint64_t device_bytes() const { return device_bytes_; }
  // The same for the same file and overrides, whatever its name: what KV of this model is bound to.
  const std::array<uint8_t, 16>& identity() const { return identity_; }

 private:
  friend class ModelLoader;
  Model() = default;
  ModelHeader header_;
  DeviceMatrix embedding_;
  DeviceMatrix head_;
  std::vector<float> output_norm_;
  std::vector<LayerWeights> layers_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<ChatTemplate> chat_template_;
  Status chat_template_status_;
  uint64_t device_bytes_ = 0;
  std::array<uint8_t, 16> identity_ = {};
};

}  // namespace leoam
