// shim.h: leoam.h in a form that SWIG can describe for every language.
//
// Structs are those of the C header. Their functions, keys and texts are left to the shim, because they must
// live as long as a call: options come with their numbers set, and texts, arrays and the listener as further
// arguments; a NULL listener has no callbacks. Lists of texts are one text after the other, and their sizes.
// Where a function of the C interface has one result, the shim returns it: it means something only when
// error.code is 0. Nothing is thrown, and no C++ object is owned by a language but Listener, Fact, Structs
// and structs of the C header. The rules of leoam.h hold: errors, threads, who may be released when.
#pragma once

#include <leoam/leoam.h>

#include <cstdint>

#include "buffers.h"
#include "listener.h"

namespace leoam_shim {

// Library.

// Asks the library for its functions; before anything else, again at will. error.code is VERSION when the
// library is older than the header that the shim was compiled with.
void library_open(leoam_error& error);
// Works without library_open too: it tells which library was found where.
void library_get_build_info(leoam_build_info& info, leoam_error& error);
// The version of the header that the shim was compiled with, as leoam_version().
uint32_t library_header_version();

// Instance and cancel flag.

leoam_instance* instance_create(leoam_instance_options& options, leoam_string cpu_level,
                                leoam_string state_folder, Listener* listener, leoam_error& error);
void instance_release(leoam_instance* instance);
void instance_detach(leoam_instance* instance, leoam_error& error);
void instance_get_statistics(leoam_instance* instance, leoam_instance_statistics& statistics,
                             leoam_error& error);
void instance_describe(leoam_instance* instance, uint64_t index, Fact& fact, leoam_error& error);
void instance_change_host_kv_budget(leoam_instance* instance, uint64_t bytes, leoam_cancel_flag* cancel,
                                    Listener* listener, leoam_error& error);
void instance_change_device_kv_budget(leoam_instance* instance, uint64_t bytes, leoam_cancel_flag* cancel,
                                      Listener* listener, leoam_error& error);
void instance_set_disk_kv_budget(leoam_instance* instance, uint64_t bytes, leoam_error& error);
void instance_set_disk_write_cap(leoam_instance* instance, uint64_t bytes, leoam_error& error);

leoam_cancel_flag* cancel_flag_create(leoam_instance* instance, leoam_error& error);
void cancel_flag_set(leoam_cancel_flag* flag);
void cancel_flag_clear(leoam_cancel_flag* flag);
void cancel_flag_release(leoam_cancel_flag* flag);

// Model.

void model_plan(leoam_instance* instance, leoam_string path, const leoam_load_options& load,
                const leoam_plan_options& options, leoam_plan& plan, leoam_error& error);
leoam_model* model_load(leoam_instance* instance, leoam_string path, leoam_load_options& options,
                        Listener* listener, leoam_error& error);
void model_release(leoam_model* model);
void model_get_info(leoam_model* model, leoam_model_info& info, leoam_error& error);
void model_get_metadata(leoam_model* model, uint64_t index, Fact& fact, leoam_error& error);
void model_get_token(leoam_model* model, int32_t token, leoam_token_info& info, leoam_error& error);
int32_t model_find_token(leoam_model* model, leoam_string piece, leoam_error& error);

// These return the count of tokens or bytes, also that which is needed when the buffer was too small.
uint64_t model_tokenize(leoam_model* model, leoam_string text, uint64_t flags, TokenBuffer tokens,
                        leoam_error& error);
uint64_t model_detokenize(leoam_model* model, Tokens tokens, uint64_t flags, TextBuffer text,
                          leoam_error& error);
// Messages are role and content by turns, variables name and value.
uint64_t model_render_chat(leoam_model* model, leoam_string messages, Tokens message_sizes,
                           leoam_string variables, Tokens variable_sizes, uint64_t flags, TextBuffer text,
                           leoam_error& error);
uint64_t model_tokenize_chat(leoam_model* model, leoam_string messages, Tokens message_sizes,
                             leoam_string variables, Tokens variable_sizes, uint64_t flags,
                             TokenBuffer tokens, leoam_error& error);

// Session.

leoam_session* session_create(leoam_model* model, leoam_session_options& options, leoam_string policy,
                              leoam_error& error);
void session_release(leoam_session* session);
void session_get_info(leoam_session* session, leoam_session_info& info, leoam_error& error);
void session_evaluate(leoam_session* session, Tokens tokens, leoam_evaluate_options& options,
                      Listener* listener, leoam_error& error);
void session_truncate(leoam_session* session, uint64_t n_tokens, leoam_error& error);
void session_copy_tokens(leoam_session* session, uint64_t begin, TokenBuffer tokens, leoam_error& error);
void session_copy_logits(leoam_session* session, FloatBuffer logits, leoam_error& error);
void session_copy_coverage(leoam_session* session, FloatBuffer coverage, leoam_error& error);
void session_copy_attention(leoam_session* session, Structs<leoam_head_attention>& heads, leoam_error& error);
void session_copy_layer_times(leoam_session* session, Structs<leoam_layer_times>& layers, leoam_error& error);
void session_get_kv_choice(leoam_session* session, leoam_kv_choice& choice, leoam_error& error);
leoam_session* session_fork(leoam_session* session, leoam_error& error);
void session_suspend(leoam_session* session, leoam_suspend_options& options, Listener* listener,
                     leoam_error& error);
void session_save(leoam_session* session, leoam_save_options& options, leoam_string path, Key key,
                  Listener* listener, leoam_error& error);
void session_get_file_info(leoam_session* session, leoam_session_file_info& info, leoam_error& error);

// Session files.

leoam_session* model_open_session(leoam_model* model, leoam_string path, leoam_session_options& options,
                                  leoam_string policy, Key key, Listener* listener, leoam_error& error);
void session_file_get_info(leoam_instance* instance, leoam_string path, Key key, Listener* listener,
                           leoam_session_file_info& info, leoam_error& error);
// Returns the count, also that which is needed when the buffer was too small.
uint64_t session_file_copy_tokens(leoam_instance* instance, leoam_string path, Key key, Listener* listener,
                                  TokenBuffer tokens, leoam_error& error);
void session_file_verify(leoam_instance* instance, leoam_string path, leoam_session_file_options& options,
                         Key key, Listener* listener, leoam_session_verdict& verdict, leoam_error& error);
void session_file_compact(leoam_instance* instance, leoam_string path, Key key, Listener* listener,
                          leoam_error& error);
void session_file_remove(leoam_instance* instance, leoam_string path, leoam_error& error);

// Request.

leoam_request* session_submit(leoam_session* session, leoam_request_options& options,
                              const leoam_sampler_options& sampler, Tokens prompt, leoam_string stop,
                              Tokens stop_sizes, Listener* listener, leoam_error& error);
void request_poll(leoam_request* request, leoam_event& event, leoam_error& error);
// Waits at most timeout_us for an event to poll; true when there is one. Returns early when interrupted. Of
// LEOAM_DELIVERY_POLL. The request may be released meanwhile: call it with short times then.
bool request_await_event(leoam_request* request, uint64_t timeout_us, leoam_error& error);
// True when the request has finished.
bool request_step(leoam_request* request, uint64_t budget_us, leoam_error& error);
void request_cancel(leoam_request* request);
void request_wait(leoam_request* request, uint64_t timeout_us, leoam_error& error);
void request_detach(leoam_request* request, leoam_error& error);
leoam_finish_reason request_get_result(leoam_request* request, leoam_error& error);
void request_get_statistics(leoam_request* request, leoam_request_statistics& statistics, leoam_error& error);
void request_release(leoam_request* request);

}  // namespace leoam_shim
