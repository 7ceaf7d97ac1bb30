#include "c_api/src/key.h"
#include "c_api/src/new_session.h"
#include "runtime/engine/session_files.h"

namespace leoam::c_api {

namespace {

// What a call about a path begins with.
struct FileCall {
  std::string path;
  leoam_session_file_options options{};
  std::optional<SecretKey> key;
  const SecretKey* key_or_null() const { return key ? &*key : nullptr; }
};

Status begin(InstanceObject& instance, const char* function, const char* path, uint64_t path_size,
             const leoam_session_file_options* options, FileCall* call) {
  LEOAM_RETURN_IF_ERROR(instance.callbacks().refuse(function));
  LEOAM_RETURN_IF_ERROR(read_path(path, path_size, &call->path));
  LEOAM_RETURN_IF_ERROR(read_struct(options, "options", &call->options));
  LEOAM_ASSIGN_OR_RETURN(call->key, read_key(key_source(call->options), instance.callbacks()));
  return {};
}

leoam_session_file_info make_info(const SessionFileInfo& info) {
  leoam_session_file_info c{};
  c.format_version = info.format_version;
  if (info.encrypted) c.flags |= LEOAM_SESSION_FILE_ENCRYPTED;
  if (info.index_lost) c.flags |= LEOAM_SESSION_FILE_INDEX_LOST;
  c.generation = info.generation;
  c.n_tokens = info.n_tokens;
  c.n_kv_tokens = info.n_kv_tokens;
  c.file_bytes = info.file_bytes;
  c.used_bytes = info.used_bytes;
  const SessionIdentity& identity = info.identity;
  c.n_layers = identity.n_layers;
  c.n_kv_heads = identity.n_kv_heads;
  c.head_dim = identity.head_dim;
  c.n_vocab = identity.n_vocab;
  c.kv_type = to_c(static_cast<kernels::KvType>(identity.kv_type), kernels::PageCodec::plain);
  c.page_tokens = identity.page_tokens;
  c.piece_tokens = identity.piece_tokens;
  static_assert(sizeof c.model == sizeof identity.model);
  std::copy(identity.model.begin(), identity.model.end(), c.model);
  const std::string_view name = cut(identity.model_name, sizeof c.model_name - 1);
  std::copy(name.begin(), name.end(), c.model_name);
  c.model_name_size = static_cast<uint32_t>(name.size());
  return c;
}

leoam_session_verdict make_verdict(const SessionFile::Verdict& verdict) {
  leoam_session_verdict c{};
  c.n_pages = verdict.n_pages;
  c.n_bad_pages = verdict.n_bad_pages;
  c.n_missing_pages = verdict.n_missing_pages;
  c.first_bad_token = verdict.first_bad_token;
  c.n_recompute_tokens = verdict.n_recompute_tokens;
  c.n_findings = verdict.findings.size();
  c.whole = verdict.n_bad_pages + verdict.n_missing_pages + verdict.findings.size() == 0 ? 1 : 0;
  return c;
}

// What the caller asks for beside the file's own; 0: as it is.
Status check_same(const leoam_session_options& c, const SessionOptions& file) {
  const auto check = [](uint64_t wish, uint64_t is, const char* name) -> Status {
    if (wish == 0 || wish == is) return {};
    return error(ErrorKind::invalid_argument, "{}: the saved session has {}, found a wish for {}", name, is,
                 wish);
  };
  const auto plain = [](kernels::KvType type) {
    return static_cast<uint64_t>(to_c(type, kernels::PageCodec::plain));
  };
  LEOAM_ASSIGN_OR_RETURN(const KvFormat wish, read_kv_type(c.kv_type));
  const bool any = c.kv_type == LEOAM_KV_DEFAULT || c.kv_type == LEOAM_KV_AUTO;
  LEOAM_RETURN_IF_ERROR(check(any ? 0 : plain(wish.type), plain(file.kv_type), "kv_type"));
  LEOAM_RETURN_IF_ERROR(check(c.page_tokens, file.page_tokens, "page_tokens"));
  return check(c.piece_tokens, file.piece_tokens, "piece_tokens");
}

// The file that the session has already keeps its kind.
Status check_later_save(const leoam_save_options& c, bool key, bool encrypted) {
  if (encrypted && (c.flags & LEOAM_SAVE_PLAINTEXT))
    return error(ErrorKind::invalid_argument, "flags: LEOAM_SAVE_PLAINTEXT, the session's file is encrypted");
  if (!encrypted && key) return error(ErrorKind::invalid_argument, "key: the session's file is plaintext");
  return {};
}

Status save(SessionObject& object, const leoam_save_options& c) {
  LEOAM_RETURN_IF_ERROR(check_flags(c.flags, LEOAM_SAVE_PLAINTEXT, "flags"));
  std::string_view path;
  LEOAM_RETURN_IF_ERROR(read_text(c.path, "path", &path));
  std::string file;
  if (!path.empty()) LEOAM_RETURN_IF_ERROR(read_path(path.data(), path.size(), &file));
  LEOAM_ASSIGN_OR_RETURN(const bool wants_key, has_key(key_source(c)));
  const bool plaintext = (c.flags & LEOAM_SAVE_PLAINTEXT) != 0;
  if (plaintext && wants_key)
    return error(ErrorKind::invalid_argument, "flags: LEOAM_SAVE_PLAINTEXT, and there is a key");
  const CancelArgument cancel(c.cancel);
  LEOAM_RETURN_IF_ERROR(cancel.check());
  CallbackList& list = object.model->instance->callbacks();
  const MoveOptions options = {read_progress(c.on_progress, c.user_data, list), cancel.get()};

  const Result<SessionFileInfo> saved = object.session->file_info();
  if (saved.ok()) {
    LEOAM_RETURN_IF_ERROR(check_later_save(c, wants_key, saved->encrypted));
    return object.session->save(file, nullptr, options);
  }
  if (file.empty())
    return error(ErrorKind::invalid_argument, "path: expected one, the session has no file yet");
  if (!plaintext && !wants_key)
    return error(ErrorKind::invalid_argument, "key: expected one, or LEOAM_SAVE_PLAINTEXT");
  LEOAM_ASSIGN_OR_RETURN(const std::optional<SecretKey> key, read_key(key_source(c), list));
  return object.session->save(file, key ? &*key : nullptr, options);
}

}  // namespace

}  // namespace leoam::c_api

using namespace leoam;         // NOLINT(google-build-using-namespace)
using namespace leoam::c_api;  // NOLINT(google-build-using-namespace)

leoam_status leoam_session_save(leoam_session* session, const leoam_save_options* options,
                                leoam_error* error) noexcept {
  return guarded_with<SessionObject>(session, error, [&](SessionObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(object.model->instance->callbacks().refuse("leoam_session_save"));
    leoam_save_options c;
    LEOAM_RETURN_IF_ERROR(read_struct(options, "options", &c));
    return save(object, c);
  });
}

leoam_status leoam_session_get_file_info(leoam_session* session, leoam_session_file_info* out_info,
                                         leoam_error* error) noexcept {
  return guarded_with<SessionObject>(session, error, [&](SessionObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(check_out_struct(out_info, "out_info"));
    LEOAM_ASSIGN_OR_RETURN(const SessionFileInfo info, object.session->file_info());
    write_struct(out_info, make_info(info));
    return {};
  });
}

leoam_status leoam_model_open_session(leoam_model* model, const char* path, uint64_t path_size,
                                      const leoam_session_options* options,
                                      const leoam_session_file_options* file, leoam_session** out_session,
                                      leoam_error* error) noexcept {
  const auto open = [&](NewSession& wanted) -> Result<std::shared_ptr<Session>> {
    FileCall call;
    LEOAM_RETURN_IF_ERROR(begin(wanted.instance, "leoam_model_open_session", path, path_size, file, &call));
    LEOAM_ASSIGN_OR_RETURN(std::shared_ptr<Session> session,
                           wanted.instance.engine().open_session(std::move(wanted.weights), call.path,
                                                                 call.key_or_null(), wanted.options));
    LEOAM_RETURN_IF_ERROR(check_same(wanted.given, session->options()));
    return session;
  };
  return guarded_new_session(model, options, out_session, error, open);
}

leoam_status leoam_session_file_get_info(leoam_instance* instance, const char* path, uint64_t path_size,
                                         const leoam_session_file_options* options,
                                         leoam_session_file_info* out_info, leoam_error* error) noexcept {
  return guarded_with<InstanceObject>(instance, error, [&](InstanceObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(check_out_struct(out_info, "out_info"));
    FileCall call;
    LEOAM_RETURN_IF_ERROR(begin(object, "leoam_session_file_get_info", path, path_size, options, &call));
    LEOAM_ASSIGN_OR_RETURN(const SessionFileInfo info,
                           SessionFiles(object.engine()).info(call.path, call.key_or_null()));
    write_struct(out_info, make_info(info));
    return {};
  });
}

leoam_status leoam_session_file_copy_tokens(leoam_instance* instance, const char* path, uint64_t path_size,
                                            const leoam_session_file_options* options, int32_t* tokens,
                                            uint64_t capacity, uint64_t* out_count,
                                            leoam_error* error) noexcept {
  return guarded_with<InstanceObject>(instance, error, [&](InstanceObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(check_buffer(tokens, capacity, out_count, "tokens"));
    *out_count = 0;
    FileCall call;
    LEOAM_RETURN_IF_ERROR(begin(object, "leoam_session_file_copy_tokens", path, path_size, options, &call));
    LEOAM_ASSIGN_OR_RETURN(const std::vector<int32_t> result,
                           SessionFiles(object.engine()).tokens(call.path, call.key_or_null()));
    return write_buffer(result, tokens, capacity, out_count, "tokens");
  });
}

leoam_status leoam_session_file_verify(leoam_instance* instance, const char* path, uint64_t path_size,
                                       const leoam_session_file_options* options,
                                       leoam_finding_function on_finding, leoam_session_verdict* out_verdict,
                                       leoam_error* error) noexcept {
  return guarded_with<InstanceObject>(instance, error, [&](InstanceObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(check_out_struct(out_verdict, "out_verdict"));
    FileCall call;
    LEOAM_RETURN_IF_ERROR(begin(object, "leoam_session_file_verify", path, path_size, options, &call));
    const leoam_session_file_options& c = call.options;
    const CancelArgument cancel(c.cancel);
    LEOAM_RETURN_IF_ERROR(cancel.check());
    const auto on_progress = read_progress(c.on_progress, c.user_data, object.callbacks());
    const auto on_page = [&](uint64_t done, uint64_t total) {
      if (!check_cancelled(cancel.get()).ok()) return false;
      return !on_progress || on_progress(done, total);
    };
    LEOAM_ASSIGN_OR_RETURN(const SessionFile::Verdict verdict,
                           SessionFiles(object.engine()).verify(call.path, call.key_or_null(), on_page));
    for (const std::string& finding : verdict.findings) {
      const CallbackList::Scope scope(object.callbacks());
      if (!on_finding || on_finding(finding.data(), finding.size(), c.user_data) != LEOAM_CONTINUE) break;
    }
    write_struct(out_verdict, make_verdict(verdict));
    return {};
  });
}

leoam_status leoam_session_file_compact(leoam_instance* instance, const char* path, uint64_t path_size,
                                        const leoam_session_file_options* options,
                                        leoam_error* error) noexcept {
  return guarded_with<InstanceObject>(instance, error, [&](InstanceObject& object) -> Status {
    FileCall call;
    LEOAM_RETURN_IF_ERROR(begin(object, "leoam_session_file_compact", path, path_size, options, &call));
    return SessionFiles(object.engine()).compact(call.path, call.key_or_null());
  });
}

leoam_status leoam_session_file_remove(leoam_instance* instance, const char* path, uint64_t path_size,
                                       leoam_error* error) noexcept {
  return guarded_with<InstanceObject>(instance, error, [&](InstanceObject& object) -> Status {
    FileCall call;
    LEOAM_RETURN_IF_ERROR(begin(object, "leoam_session_file_remove", path, path_size, nullptr, &call));
    return SessionFiles(object.engine()).remove(call.path);
  });
}
