/* Loads the library, uses it, unloads it, a hundred times: each time its mapping must be gone, and in the end its memory.
 * usage: reload_test LIBRARY MODEL */
#define _XOPEN_SOURCE 700
#include <dlfcn.h>
#include <leoam/leoam.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(const char* what, const char* detail) {
  fprintf(stderr, "%s: %s\n", what, detail);
  return 1;
}

static int is_mapped(const char* file) {
  char line[4096];
  int found = 0;
  FILE* maps = fopen("/proc/self/maps", "r");
  if (!maps) return 1;
  while (fgets(line, sizeof line, maps)) {
    if (strstr(line, file)) found = 1;
  }
  fclose(maps);
  return found;
}

static int32_t count_events(const leoam_event* event, void* user_data) {
  if (event->kind == LEOAM_EVENT_TOKEN) ++*(int*)user_data;
  return LEOAM_CONTINUE;
}

static int use(const leoam_api* api, const char* path) {
  leoam_instance* instance = NULL;
  leoam_model* model = NULL;
  leoam_session* session = NULL;
  leoam_request* request = NULL;
  const int32_t prompt[] = {70, 71, 72};
  int n_tokens = 0;
  leoam_error error;
  leoam_instance_options instance_options;
  leoam_request_options options;
  LEOAM_INIT(error);
  LEOAM_INIT(instance_options);
  LEOAM_INIT(options);
  instance_options.n_threads = 2;
  options.delivery = LEOAM_DELIVERY_CALLBACK;
  options.on_event = count_events;
  options.user_data = &n_tokens;
  options.prompt = prompt;
  options.n_prompt = 3;
  options.max_tokens = 5;
  options.flags = LEOAM_REQUEST_IGNORE_END;
  /* An error too: its message is built and freed. */
  if (api->model_load(NULL, path, strlen(path), NULL, &model, &error) != LEOAM_ERROR_INVALID_HANDLE) return 1;
  if (api->instance_create(&instance_options, &instance, &error) ||
      api->model_load(instance, path, strlen(path), NULL, &model, &error) ||
      api->session_create(model, NULL, &session, &error) ||
      api->session_submit(session, &options, &request, &error) ||
      api->request_wait(request, UINT64_MAX, &error))
    return fail("leoam", error.message);
  api->request_release(request);
  api->session_release(session);
  api->model_release(model);
  api->instance_release(instance);
  return n_tokens == 5 ? 0 : fail("generate", "not five tokens");
}

int main(int argc, char** argv) {
  char* file;
  size_t used_bytes = 0;
  int i;
  if (argc != 3) return fail("usage", "reload_test LIBRARY MODEL");
  file = realpath(argv[1], NULL);
  if (!file) return fail(argv[1], "no such file");
  for (i = 0; i < 100; ++i) {
    const leoam_api* api = NULL;
    leoam_status (*get_api)(uint32_t, uint64_t, const leoam_api**);
    void* library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!library) return fail("dlopen", dlerror());
    *(void**)&get_api = dlsym(library, "leoam_get_api");
    if (!get_api || get_api(LEOAM_API_VERSION, sizeof(leoam_api), &api)) return fail("leoam_get_api", file);
    if (!is_mapped(file)) return fail("/proc/self/maps", "the library is not found while it is loaded");
    if (use(api, argv[2])) return 1;
    if (dlclose(library)) return fail("dlclose", dlerror());
    if (is_mapped(file)) return fail(file, "still mapped after dlclose");
    if (i == 10) used_bytes = mallinfo2().uordblks;
  }
  /* Less than what one copy of the C++ run-time keeps for exceptions. */
  if (mallinfo2().uordblks > used_bytes + (64u << 10)) return fail(file, "its memory is not given back");
  free(file);
  return 0;
}
