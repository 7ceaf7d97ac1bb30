/* A library of a version that these bindings do not know any more, as far as they ask it. */
#include <string.h>

#include "leoam/leoam.h"

#define EXPORTED __attribute__((visibility("default")))

EXPORTED leoam_status leoam_get_api(uint32_t version, uint64_t struct_size, const leoam_api** out_api) {
  (void)version;
  (void)struct_size;
  *out_api = NULL;
  return LEOAM_ERROR_VERSION;
}

static leoam_string text(const char* words) {
  const leoam_string view = {words, strlen(words)};
  return view;
}

EXPORTED leoam_status leoam_get_build_info(leoam_build_info* out_info, leoam_error* error) {
  out_info->api_version = 1;
  out_info->version = text("0.0.9");
  out_info->compiler = text("none");
  out_info->build = text("old");
  out_info->file_path = text("/old/libleoam.so");
  error->code = LEOAM_OK;
  error->message_size = 0;
  return LEOAM_OK;
}
