#include <array>

#include "runtime/model/model_source.h"

namespace leoam {
namespace {

std::string most_used_type(const Gguf& gguf) {
  std::array<uint64_t, 32> bytes = {};
  size_t best = 0;
  for (const GgufTensor& tensor : gguf.tensors()) {
    const auto type = static_cast<size_t>(tensor.type);
    bytes[type] += tensor.bytes;
    if (bytes[type] > bytes[best]) best = type;
  }
  return kernels::weight_type_traits(static_cast<int32_t>(best))->name;
}

Status describe(const Gguf& gguf, ModelHeader* header) {
  header->file_bytes = gguf.file_bytes();
  header->weight_bytes = gguf.weight_bytes();
  header->trailing_bytes = gguf.trailing_bytes();
  header->gguf_version = gguf.version();
  header->n_tensors = gguf.tensors().size();
  for (const GgufTensor& tensor : gguf.tensors()) header->n_parameters += tensor.n_values();
  header->quantization = most_used_type(gguf);
  LEOAM_ASSIGN_OR_RETURN(header->tokenizer_model, read_tokenizer_model(gguf));
  LEOAM_ASSIGN_OR_RETURN(const std::optional<std::string_view> pre, gguf.find_string("tokenizer.ggml.pre"));
  header->pre_tokenizer = printable(pre.value_or(""));
  LEOAM_ASSIGN_OR_RETURN(const std::optional<std::string_view> chat,
                         gguf.find_string("tokenizer.chat_template"));
  header->has_chat_template = chat.has_value();
  // Many values of a hostile file could print to more than the file itself holds.
  constexpr size_t kMaxPrinted_bytes = 4u << 20;
  size_t printed_bytes = 0;
  for (const GgufValue& value : gguf.values()) {
    std::string text = gguf.print(value);
    printed_bytes += text.size() + value.key.size() + sizeof(header->metadata[0]);
    if (printed_bytes > kMaxPrinted_bytes) break;
    header->metadata.emplace_back(printable(value.key, 1024), std::move(text));
  }
  return {};
}

}  // namespace

Result<ModelSource> read_model_source(const File& file, const ModelOptions& options) {
  ModelSource source;
  LEOAM_ASSIGN_OR_RETURN(source.gguf, Gguf::read(file));
  LEOAM_ASSIGN_OR_RETURN(source.header.config, read_model_config(file, source.gguf, options));
  LEOAM_ASSIGN_OR_RETURN(source.tensors, plan_tensors(source.gguf, source.header.config));
  LEOAM_RETURN_IF_ERROR(check_vocabulary(source.gguf, source.header.config));
  LEOAM_RETURN_IF_ERROR(describe(source.gguf, &source.header));
  return source;
}

Result<ModelHeader> Model::read_header(const std::string& path, const ModelOptions& options) {
  LEOAM_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, open_for_reading(path));
  auto source = read_model_source(*file, options);
  if (!source.ok()) return std::move(source).status().with_context(path);
  return std::move(source->header);
}

}  // namespace leoam
