/* plugin.h: the library as a plug-in of a host: loaded from a file of its own, used, detached, unloaded. */
#pragma once

#include <leoam/leoam.h>

typedef struct plugin {
  void* library; /* of dlopen */
  const leoam_api* api;
  leoam_instance* instance;
  leoam_model* model;
  char state_folder[256];
} plugin;

/* Each 0, or -1 with a sentence in `reason`. `file` is loaded RTLD_LOCAL: copies at other paths are other
 * libraries, whose state is apart. host_kv_budget_bytes 0: the library's own. */
int plugin_load(plugin* self, const char* file, const char* model, const char* state_folder,
                uint64_t host_kv_budget_bytes, char reason[512]);
/* Generates n_tokens and waits for them. *n_events counts callbacks. */
int plugin_generate(plugin* self, uint32_t n_prompt, uint32_t n_tokens, int* n_events, char reason[512]);
/* Begins an answer and unloads under it: when this returns, no callback runs and none will start. */
int plugin_leave_early(plugin* self, int* n_events, char reason[512]);
/* Gives everything back and unloads; the file's mapping is gone when nobody else has it loaded. */
void plugin_unload(plugin* self);
