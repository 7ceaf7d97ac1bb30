#include "library.h"
#include "shim.h"

namespace leoam_shim {
namespace {

void fill(leoam_session_file_options& options, Key key, Listener* listener) {
  options.key = key.data;
  options.key_size = key.size;
  options.on_key = key_of(listener);
  options.on_progress = progress_of(listener);
  options.user_data = listener;
}

leoam_session_file_options file_options(Key key, Listener* listener) {
  auto options = make<leoam_session_file_options>();
  fill(options, key, listener);
  return options;
}

}  // namespace

leoam_session* model_open_session(leoam_model* model, leoam_string path, leoam_session_options& options,
                                  leoam_string policy, Key key, Listener* listener, leoam_error& error) {
  const leoam_session_file_options file = file_options(key, listener);
  options.policy = policy;
  leoam_session* session = nullptr;
  library->model_open_session(model, path.data, path.size, &options, &file, &session, &error);
  return session;
}

void session_file_get_info(leoam_instance* instance, leoam_string path, Key key, Listener* listener,
                           leoam_session_file_info& info, leoam_error& error) {
  const leoam_session_file_options options = file_options(key, listener);
  library->session_file_get_info(instance, path.data, path.size, &options, &info, &error);
}

uint64_t session_file_copy_tokens(leoam_instance* instance, leoam_string path, Key key, Listener* listener,
                                  TokenBuffer tokens, leoam_error& error) {
  const leoam_session_file_options options = file_options(key, listener);
  uint64_t count = 0;
  library->session_file_copy_tokens(instance, path.data, path.size, &options, tokens.data, tokens.size,
                                    &count, &error);
  return count;
}

void session_file_verify(leoam_instance* instance, leoam_string path, leoam_session_file_options& options,
                         Key key, Listener* listener, leoam_session_verdict& verdict, leoam_error& error) {
  fill(options, key, listener);
  library->session_file_verify(instance, path.data, path.size, &options, findings_of(listener), &verdict,
                               &error);
}

void session_file_compact(leoam_instance* instance, leoam_string path, Key key, Listener* listener,
                          leoam_error& error) {
  const leoam_session_file_options options = file_options(key, listener);
  library->session_file_compact(instance, path.data, path.size, &options, &error);
}

void session_file_remove(leoam_instance* instance, leoam_string path, leoam_error& error) {
  library->session_file_remove(instance, path.data, path.size, &error);
}

}  // namespace leoam_shim
