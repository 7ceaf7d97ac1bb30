#include "machine.h"

namespace leoam::cli {
namespace {

// The facts of the library's diagnosis that begin so.
Json facts(const Instance& instance, std::initializer_list<std::string_view> prefixes) {
  Json chosen = Json::object();
  for (const auto& [key, value] : instance.describe())
    for (const std::string_view prefix : prefixes)
      if (key.starts_with(prefix)) chosen[key] = value;
  return chosen;
}

std::string words(const leoam_string& text) {
  return {text.data, text.size};
}

}  // namespace

Json measured_with(const Instance& instance, const Model& model) {
  const leoam_model_info info = model.info();
  return {{"model",
           {{"name", words(info.name)},
            {"architecture", words(info.architecture)},
            {"quantization", words(info.quantization)},
            {"n_layers", info.n_layers},
            {"n_heads", info.n_heads},
            {"n_kv_heads", info.n_kv_heads},
            {"head_dim", info.head_dim},
            {"weight_bytes", info.memory_bytes}}},
          {"machine", facts(instance, {"cpu.", "device.name", "threads", "memory.total", "io."})},
          {"build", facts(instance, {"library.version", "library.build", "library.compiler"})}};
}

}  // namespace leoam::cli
