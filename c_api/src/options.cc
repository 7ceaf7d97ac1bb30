#include "c_api/src/options.h"

#include "c_api/src/guard.h"

namespace leoam::c_api {

Result<KvFormat> read_kv_type(leoam_kv_type c) {
  using kernels::KvType;
  using kernels::PageCodec;
  switch (c) {
    case LEOAM_KV_DEFAULT:
    case LEOAM_KV_F16:
      return KvFormat{};
    case LEOAM_KV_AUTO:
      return KvFormat{KvType::f16, PageCodec::plain, true};
    case LEOAM_KV_F32:
      return KvFormat{KvType::f32};
    case LEOAM_KV_INT8:
      return KvFormat{KvType::int8};
    case LEOAM_KV_K8V8:
      return KvFormat{KvType::f16, PageCodec::k8v8};
    case LEOAM_KV_K8V4:
      return KvFormat{KvType::f16, PageCodec::k8v4};
    case LEOAM_KV_K4V4:
      return KvFormat{KvType::f16, PageCodec::k4v4};
    default:
      return error(ErrorKind::invalid_argument, "kv_type: {}", c);
  }
}

Status read_page_tokens(uint32_t c, uint32_t* out) {
  if (c == 0) return {};  // the default of `out`
  if (c != 16 && c != 32 && c != 64 && c != 128) {
    return error(ErrorKind::invalid_argument, "page_tokens: {}, expected 16, 32, 64 or 128", c);
  }
  *out = c;
  return {};
}

leoam_kv_type to_c(kernels::KvType type, kernels::PageCodec codec) {
  constexpr leoam_kv_type codecs[] = {LEOAM_KV_F16, LEOAM_KV_K8V8, LEOAM_KV_K8V4, LEOAM_KV_K4V4};
  switch (type) {
    case kernels::KvType::f32:
      return LEOAM_KV_F32;
    case kernels::KvType::int8:
      return LEOAM_KV_INT8;
    case kernels::KvType::f16:
      return codecs[static_cast<size_t>(codec)];
  }
  return LEOAM_KV_DEFAULT;  // of a file that another library wrote
}

Status read_path(const char* path, uint64_t size, std::string* out) {
  std::string_view text;
  LEOAM_RETURN_IF_ERROR(read_text(path, size, "path", &text));
  if (text.empty()) return error(ErrorKind::invalid_argument, "path: empty");
  if (text.find('\0') != std::string_view::npos) {
    return error(ErrorKind::invalid_argument, "path: a zero byte in it");
  }
  *out = text;
  return {};
}

Result<SessionOptions> read_session_options(const leoam_session_options& c) {
  SessionOptions options;
  std::string_view policy;
  LEOAM_RETURN_IF_ERROR(read_text(c.policy, "policy", &policy));
  if (!policy.empty()) options.policy.name = policy;
  LEOAM_ASSIGN_OR_RETURN(const KvFormat kv, read_kv_type(c.kv_type));
  options.kv_type = kv.type;
  options.page_codec = kv.codec;
  options.choose_kv_type = kv.choose;
  if (c.most_kv_divergence != 0) options.most_kv_divergence = c.most_kv_divergence;
  LEOAM_RETURN_IF_ERROR(read_page_tokens(c.page_tokens, &options.page_tokens));
  options.context_tokens = c.context_tokens;
  options.piece_tokens = c.piece_tokens;
  options.policy.budget_tokens = c.budget_tokens;
  if (c.importance != 0) options.policy.importance = c.importance;
  options.policy.n_channels = c.n_channels;
  if (c.breadth != 0) options.policy.breadth = c.breadth;
  options.policy.page_spread = c.page_spread;
  options.policy.coverage_floor = c.coverage_floor;
  options.policy.sparse_prefill_tokens = c.sparse_prefill_tokens;
  return options;
}

std::function<bool(uint64_t, uint64_t)> read_progress(leoam_progress_function c, void* user_data,
                                                      CallbackList& list) {
  if (!c) return nullptr;
  return [c, user_data, &list](uint64_t done, uint64_t total) {
    const CallbackList::Scope scope(list);
    return c(done, total, user_data) == LEOAM_CONTINUE;
  };
}

}  // namespace leoam::c_api
