#include "plugin.h"

#include <dlfcn.h>
#include <stdio.h>

enum { MOST_PROMPT_TOKENS = 1024 };

static int say(char reason[512], const char* what, const char* detail) {
  snprintf(reason, 512, "%s: %s", what, detail);
  return -1;
}

static int32_t count_event(const leoam_event* event, void* user_data) {
  (void)event;
  ++*(int*)user_data;
  return LEOAM_CONTINUE;
}

int plugin_load(plugin* self, const char* file, const char* model, const char* state_folder,
                uint64_t host_kv_budget_bytes, char reason[512]) {
  leoam_status (*get_api)(uint32_t, uint64_t, const leoam_api**);
  leoam_instance_options options;
  leoam_error error;
  memset(self, 0, sizeof *self);
  LEOAM_INIT(options);
  LEOAM_INIT(error);
  self->library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (!self->library) return say(reason, "dlopen", dlerror());
  *(void**)&get_api = dlsym(self->library, "leoam_get_api");
  if (!get_api || get_api(LEOAM_API_VERSION, sizeof(leoam_api), &self->api)) {
    plugin_unload(self);
    return say(reason, file, "not a library of LeoAM, or one that is too old");
  }
  snprintf(self->state_folder, sizeof self->state_folder, "%s", state_folder);
  options.n_threads = 1;
  options.host_kv_budget_bytes = host_kv_budget_bytes;
  options.state_folder.data = self->state_folder;
  options.state_folder.size = strlen(self->state_folder);
  /* What the host puts between the library and its files are plain calls. */
  options.flags = LEOAM_INSTANCE_NO_IO_URING;
  if (self->api->instance_create(&options, &self->instance, &error) ||
      self->api->model_load(self->instance, model, strlen(model), NULL, &self->model, &error)) {
    plugin_unload(self);
    return say(reason, "load", error.message);
  }
  return 0;
}

/* A session with an answer under way. */
static int begin(plugin* self, uint32_t n_prompt, uint32_t n_tokens, int* n_events, leoam_session** session,
                 leoam_request** request, char reason[512]) {
  int32_t prompt[MOST_PROMPT_TOKENS];
  leoam_request_options options;
  leoam_error error;
  uint32_t i;
  if (n_prompt > MOST_PROMPT_TOKENS) return say(reason, "prompt", "too long");
  for (i = 0; i < n_prompt; ++i) prompt[i] = (int32_t)(70 + i % 50);
  LEOAM_INIT(options);
  LEOAM_INIT(error);
  options.prompt = prompt;
  options.n_prompt = n_prompt;
  options.max_tokens = n_tokens;
  options.flags = LEOAM_REQUEST_IGNORE_END;
  options.delivery = LEOAM_DELIVERY_CALLBACK;
  options.on_event = count_event;
  options.user_data = n_events;
  *session = NULL;
  *request = NULL;
  if (self->api->session_create(self->model, NULL, session, &error) ||
      self->api->session_submit(*session, &options, request, &error)) {
    self->api->session_release(*session);
    return say(reason, "submit", error.message);
  }
  return 0;
}

int plugin_generate(plugin* self, uint32_t n_prompt, uint32_t n_tokens, int* n_events, char reason[512]) {
  leoam_session* session;
  leoam_request* request;
  leoam_finish_reason finished = LEOAM_FINISH_NONE;
  leoam_error error;
  leoam_status status;
  LEOAM_INIT(error);
  if (begin(self, n_prompt, n_tokens, n_events, &session, &request, reason)) return -1;
  status = self->api->request_wait(request, UINT64_MAX, &error);
  if (!status) status = self->api->request_get_result(request, &finished, &error);
  self->api->request_release(request);
  self->api->session_release(session);
  return status ? say(reason, "generate", error.message) : 0;
}

int plugin_leave_early(plugin* self, int* n_events, char reason[512]) {
  leoam_session* session;
  leoam_request* request;
  if (begin(self, 16, 100000, n_events, &session, &request, reason)) return -1;
  self->api->instance_detach(self->instance, NULL);
  self->api->request_release(request);
  self->api->session_release(session);
  plugin_unload(self);
  return 0;
}

void plugin_unload(plugin* self) {
  if (self->api) {
    self->api->model_release(self->model);
    self->api->instance_release(self->instance);
  }
  if (self->library) dlclose(self->library);
  memset(self, 0, sizeof *self);
}
