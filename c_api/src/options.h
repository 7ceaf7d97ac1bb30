// Option values that several functions share.
#pragma once

#include "c_api/include/leoam/leoam.h"
#include "runtime/base/status.h"
#include "runtime/engine/session.h"

namespace leoam::c_api {

inline Status read_kv_type(leoam_kv_type c, kernels::KvType* out) {
  switch (c) {
    case LEOAM_KV_DEFAULT:
    case LEOAM_KV_F16:
      *out = kernels::KvType::f16;
      return {};
    case LEOAM_KV_F32:
      *out = kernels::KvType::f32;
      return {};
    default:
      return error(ErrorKind::invalid_argument, "kv_type: {}", c);
  }
}

inline Status read_page_tokens(uint32_t c, uint32_t* out) {
  if (c == 0) return {};  // the default of `out`
  if (c != 16 && c != 32 && c != 64 && c != 128) {
    return error(ErrorKind::invalid_argument, "page_tokens: {}, expected 16, 32, 64 or 128", c);
  }
  *out = c;
  return {};
}

}  // namespace leoam::c_api
