#include "c_api/src/guard.h"
#include "c_api/src/objects.h"

using namespace leoam;         // NOLINT(google-build-using-namespace)
using namespace leoam::c_api;  // NOLINT(google-build-using-namespace)

leoam_status leoam_cancel_flag_create(leoam_instance* instance, leoam_cancel_flag** out_flag,
                                      leoam_error* error) noexcept {
  return guarded(error, [&]() -> Status {
    LEOAM_RETURN_IF_ERROR(check_pointer(out_flag, "out_flag"));
    *out_flag = nullptr;
    const Pinned<InstanceObject> object(instance);
    if (!object) return invalid_handle<InstanceObject>();
    return hand_out(std::make_shared<CancelFlagObject>(), out_flag);
  });
}

// These two may run in a signal handler: no memory, no lock.
leoam_status leoam_cancel_flag_set(leoam_cancel_flag* flag) noexcept {
  const Pinned<CancelFlagObject> object(flag);
  if (!object) return LEOAM_ERROR_INVALID_HANDLE;
  object->flag.cancel();
  return LEOAM_OK;
}

leoam_status leoam_cancel_flag_clear(leoam_cancel_flag* flag) noexcept {
  const Pinned<CancelFlagObject> object(flag);
  if (!object) return LEOAM_ERROR_INVALID_HANDLE;
  object->flag.reset();
  return LEOAM_OK;
}

leoam_status leoam_cancel_flag_release(leoam_cancel_flag* flag) noexcept {
  return release<CancelFlagObject>(flag);
}
