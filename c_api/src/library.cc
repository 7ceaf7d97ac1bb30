#include <dlfcn.h>

#include "c_api/src/describe.h"
#include "c_api/src/guard.h"

namespace leoam::c_api {

namespace {

constexpr std::string_view kVersion = LEOAM_PROJECT_VERSION;

#if defined(__clang__)
constexpr std::string_view kCompiler = "clang " __clang_version__;
#elif defined(__GNUC__)
constexpr std::string_view kCompiler = "gcc " __VERSION__;
#else
constexpr std::string_view kCompiler = "unknown";
#endif

constexpr std::string_view kBuild = LEOAM_BUILD_TYPE;

std::string_view file_path() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&kVersion), &info) == 0 || !info.dli_fname) return {};
  return info.dli_fname;
}

constexpr leoam_api kApi = {
    sizeof(leoam_api),
    LEOAM_API_VERSION,
#define LEOAM_FUNCTION(name) leoam_##name,
#include "c_api/src/functions.inc"
#undef LEOAM_FUNCTION
};

}  // namespace

leoam_build_info build_info() {
  leoam_build_info info{};
  info.struct_size = sizeof info;
  info.api_version = LEOAM_API_VERSION;
  info.version = to_c(kVersion);
  info.compiler = to_c(kCompiler);
  info.build = to_c(kBuild);
  info.file_path = to_c(file_path());
  return info;
}

}  // namespace leoam::c_api

using namespace leoam;         // NOLINT(google-build-using-namespace)
using namespace leoam::c_api;  // NOLINT(google-build-using-namespace)

// The table and the list agree member by member: the same names, in the same order, nothing left over.
namespace {
constexpr size_t kListed[] = {
#define LEOAM_FUNCTION(name) offsetof(leoam_api, name),
#include "c_api/src/functions.inc"
#undef LEOAM_FUNCTION
};
constexpr bool list_matches_table() {
  size_t expected = offsetof(leoam_api, version);
  for (const size_t offset : kListed) {
    if (offset != expected) return false;
    expected += sizeof(void (*)());
  }
  return expected == sizeof(leoam_api);
}
static_assert(list_matches_table());
}  // namespace

uint32_t leoam_version(void) noexcept {
  return LEOAM_VERSION_MAJOR << 16 | LEOAM_VERSION_MINOR << 8 | LEOAM_VERSION_PATCH;
}

leoam_status leoam_get_build_info(leoam_build_info* out_info, leoam_error* error) noexcept {
  return guarded(error, [&]() -> Status {
    LEOAM_RETURN_IF_ERROR(check_out_struct(out_info, "out_info"));
    write_struct(out_info, build_info());
    return {};
  });
}

const char* leoam_error_name(leoam_status code) noexcept {
  if (code < LEOAM_OK || code > LEOAM_ERROR_INTERNAL) return "unknown";
  return error_kind_name(static_cast<ErrorKind>(code));
}

leoam_status leoam_get_api(uint32_t version, uint64_t struct_size, const leoam_api** out_api) noexcept {
  if (!out_api) return LEOAM_ERROR_INVALID_ARGUMENT;
  *out_api = nullptr;
  if (version == 0 || struct_size == 0) return LEOAM_ERROR_INVALID_ARGUMENT;
  if (version > LEOAM_API_VERSION || struct_size > sizeof(leoam_api)) return LEOAM_ERROR_VERSION;
  *out_api = &kApi;
  return LEOAM_OK;
}
