// The tokenizer's keys of a model file.
#include <limits>

#include "runtime/model/key_reader.h"
#include "runtime/model/model_source.h"

namespace leoam {
namespace {

constexpr std::string_view kTokens = "tokenizer.ggml.tokens";
constexpr std::string_view kMerges = "tokenizer.ggml.merges";
// The largest in use are about 450,000; a vocabulary is bounded by the embedding's rows.
constexpr uint64_t kMaxMerges = 1u << 20;

Result<std::vector<std::string>> copy_strings(GgufStrings strings, const CancelFlag* cancel) {
  std::vector<std::string> out;
  out.reserve(strings.left());
  while (strings.left() > 0) {
    if (strings.left() % kTokensPerCancelCheck == 0) LEOAM_RETURN_IF_ERROR(check_cancelled(cancel));
    out.emplace_back(strings.next());
  }
  return out;
}

// Whether the vocabulary has the token is for Tokenizer::create to say.
Status read_id(const Gguf& gguf, std::string_view key, int64_t* id) {
  LEOAM_ASSIGN_OR_RETURN(const std::optional<uint64_t> found,
                         gguf.find_uint(key, 0, std::numeric_limits<int64_t>::max()));
  if (found) *id = static_cast<int64_t>(*found);
  return {};
}

Status read_flag(const Gguf& gguf, std::string_view key, int32_t* flag) {
  LEOAM_ASSIGN_OR_RETURN(const std::optional<bool> found, gguf.find_bool(key));
  if (found) *flag = *found ? 1 : 0;
  return {};
}

Status read_types(const Gguf& gguf, uint32_t n_vocab, std::vector<int32_t>* types) {
  constexpr std::string_view kKey = "tokenizer.ggml.token_type";
  LEOAM_ASSIGN_OR_RETURN(const std::vector<int64_t> found, gguf.find_ints(kKey, n_vocab));
  types->reserve(found.size());
  for (size_t i = 0; i < found.size(); ++i) {
    if (found[i] < std::numeric_limits<int32_t>::min() || found[i] > std::numeric_limits<int32_t>::max())
      return corrupt_field(fmt::format("{}[{}]", kKey, i), gguf.find(kKey)->offset_bytes, "a token type",
                           found[i]);
    types->push_back(static_cast<int32_t>(found[i]));
  }
  return {};
}

}  // namespace

Result<std::string> read_tokenizer_model(const Gguf& gguf) {
  LEOAM_ASSIGN_OR_RETURN(const std::optional<std::string_view> model,
                         gguf.find_string("tokenizer.ggml.model"));
  if (!model || *model == "none" || *model == "no_vocab") return std::string("none");
  return printable(*model);
}

Status check_vocabulary(const Gguf& gguf, const ModelConfig& config) {
  LEOAM_ASSIGN_OR_RETURN(const std::string model, read_tokenizer_model(gguf));
  if (model == "none") return {};
  const GgufValue* value = gguf.find(kTokens);
  if (!value) return KeyReader(gguf, "").missing(kTokens);
  LEOAM_ASSIGN_OR_RETURN(const GgufStrings tokens, gguf.find_strings(kTokens, UINT64_MAX));
  if (tokens.left() != config.n_vocab)
    return corrupt_field(kTokens, value->offset_bytes,
                         fmt::format("{} tokens (the rows of token_embd.weight)", config.n_vocab),
                         tokens.left());
  return {};
}

Result<std::optional<TokenizerData>> read_tokenizer_data(const Gguf& gguf, const ModelConfig& config,
                                                         const CancelFlag* cancel) {
  TokenizerData data;
  LEOAM_ASSIGN_OR_RETURN(data.model, read_tokenizer_model(gguf));
  if (data.model == "none") return std::optional<TokenizerData>();
  LEOAM_RETURN_IF_ERROR(check_vocabulary(gguf, config));
  LEOAM_ASSIGN_OR_RETURN(const std::optional<std::string_view> pre, gguf.find_string("tokenizer.ggml.pre"));
  data.pre = printable(pre.value_or(""));
  LEOAM_ASSIGN_OR_RETURN(const GgufStrings tokens, gguf.find_strings(kTokens, config.n_vocab));
  LEOAM_ASSIGN_OR_RETURN(data.tokens, copy_strings(tokens, cancel));
  LEOAM_ASSIGN_OR_RETURN(data.scores, gguf.find_floats("tokenizer.ggml.scores", config.n_vocab));
  LEOAM_RETURN_IF_ERROR(read_types(gguf, config.n_vocab, &data.types));
  if (data.model == "gpt2" && !gguf.find(kMerges)) return KeyReader(gguf, "").missing(kMerges);
  LEOAM_ASSIGN_OR_RETURN(const GgufStrings merges, gguf.find_strings(kMerges, kMaxMerges));
  LEOAM_ASSIGN_OR_RETURN(data.merges, copy_strings(merges, cancel));

  LEOAM_RETURN_IF_ERROR(read_id(gguf, "tokenizer.ggml.bos_token_id", &data.bos));
  LEOAM_RETURN_IF_ERROR(read_id(gguf, "tokenizer.ggml.eos_token_id", &data.eos));
  LEOAM_RETURN_IF_ERROR(read_id(gguf, "tokenizer.ggml.eot_token_id", &data.eot));
  LEOAM_RETURN_IF_ERROR(read_id(gguf, "tokenizer.ggml.unknown_token_id", &data.unknown));
  // The format's documentation and its first writers spell the key in two ways.
  LEOAM_RETURN_IF_ERROR(read_id(gguf, "tokenizer.ggml.seperator_token_id", &data.separator));
  LEOAM_RETURN_IF_ERROR(read_id(gguf, "tokenizer.ggml.separator_token_id", &data.separator));
  LEOAM_RETURN_IF_ERROR(read_id(gguf, "tokenizer.ggml.padding_token_id", &data.padding));
  LEOAM_RETURN_IF_ERROR(read_flag(gguf, "tokenizer.ggml.add_bos_token", &data.add_bos));
  LEOAM_RETURN_IF_ERROR(read_flag(gguf, "tokenizer.ggml.add_eos_token", &data.add_eos));
  LEOAM_RETURN_IF_ERROR(read_flag(gguf, "tokenizer.ggml.add_space_prefix", &data.add_space_prefix));
  return std::optional<TokenizerData>(std::move(data));
}

}  // namespace leoam
