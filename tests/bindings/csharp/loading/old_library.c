/* A library that is older than what asks for it. */
#include <leoam/leoam.h>

leoam_status leoam_get_api(uint32_t version, uint64_t struct_size, const leoam_api** out_api) {
  (void)version;
  (void)struct_size;
  *out_api = NULL;
  return LEOAM_ERROR_VERSION;
}

leoam_status leoam_get_build_info(leoam_build_info* out_info, leoam_error* error) {
  (void)error;
  out_info->api_version = 1;
  out_info->version.data = "0.0.9";
  out_info->version.size = 5;
  out_info->file_path.data = "/an/old/libleoam.so.0";
  out_info->file_path.size = 21;
  return LEOAM_OK;
}
