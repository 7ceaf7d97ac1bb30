// Text: an immutable string that knows of each byte whether it came from the conversation (data) or from the
// template (trusted). Slices share their storage.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/model/chat_template/budget.h"

namespace leoam::chat {

class Text {
 public:
  Text() = default;
  // Not charged to a budget: the template's own literals and the caller's input.
  explicit Text(std::string bytes, bool from_user = false);

  std::string_view view() const;
  size_t size_bytes() const { return size_; }
  bool empty() const { return size_ == 0; }
  // [begin, begin + size) must lie inside.
  Text slice(size_t begin, size_t size) const;
  bool from_user(size_t at) const;

  // run(std::string_view bytes, bool from_user) for each stretch of one provenance, in order.
  template <class Run>
  void for_each_run(Run&& run) const {
    for (size_t at = 0; at < size_;) {
      const size_t end = run_end(at);
      run(view().substr(at, end - at), from_user(at));
      at = end;
    }
  }

 private:
  friend class TextBuilder;
  struct Storage {
    std::string bytes;
    // Offsets where the provenance changes, ascending; before the first one the text is trusted.
    std::vector<size_t> flips;
    Charge charge;
  };
  // First offset after `at` with another provenance, or the size.
  size_t run_end(size_t at) const;

  std::shared_ptr<const Storage> storage_;
  size_t begin_ = 0;
  size_t size_ = 0;
};

// For messages: at most 1,024 bytes, and "[...]" for each stretch from the user, since what a conversation
// holds is not for logs.
std::string without_user_text(const Text& text);

// Makes one Text. A budget that runs out is remembered and reported by finish().
class TextBuilder {
 public:
  explicit TextBuilder(Budget& budget) : budget_(&budget) {}

  void append(const Text& text);
  void append(std::string_view bytes, bool from_user);
  size_t size_bytes() const { return storage_.bytes.size(); }
  bool failed() const { return !failure_.ok(); }
  // Leaves the builder empty.
  Result<Text> finish();

 private:
  bool grow(size_t bytes);

  Budget* budget_;
  Text::Storage storage_;
  bool from_user_ = false;
  Status failure_;
};

}  // namespace leoam::chat
