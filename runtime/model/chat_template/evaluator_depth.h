// Evaluator::Depth: one level of nested evaluation, counted while it lives.
#pragma once

#include "runtime/model/chat_template/evaluator.h"

namespace leoam::chat {

class Evaluator::Depth {
 public:
  explicit Depth(Evaluator& evaluator) : evaluator_(evaluator) { ++evaluator_.depth_; }
  Depth(const Depth&) = delete;
  Depth& operator=(const Depth&) = delete;
  ~Depth() { --evaluator_.depth_; }

  Status check() const {
    const uint32_t limit = evaluator_.depth_limit_;
    if (evaluator_.depth_ <= limit) return {};
    return Status::no_space(fmt::format("evaluation is nested more than {} deep", limit), uint64_t{limit} + 1,
                            limit);
  }

 private:
  Evaluator& evaluator_;
};

}  // namespace leoam::chat
