// One malformed model file: how it differs from a good one, and which complaint it must meet.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "tests/support/tiny_model.h"

namespace leoam::testing {

struct Malformed {
  const char* name;
  std::function<void(GgufFile& file)> damage;
  const char* message;  // a part of it: the field
  ErrorKind kind = ErrorKind::corrupt;

  friend void PrintTo(const Malformed& malformed, std::ostream* out) { *out << malformed.name; }
};

// Reads header, hyper-parameters and tokenizer, as loading does. Fails the test unless it is refused with
// that kind and message, within 1 s and 64 MiB beyond the file's own size.
void expect_refused(const std::vector<uint8_t>& bytes, ErrorKind kind, const std::string& message);

// The same for a damaged tiny model.
void expect_refused(const TinyModelOptions& options, const Malformed& malformed);

// What reading the whole header says.
Status read_all(const std::vector<uint8_t>& bytes);

inline std::string malformed_name(const ::testing::TestParamInfo<Malformed>& info) {
  return info.param.name;
}

}  // namespace leoam::testing
