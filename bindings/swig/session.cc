#include "library.h"
#include "shim.h"

namespace leoam_shim {

leoam_session* session_create(leoam_model* model, leoam_session_options& options, leoam_string policy,
                              leoam_error& error) {
  options.policy = policy;
  leoam_session* session = nullptr;
  library->session_create(model, &options, &session, &error);
  return session;
}

void session_release(leoam_session* session) {
  library->session_release(session);
}

void session_get_info(leoam_session* session, leoam_session_info& info, leoam_error& error) {
  library->session_get_info(session, &info, &error);
}

void session_evaluate(leoam_session* session, Tokens tokens, leoam_evaluate_options& options,
                      Listener* listener, leoam_error& error) {
  options.on_logits = logits_of(listener);
  options.on_progress = progress_of(listener);
  options.user_data = listener;
  library->session_evaluate(session, tokens.data, tokens.size, &options, &error);
}

void session_truncate(leoam_session* session, uint64_t n_tokens, leoam_error& error) {
  library->session_truncate(session, n_tokens, &error);
}

void session_copy_tokens(leoam_session* session, uint64_t begin, TokenBuffer tokens, leoam_error& error) {
  library->session_copy_tokens(session, begin, tokens.data, tokens.size, &error);
}

void session_copy_logits(leoam_session* session, FloatBuffer logits, leoam_error& error) {
  library->session_copy_logits(session, logits.data, logits.size, &error);
}

void session_copy_coverage(leoam_session* session, FloatBuffer coverage, leoam_error& error) {
  library->session_copy_coverage(session, coverage.data, coverage.size, &error);
}

void session_copy_attention(leoam_session* session, Structs<leoam_head_attention>& heads,
                            leoam_error& error) {
  library->session_copy_attention(session, heads.data(), heads.count(), &error);
}

void session_copy_layer_times(leoam_session* session, Structs<leoam_layer_times>& layers,
                              leoam_error& error) {
  library->session_copy_layer_times(session, layers.data(), layers.count(), &error);
}

void session_get_kv_choice(leoam_session* session, leoam_kv_choice& choice, leoam_error& error) {
  library->session_get_kv_choice(session, &choice, &error);
}

leoam_session* session_fork(leoam_session* session, leoam_error& error) {
  leoam_session* copy = nullptr;
  library->session_fork(session, &copy, &error);
  return copy;
}

void session_suspend(leoam_session* session, leoam_suspend_options& options, Listener* listener,
                     leoam_error& error) {
  options.on_progress = progress_of(listener);
  options.user_data = listener;
  library->session_suspend(session, &options, &error);
}

void session_save(leoam_session* session, leoam_save_options& options, leoam_string path, Key key,
                  Listener* listener, leoam_error& error) {
  options.path = path;
  options.key = key.data;
  options.key_size = key.size;
  options.on_key = key_of(listener);
  options.on_progress = progress_of(listener);
  options.user_data = listener;
  library->session_save(session, &options, &error);
}

void session_get_file_info(leoam_session* session, leoam_session_file_info& info, leoam_error& error) {
  library->session_get_file_info(session, &info, &error);
}

}  // namespace leoam_shim
