#include "runtime/model/tokenizer/tokenizer.h"
#include "runtime/model/tokenizer/unicode.h"

namespace leoam {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

}  // namespace

void Utf8Stream::push(std::string_view bytes, std::string* out) {
  for (const char c : bytes) {
    const uint8_t byte = static_cast<uint8_t>(c);
    if (n_held_ > 0) {
      const Utf8Lead lead = utf8_lead(held_[0]);
      const uint8_t low = n_held_ == 1 ? lead.second_min : 0x80;
      const uint8_t high = n_held_ == 1 ? lead.second_max : 0xBF;
      if (byte >= low && byte <= high) {
        held_[n_held_++] = byte;
        if (n_held_ == lead.length) {
          out->append(reinterpret_cast<const char*>(held_), n_held_);
          n_held_ = 0;
        }
        continue;
      }
      finish(out);
    }
    const uint8_t length = utf8_lead(byte).length;
    if (length == 1) {
      out->push_back(c);
    } else if (length == 0) {
      out->append(kReplacement);
    } else {
      held_[0] = byte;
      n_held_ = 1;
    }
  }
}

void Utf8Stream::finish(std::string* out) {
  if (n_held_ > 0) out->append(kReplacement);
  n_held_ = 0;
}

}  // namespace leoam
