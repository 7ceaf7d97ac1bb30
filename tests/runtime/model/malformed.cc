#include "tests/runtime/model/malformed.h"

#include <chrono>
#include <fstream>

#include "runtime/model/model_source.h"
#include "tests/support/memory_file.h"

namespace leoam::testing {
namespace {

constexpr int64_t kMaxExtra_kib = 64 << 10;

int64_t status_kib(const std::string& field) {
  std::ifstream in("/proc/self/status");
  std::string word;
  while (in >> word)
    if (word == field + ":") {
      int64_t kib = 0;
      in >> kib;
      return kib;
    }
  return 0;
}

// The highest resident size from here on, in KiB above what it is here.
class PeakMemory {
 public:
  PeakMemory() {
    std::ofstream("/proc/self/clear_refs") << "5";
    start_kib_ = status_kib("VmRSS");
  }
  int64_t extra_kib() const { return status_kib("VmHWM") - start_kib_; }

 private:
  int64_t start_kib_ = 0;
};

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
  const auto file_kib = static_cast<int64_t>(bytes.size() >> 10);
  EXPECT_EQ(error_kind_name(status.kind()), std::string(error_kind_name(kind))) << status.message();
  EXPECT_NE(status.message().find(message), std::string::npos)
      << "no \"" << message << "\" in: " << status.message();
  EXPECT_LT(seconds.count(), 1.0);
  EXPECT_LT(memory.extra_kib(), file_kib + kMaxExtra_kib);
}

void expect_refused(const TinyModelOptions& options, const Malformed& malformed) {
  GgufFile file = tiny_model(options);
  malformed.damage(file);
  expect_refused(file.bytes(), malformed.kind, malformed.message);
}

}  // namespace leoam::testing
