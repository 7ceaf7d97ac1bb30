/* api.h: the functions of leoam.h as a table, for programs that load the library at run time. Part of
 * leoam.h. */
#ifndef LEOAM_API_H
#define LEOAM_API_H

#include "leoam/leoam.h"
#include "leoam/request.h"
#include "leoam/session.h"
#include "leoam/store.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Append-only: a member never moves, changes or goes away. */
typedef struct leoam_api {
  uint32_t struct_size; /* of the library's table */
  uint32_t api_version; /* LEOAM_API_VERSION of the library */
  uint32_t (*version)(void);
  leoam_status (*get_build_info)(leoam_build_info*, leoam_error*);
  const char* (*error_name)(leoam_status);
  leoam_status (*instance_create)(const leoam_instance_options*, leoam_instance**, leoam_error*);
  leoam_status (*instance_release)(leoam_instance*);
  leoam_status (*instance_set_host_kv_budget)(leoam_instance*, uint64_t, leoam_error*);
  leoam_status (*instance_get_statistics)(leoam_instance*, leoam_instance_statistics*, leoam_error*);
  leoam_status (*instance_describe)(leoam_instance*, uint64_t, leoam_string*, leoam_string*, leoam_error*);
  leoam_status (*instance_detach)(leoam_instance*, leoam_error*);
  leoam_status (*cancel_flag_create)(leoam_instance*, leoam_cancel_flag**, leoam_error*);
  leoam_status (*cancel_flag_set)(leoam_cancel_flag*);
  leoam_status (*cancel_flag_clear)(leoam_cancel_flag*);
  leoam_status (*cancel_flag_release)(leoam_cancel_flag*);
  leoam_status (*model_plan)(leoam_instance*, const char*, uint64_t, const leoam_load_options*,
                             const leoam_plan_options*, leoam_plan*, leoam_error*);
  leoam_status (*model_load)(leoam_instance*, const char*, uint64_t, const leoam_load_options*, leoam_model**,
                             leoam_error*);
  leoam_status (*model_release)(leoam_model*);
  leoam_status (*model_get_info)(leoam_model*, leoam_model_info*, leoam_error*);
  leoam_status (*model_get_metadata)(leoam_model*, uint64_t, leoam_string*, leoam_string*, leoam_error*);
  leoam_status (*model_get_token)(leoam_model*, int32_t, leoam_token_info*, leoam_error*);
  leoam_status (*model_find_token)(leoam_model*, const char*, uint64_t, int32_t*, leoam_error*);
  leoam_status (*model_tokenize)(leoam_model*, const char*, uint64_t, uint64_t, int32_t*, uint64_t, uint64_t*,
                                 leoam_error*);
  leoam_status (*model_detokenize)(leoam_model*, const int32_t*, uint64_t, uint64_t, char*, uint64_t,
                                   uint64_t*, leoam_error*);
  leoam_status (*model_render_chat)(leoam_model*, const leoam_chat*, char*, uint64_t, uint64_t*,
                                    leoam_error*);
  leoam_status (*model_tokenize_chat)(leoam_model*, const leoam_chat*, int32_t*, uint64_t, uint64_t*,
                                      leoam_error*);
  leoam_status (*session_create)(leoam_model*, const leoam_session_options*, leoam_session**, leoam_error*);
  leoam_status (*session_release)(leoam_session*);
  leoam_status (*session_get_info)(leoam_session*, leoam_session_info*, leoam_error*);
  leoam_status (*session_evaluate)(leoam_session*, const int32_t*, uint64_t, const leoam_evaluate_options*,
                                   leoam_error*);
  leoam_status (*session_truncate)(leoam_session*, uint64_t, leoam_error*);
  leoam_status (*session_copy_tokens)(leoam_session*, uint64_t, int32_t*, uint64_t, leoam_error*);
  leoam_status (*session_copy_logits)(leoam_session*, float*, uint64_t, leoam_error*);
  leoam_status (*session_submit)(leoam_session*, const leoam_request_options*, leoam_request**, leoam_error*);
  leoam_status (*request_poll)(leoam_request*, leoam_event*, leoam_error*);
  leoam_status (*request_get_event_fd)(leoam_request*, int32_t*, leoam_error*);
  leoam_status (*request_step)(leoam_request*, uint64_t, int32_t*, leoam_error*);
  leoam_status (*request_cancel)(leoam_request*);
  leoam_status (*request_wait)(leoam_request*, uint64_t, leoam_error*);
  leoam_status (*request_detach)(leoam_request*, leoam_error*);
  leoam_status (*request_get_result)(leoam_request*, leoam_finish_reason*, leoam_error*);
  leoam_status (*request_get_statistics)(leoam_request*, leoam_request_statistics*, leoam_error*);
  leoam_status (*request_release)(leoam_request*);
  leoam_status (*instance_change_host_kv_budget)(leoam_instance*, uint64_t, const leoam_budget_options*,
                                                 leoam_error*);
  leoam_status (*instance_set_disk_kv_budget)(leoam_instance*, uint64_t, leoam_error*);
  leoam_status (*instance_set_disk_write_cap)(leoam_instance*, uint64_t, leoam_error*);
  leoam_status (*session_fork)(leoam_session*, leoam_session**, leoam_error*);
  leoam_status (*session_suspend)(leoam_session*, const leoam_suspend_options*, leoam_error*);
  leoam_status (*session_save)(leoam_session*, const leoam_save_options*, leoam_error*);
  leoam_status (*session_get_file_info)(leoam_session*, leoam_session_file_info*, leoam_error*);
  leoam_status (*model_open_session)(leoam_model*, const char*, uint64_t, const leoam_session_options*,
                                     const leoam_session_file_options*, leoam_session**, leoam_error*);
  leoam_status (*session_file_get_info)(leoam_instance*, const char*, uint64_t,
                                        const leoam_session_file_options*, leoam_session_file_info*,
                                        leoam_error*);
  leoam_status (*session_file_copy_tokens)(leoam_instance*, const char*, uint64_t,
                                           const leoam_session_file_options*, int32_t*, uint64_t, uint64_t*,
                                           leoam_error*);
  leoam_status (*session_file_verify)(leoam_instance*, const char*, uint64_t,
                                      const leoam_session_file_options*, leoam_finding_function,
                                      leoam_session_verdict*, leoam_error*);
  leoam_status (*session_file_compact)(leoam_instance*, const char*, uint64_t,
                                       const leoam_session_file_options*, leoam_error*);
  leoam_status (*session_file_remove)(leoam_instance*, const char*, uint64_t, leoam_error*);
  leoam_status (*instance_change_device_kv_budget)(leoam_instance*, uint64_t, const leoam_budget_options*,
                                                   leoam_error*);
  leoam_status (*session_copy_coverage)(leoam_session*, float*, uint64_t, leoam_error*);
  leoam_status (*session_copy_attention)(leoam_session*, leoam_head_attention*, uint64_t, leoam_error*);
  leoam_status (*session_copy_layer_times)(leoam_session*, leoam_layer_times*, uint64_t, leoam_error*);
  leoam_status (*session_get_kv_choice)(leoam_session*, leoam_kv_choice*, leoam_error*);
} leoam_api;

/* The table for a program that was compiled with this header: leoam_get_api(LEOAM_API_VERSION,
 * sizeof(leoam_api), &api). Lives as long as the library is loaded. Fails with VERSION (and *out_api NULL)
 * when the library is older than `version` or its table is shorter than struct_size; leoam_get_build_info
 * then says which library was found where. [any] */
LEOAM_API leoam_status leoam_get_api(uint32_t version, uint64_t struct_size,
                                     const leoam_api** out_api) LEOAM_NOEXCEPT;

#ifdef __cplusplus
}
#endif

#endif /* LEOAM_API_H */
