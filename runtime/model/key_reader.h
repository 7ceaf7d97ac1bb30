// KeyReader: the keys of one prefix ("llama.") with ranges, as hyper-parameters need them.
#pragma once

#include <string>
#include <string_view>

#include "runtime/model/gguf.h"

namespace leoam {

class KeyReader {
 public:
  KeyReader(const Gguf& gguf, std::string prefix) : gguf_(gguf), prefix_(std::move(prefix)) {}

  std::string key(std::string_view name) const { return prefix_ + std::string(name); }
  bool has(std::string_view name) const { return gguf_.find(key(name)) != nullptr; }
  Status missing(std::string_view name) const;

  // Each leaves *out as it is when the key is absent, and fails with corrupt (type, range) when it is wrong.
  Status optional_uint(std::string_view name, uint32_t min, uint32_t max, uint32_t* out) const;
  Status required_uint(std::string_view name, uint32_t min, uint32_t max, uint32_t* out) const;
  // Finite and in [min, max].
  Status optional_float(std::string_view name, float min, float max, float* out) const;
  Status required_float(std::string_view name, float min, float max, float* out) const;
  // An integer, or an array with one integer a layer; unsupported when they differ.
  Status uniform_uint(std::string_view name, uint32_t n_layers, uint32_t min, uint32_t max,
                      uint32_t* out) const;

  // unsupported when the key is present and neither `neutral` nor absent: the feature changes results and is
  // not here.
  Status refuse_uint(std::string_view name, const char* feature) const;
  Status refuse_float(std::string_view name, float neutral, const char* feature) const;
  Status refuse_bool(std::string_view name, bool neutral, const char* feature) const;

  const Gguf& gguf() const { return gguf_; }

 private:
  Status refusal(std::string_view name, const char* feature) const;

  const Gguf& gguf_;
  std::string prefix_;
};

}  // namespace leoam
