#include "tests/support/tiny_model.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>

#include "kernels/f16.h"

namespace leoam::testing {
namespace {

using kernels::WeightType;

// Where a block's half-precision scales are, and what values they spread: value = scale * code - minimum * m,
// with random codes of this deviation, and minimum = ratio * scale bringing the mean to 0.
struct BlockScales {
  WeightType type;
  uint32_t scale_at;
  int32_t minimum_at;  // -1: none
  float code_deviation;
  float minimum_ratio;
};

constexpr BlockScales kBlockScales[] = {
    {WeightType::q4_0, 0, -1, 4.6f, 0},      {WeightType::q4_1, 0, 2, 4.6f, -7.5f},
    {WeightType::q5_0, 0, -1, 9.2f, 0},      {WeightType::q5_1, 0, 2, 9.2f, -15.5f},
    {WeightType::q8_0, 0, -1, 74.0f, 0},     {WeightType::q2_k, 80, 82, 12.0f, 1.5f},
    {WeightType::q3_k, 108, -1, 42.0f, 0},   {WeightType::q4_k, 0, 2, 240.0f, 7.5f},
    {WeightType::q5_k, 0, 2, 480.0f, 15.5f}, {WeightType::q6_k, 208, -1, 1360.0f, 0},
};

std::vector<uint8_t> random_floats(WeightType type, uint64_t n_values, float mean, float deviation,
                                   uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint8_t> out;
  for (uint64_t i = 0; i < n_values; ++i) {
    // The sum of four uniform values: near enough to normal, and the same with every standard library.
    float sum = 0;
    for (int k = 0; k < 4; ++k) sum += static_cast<float>(random() >> 40) * 0x1p-24f - 0.5f;
    const float value = mean + deviation * sum * std::sqrt(3.0f);
    if (type == WeightType::f32)
      append_raw(&out, value);
    else if (type == WeightType::f16)
      append_raw(&out, kernels::f32_to_f16(value));
    else
      append_raw(&out, static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16));
  }
  return out;
}

class TinyModelBuilder {
 public:
  explicit TinyModelBuilder(const TinyModelOptions& options) : options_(options) {
    const bool wide_blocks =
        kernels::weight_type_traits(static_cast<int32_t>(options_.matrix_type))->block_values > 32;
    if (options_.head_dim == 0) options_.head_dim = wide_blocks ? 64 : 16;
    if (options_.n_embd == 0) options_.n_embd = options_.n_heads * options_.head_dim;
    if (options_.n_ff == 0) options_.n_ff = 2 * options_.n_embd;
    if (options_.n_vocab == 0) options_.n_vocab = 320;
    seed_ = options_.seed * 1000003;
  }

  GgufFile build() {
    add_hyper_parameters();
    add_tokenizer();
    add_tensors();
    return std::move(file_);
  }

 private:
  bool is(const char* name) const { return options_.architecture == name; }

  void add_hyper_parameters() {
    const std::string arch = options_.architecture + ".";
    file_.set("general.architecture", options_.architecture);
    file_.set("general.name", "tiny");
    file_.set(arch + "block_count", options_.n_layers);
    file_.set(arch + "context_length", options_.context_tokens);
    file_.set(arch + "embedding_length", options_.n_embd);
    file_.set(arch + "feed_forward_length", options_.n_ff);
    file_.set(arch + "attention.head_count", options_.n_heads);
    file_.set(arch + "attention.head_count_kv", options_.n_kv_heads);
    file_.set(arch + "attention.layer_norm_rms_epsilon", 1e-5f);
    file_.set(arch + "rope.freq_base", 10000.0f);
    if (options_.head_dim * options_.n_heads != options_.n_embd || is("gemma3") || is("qwen3")) {
      file_.set(arch + "attention.key_length", options_.head_dim);
      file_.set(arch + "attention.value_length", options_.head_dim);
    }
    if (is("gemma3")) file_.set(arch + "attention.sliding_window", options_.sliding_window_tokens);
  }

  void add_tokenizer() {
    switch (options_.tokenizer) {
      case TinyTokenizer::none:
        file_.set("tokenizer.ggml.model", "none");
        break;
      case TinyTokenizer::byte_level:
        add_byte_level();
        break;
      case TinyTokenizer::sentencepiece:
        add_sentencepiece();
        break;
    }
    if (options_.chat_template)
      file_.set(
          "tokenizer.chat_template",
          "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n' }}{% endfor %}"
          "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}");
  }

  void add_token(const std::string& text, int32_t type, float score = 0) {
    tokens_.push_back(text);
    types_.push_back(type);
    scores_.push_back(score);
  }

  void write_tokens() {
    while (tokens_.size() < options_.n_vocab) add_token("<unused" + std::to_string(tokens_.size()) + ">", 5);
    tokens_.resize(options_.n_vocab);
    types_.resize(options_.n_vocab);
    scores_.resize(options_.n_vocab);
    file_.set_strings("tokenizer.ggml.tokens", tokens_);
    file_.set_array("tokenizer.ggml.token_type", types_);
  }

  static std::string utf8(uint32_t code_point) {
    if (code_point < 0x80) return {static_cast<char>(code_point)};
    return {static_cast<char>(0xC0 | code_point >> 6), static_cast<char>(0x80 | (code_point & 0x3F))};
  }

  // Byte-level BPE spells bytes as printable characters: those of Latin-1 as themselves, the others from
  // U+0100.
  void add_byte_level() {
    file_.set("tokenizer.ggml.model", "gpt2");
    file_.set("tokenizer.ggml.pre", "gpt-2");
    for (const char* name : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) add_token(name, 3);
    uint32_t n_moved = 0;
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
      add_token(utf8(printable ? byte : 0x100 + n_moved), 1);
      if (!printable) ++n_moved;
    }
    const std::string blank = utf8(0x120);
    std::vector<std::string> merges;
    const std::pair<std::string, std::string> pairs[] = {{blank, "t"},   {"h", "e"}, {blank + "t", "he"},
                                                         {"i", "n"},     {"a", "n"}, {"an", "d"},
                                                         {blank, "and"}, {"o", "n"}};
    for (const auto& [left, right] : pairs) {
      merges.push_back(left + " " + right);
      add_token(left + right, 1);
    }
    write_tokens();
    file_.set_strings("tokenizer.ggml.merges", merges);
    file_.set("tokenizer.ggml.bos_token_id", uint32_t{1});
    file_.set("tokenizer.ggml.eos_token_id", uint32_t{2});
    file_.set("tokenizer.ggml.add_bos_token", false);
  }

  void add_sentencepiece() {
    file_.set("tokenizer.ggml.model", "llama");
    add_token("<unk>", 2);
    add_token("<s>", 3);
    add_token("</s>", 3);
    for (uint32_t byte = 0; byte < 256; ++byte) add_token(fmt::format("<0x{:02X}>", byte), 6);
    const std::string blank = "\xE2\x96\x81";
    float score = -1;
    for (const std::string& word :
         {blank + "t", std::string("he"), blank + "the", std::string("in"), blank + "a"})
      add_token(word, 1, score--);
    add_token(blank, 1, score--);
    for (char letter = 'a'; letter <= 'z'; ++letter) add_token(std::string(1, letter), 1, score--);
    write_tokens();
    file_.set_array("tokenizer.ggml.scores", scores_);
    file_.set("tokenizer.ggml.bos_token_id", uint32_t{1});
    file_.set("tokenizer.ggml.eos_token_id", uint32_t{2});
    file_.set("tokenizer.ggml.unknown_token_id", uint32_t{0});
  }

  void add_matrix(const std::string& name, uint64_t n_cols, uint64_t n_rows) {
    const float deviation = 1.0f / std::sqrt(static_cast<float>(n_cols));
    file_.add_tensor(name, {n_cols, n_rows}, options_.matrix_type,
                     random_weights(options_.matrix_type, n_cols * n_rows, deviation, ++seed_));
  }
  void add_norm(const std::string& name, uint64_t n) {
    file_.add_tensor(name, {n}, WeightType::f32, random_floats(WeightType::f32, n, 1.0f, 0.1f, ++seed_));
  }
  void add_bias(const std::string& name, uint64_t n) {
    file_.add_tensor(name, {n}, WeightType::f32, random_floats(WeightType::f32, n, 0.0f, 0.1f, ++seed_));
  }

  void add_tensors() {
    add_matrix("token_embd.weight", options_.n_embd, options_.n_vocab);
    for (uint32_t layer = 0; layer < options_.n_layers; ++layer)
      add_layer("blk." + std::to_string(layer) + ".");
    add_norm("output_norm.weight", options_.n_embd);
    if (!options_.tied_output) add_matrix("output.weight", options_.n_embd, options_.n_vocab);
  }

  void add_layer(const std::string& prefix) {
    const uint32_t n_q = options_.n_heads * options_.head_dim;
    const uint32_t n_kv = options_.n_kv_heads * options_.head_dim;
    add_norm(prefix + "attn_norm.weight", options_.n_embd);
    add_matrix(prefix + "attn_q.weight", options_.n_embd, n_q);
    add_matrix(prefix + "attn_k.weight", options_.n_embd, n_kv);
    add_matrix(prefix + "attn_v.weight", options_.n_embd, n_kv);
    if (is("qwen2")) {
      add_bias(prefix + "attn_q.bias", n_q);
      add_bias(prefix + "attn_k.bias", n_kv);
      add_bias(prefix + "attn_v.bias", n_kv);
    }
    if (is("qwen3") || is("gemma3")) {
      add_norm(prefix + "attn_q_norm.weight", options_.head_dim);
      add_norm(prefix + "attn_k_norm.weight", options_.head_dim);
    }
    add_matrix(prefix + "attn_output.weight", n_q, options_.n_embd);
    if (is("gemma3")) add_norm(prefix + "post_attention_norm.weight", options_.n_embd);
    add_norm(prefix + "ffn_norm.weight", options_.n_embd);
    add_matrix(prefix + "ffn_gate.weight", options_.n_embd, options_.n_ff);
    add_matrix(prefix + "ffn_up.weight", options_.n_embd, options_.n_ff);
    add_matrix(prefix + "ffn_down.weight", options_.n_ff, options_.n_embd);
    if (is("gemma3")) add_norm(prefix + "post_ffw_norm.weight", options_.n_embd);
  }

  TinyModelOptions options_;
  GgufFile file_;
  uint64_t seed_ = 0;
  std::vector<std::string> tokens_;
  std::vector<int32_t> types_;
  std::vector<float> scores_;
};

}  // namespace

std::vector<uint8_t> random_weights(WeightType type, uint64_t n_values, float deviation, uint64_t seed) {
  const BlockScales* scales = std::find_if(std::begin(kBlockScales), std::end(kBlockScales),
                                           [&](const BlockScales& row) { return row.type == type; });
  if (scales == std::end(kBlockScales)) return random_floats(type, n_values, 0, deviation, seed);
  const kernels::WeightTypeTraits& traits = *kernels::weight_type_traits(static_cast<int32_t>(type));
  std::mt19937_64 random(seed);
  std::vector<uint8_t> out(n_values / traits.block_values * traits.block_bytes);
  for (uint8_t& byte : out) byte = static_cast<uint8_t>(random() >> 56);
  for (size_t block = 0; block < out.size(); block += traits.block_bytes) {
    // Blocks differ, so that a scale of the wrong block shows.
    const float scale =
        deviation / scales->code_deviation * (0.5f + static_cast<float>(random() >> 40) * 0x1p-24f);
    const uint16_t half = kernels::f32_to_f16(scale);
    std::memcpy(out.data() + block + scales->scale_at, &half, sizeof(half));
    if (scales->minimum_at < 0) continue;
    const uint16_t minimum = kernels::f32_to_f16(scale * scales->minimum_ratio);
    std::memcpy(out.data() + block + static_cast<size_t>(scales->minimum_at), &minimum, sizeof(minimum));
  }
  return out;
}

GgufFile tiny_model(const TinyModelOptions& options) {
  return TinyModelBuilder(options).build();
}

}  // namespace leoam::testing
