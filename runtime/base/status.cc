#include "runtime/base/status.h"

namespace leoam {

const std::string& Status::message() const {
  static const std::string empty;
  return detail_ ? detail_->message : empty;
}

Status Status::with_context(const std::string& context) && {
  if (detail_) detail_->message = context + ": " + detail_->message;
  return std::move(*this);
}

Status Status::clone() const {
  Status copy;
  if (detail_) copy.detail_ = std::make_unique<Detail>(*detail_);
  return copy;
}

const char* error_kind_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::ok:
      return "ok";
    case ErrorKind::invalid_argument:
      return "invalid_argument";
    case ErrorKind::invalid_handle:
      return "invalid_handle";
    case ErrorKind::not_found:
      return "not_found";
    case ErrorKind::unsupported:
      return "unsupported";
    case ErrorKind::corrupt:
      return "corrupt";
    case ErrorKind::out_of_memory:
      return "out_of_memory";
    case ErrorKind::no_space:
      return "no_space";
    case ErrorKind::io:
      return "io";
    case ErrorKind::busy:
      return "busy";
    case ErrorKind::cancelled:
      return "cancelled";
    case ErrorKind::device_lost:
      return "device_lost";
    case ErrorKind::version:
      return "version";
    case ErrorKind::internal:
      return "internal";
  }
  return "unknown";
}

}  // namespace leoam
