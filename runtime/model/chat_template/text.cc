#include "runtime/model/chat_template/text.h"

#include <algorithm>

namespace leoam::chat {

Status Budget::out_of_steps() {
  steps_left_ = 0;
  return Status::no_space(fmt::format("rendering takes more than {} steps", steps_), steps_ + 1, steps_);
}

Status Budget::out_of_memory(uint64_t bytes) const {
  return Status::no_space(
      fmt::format("rendering needs more than {} bytes for intermediate values", memory_bytes_),
      bytes > UINT64_MAX - live_bytes_ ? UINT64_MAX : live_bytes_ + bytes, memory_bytes_);
}

Text::Text(std::string bytes, bool from_user) : size_(bytes.size()) {
  if (size_ == 0) return;
  auto storage = std::make_shared<Storage>();
  storage->bytes = std::move(bytes);
  if (from_user) storage->flips.push_back(0);
  storage_ = std::move(storage);
}

std::string_view Text::view() const {
  if (size_ == 0) return {};
  return std::string_view(storage_->bytes).substr(begin_, size_);
}

Text Text::slice(size_t begin, size_t size) const {
  Text part;
  if (size == 0) return part;
  part.storage_ = storage_;
  part.begin_ = begin_ + begin;
  part.size_ = size;
  return part;
}

bool Text::from_user(size_t at) const {
  const auto& flips = storage_->flips;
  const auto passed = std::upper_bound(flips.begin(), flips.end(), begin_ + at) - flips.begin();
  return passed % 2 == 1;
}

size_t Text::run_end(size_t at) const {
  const auto& flips = storage_->flips;
  const auto next = std::upper_bound(flips.begin(), flips.end(), begin_ + at);
  return next == flips.end() ? size_ : std::min(size_, *next - begin_);
}

std::string without_user_text(const Text& text) {
  constexpr size_t kLongest = 1024;
  std::string out;
  text.for_each_run([&out](std::string_view run, bool from_user) {
    if (out.size() < kLongest) out += from_user ? "[...]" : run.substr(0, kLongest - out.size());
  });
  return out;
}

bool TextBuilder::grow(size_t bytes) {
  if (failed()) return false;
  const uint64_t flips_bytes = (storage_.flips.size() + 1) * sizeof(size_t);
  failure_ = storage_.charge.grow(*budget_, storage_.bytes.size() + bytes + flips_bytes);
  if (!failed()) failure_ = budget_->spend_on_bytes(bytes);
  return !failed();
}

void TextBuilder::append(std::string_view bytes, bool from_user) {
  if (bytes.empty() || !grow(bytes.size())) return;
  if (from_user != from_user_) {
    storage_.flips.push_back(storage_.bytes.size());
    from_user_ = from_user;
  }
  storage_.bytes.append(bytes);
}

void TextBuilder::append(const Text& text) {
  text.for_each_run([this](std::string_view bytes, bool from_user) { append(bytes, from_user); });
}

Result<Text> TextBuilder::finish() {
  if (failed()) return std::move(failure_);
  Text text;
  text.size_ = storage_.bytes.size();
  if (text.size_ > 0) text.storage_ = std::make_shared<Text::Storage>(std::move(storage_));
  storage_ = Text::Storage();
  from_user_ = false;
  return text;
}

}  // namespace leoam::chat
