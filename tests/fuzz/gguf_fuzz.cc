// A model file, from its first byte to a tokenizer: everything that loading reads before the weights.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "runtime/model/model_source.h"

namespace {

class FuzzFile final : public leoam::File {
 public:
  FuzzFile(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  uint64_t size_bytes() const override { return size_; }
  leoam::Status read_at(uint64_t offset_bytes, std::span<uint8_t> out) const override {
    if (offset_bytes > size_ || out.size() > size_ - offset_bytes)
      return leoam::Status(leoam::ErrorKind::corrupt, "beyond the file");
    if (!out.empty()) std::memcpy(out.data(), data_ + offset_bytes, out.size());
    return {};
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto source = leoam::read_model_source(FuzzFile(data, size), {});
  if (!source.ok()) return 0;
  auto tokenizer_data = leoam::read_tokenizer_data(source->gguf, source->header.config);
  if (!tokenizer_data.ok() || !*tokenizer_data) return 0;
  const auto tokenizer = leoam::Tokenizer::create(std::move(**tokenizer_data));
  if (tokenizer.ok()) (void)(*tokenizer)->tokenize("a text, and <s> more", {});
  return 0;
}
