// What the benches of an engine share: they end at the first failure, time a piece of work, have tokens.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/model/model.h"

namespace leoam::bench {

inline void check(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.message().c_str());
  std::exit(1);
}

inline double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

inline std::vector<int32_t> tokens(size_t n) {
  std::vector<int32_t> out(n);
  uint32_t seed = 1;
  for (int32_t& token : out)
    token = static_cast<int32_t>((seed = seed * 1664525u + 1013904223u) >> 8) % 30000;
  return out;
}

// The first n tokens of a text, which begins anew where it ends.
inline std::vector<int32_t> text_tokens(const Model& model, const std::string& path, size_t n) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  std::vector<int32_t> out = model.tokenizer()->tokenize(text.str(), {}).value();
  if (out.empty()) check(error(ErrorKind::invalid_argument, "{}: no text", path));
  const size_t n_text = out.size();
  for (size_t i = out.size(); i < n; ++i) out.push_back(out[i - n_text]);
  out.resize(n);
  return out;
}

}  // namespace leoam::bench
