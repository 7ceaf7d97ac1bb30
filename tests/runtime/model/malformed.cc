#include "tests/runtime/model/malformed.h"

#include <chrono>

#include "runtime/model/model_source.h"
#include "tests/support/memory_file.h"
#include "tests/support/process_memory.h"
#include "tests/support/sanitized.h"

namespace leoam::testing {
namespace {

constexpr int64_t kMaxExtra_bytes = 64 << 20;

Status read_all_of(const File& file) {
  LEOAM_ASSIGN_OR_RETURN(const ModelSource source, read_model_source(file, {}));
  LEOAM_ASSIGN_OR_RETURN(std::optional<TokenizerData> data,
                         read_tokenizer_data(source.gguf, source.header.config));
  if (!data) return {};
  return Tokenizer::create(*std::move(data)).status().clone();
}

}  // namespace

Status read_all(const std::vector<uint8_t>& bytes) {
  return read_all_of(MemoryFile(bytes));
}

void expect_refused(const std::vector<uint8_t>& bytes, ErrorKind kind, const std::string& message) {
  const MemoryFile file(bytes);
  const PeakMemory memory;
  const auto start = std::chrono::steady_clock::now();
  const Status status = read_all_of(file);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(error_kind_name(status.kind()), std::string(error_kind_name(kind))) << status.message();
  EXPECT_NE(status.message().find(message), std::string::npos)
      << "no \"" << message << "\" in: " << status.message();
  EXPECT_LT(seconds.count(), kSlowdown * 1.0);
  EXPECT_LT(memory.extra_bytes(), static_cast<int64_t>(bytes.size()) + kMaxExtra_bytes);
}

void expect_refused(const TinyModelOptions& options, const Malformed& malformed) {
  GgufFile file = tiny_model(options);
  malformed.damage(file);
  expect_refused(file.bytes(), malformed.kind, malformed.message);
}

}  // namespace leoam::testing
