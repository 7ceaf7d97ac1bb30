#include "library.h"

#include "shim.h"

namespace leoam_shim {

const leoam_api* library = nullptr;

void library_open(leoam_error& error) {
  const leoam_api* found = nullptr;
  const leoam_status code = leoam_get_api(LEOAM_API_VERSION, sizeof(leoam_api), &found);
  if (code == LEOAM_OK) {
    library = found;
    error = make<leoam_error>();
  } else {
    fail(error, code, "the library is older than the binding");
  }
}

void library_get_build_info(leoam_build_info& info, leoam_error& error) {
  leoam_get_build_info(&info, &error);
}

uint32_t library_header_version() {
  return LEOAM_VERSION_MAJOR << 16 | LEOAM_VERSION_MINOR << 8 | LEOAM_VERSION_PATCH;
}

}  // namespace leoam_shim
