// Option values that several functions share.
#pragma once

#include <functional>
#include <string>

#include "c_api/include/leoam/leoam.h"
#include "c_api/src/callback_list.h"
#include "runtime/base/status.h"
#include "runtime/engine/session.h"

namespace leoam::c_api {

// What KV is kept as, in the words of SessionOptions and PlanRequest.
struct KvFormat {
  kernels::KvType type = kernels::KvType::f16;
  kernels::PageCodec codec = kernels::PageCodec::plain;
  bool choose = false;
};
Result<KvFormat> read_kv_type(leoam_kv_type c);
leoam_kv_type to_c(kernels::KvType type, kernels::PageCodec codec);

// 0 leaves `out` as it is.
Status read_page_tokens(uint32_t c, uint32_t* out);

// A file name: not empty, no zero byte.
Status read_path(const char* path, uint64_t size, std::string* out);

Result<SessionOptions> read_session_options(const leoam_session_options& c);

// The caller's function for the engine, which calls it on the calling thread: false for LEOAM_STOP. Null for
// NULL. `list` outlives it.
std::function<bool(uint64_t, uint64_t)> read_progress(leoam_progress_function c, void* user_data,
                                                      CallbackList& list);

}  // namespace leoam::c_api
