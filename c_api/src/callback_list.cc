#include "c_api/src/callback_list.h"

namespace leoam::c_api {

CallbackList::Scope::Scope(CallbackList& list) : list_(list) {
  const std::lock_guard lock(list_.mutex_);
  next_ = list_.first_;
  if (next_) next_->previous_ = this;
  list_.first_ = this;
}

CallbackList::Scope::~Scope() {
  const std::lock_guard lock(list_.mutex_);
  if (next_) next_->previous_ = previous_;
  (previous_ ? previous_->next_ : list_.first_) = next_;
}

bool CallbackList::has_this_thread() const {
  const std::thread::id self = std::this_thread::get_id();
  const std::lock_guard lock(mutex_);
  for (const Scope* scope = first_; scope; scope = scope->next_) {
    if (scope->thread_ == self) return true;
  }
  return false;
}

Status CallbackList::refuse(const char* function) const {
  if (!has_this_thread()) return {};
  return error(ErrorKind::busy, "{} inside a callback of its instance", function);
}

}  // namespace leoam::c_api
