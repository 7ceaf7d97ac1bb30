// What every function begins with that makes a session of a model.
#pragma once

#include "c_api/src/guard.h"
#include "c_api/src/objects.h"
#include "c_api/src/options.h"

namespace leoam::c_api {

struct NewSession {
  InstanceObject& instance;
  std::shared_ptr<const Model> weights;
  leoam_session_options given;
  SessionOptions options;  // `given`, checked
};

// `make`(NewSession&) -> Result<std::shared_ptr<Session>>.
template <class Make>
leoam_status guarded_new_session(leoam_model* model, const leoam_session_options* options,
                                 leoam_session** out_session, leoam_error* error, Make&& make) noexcept {
  return guarded(error, [&]() -> Status {
    LEOAM_RETURN_IF_ERROR(check_pointer(out_session, "out_session"));
    *out_session = nullptr;
    const Pinned<ModelObject> parent(model);
    if (!parent) return invalid_handle<ModelObject>();
    NewSession wanted{*parent->instance, nullptr, {}, {}};
    LEOAM_RETURN_IF_ERROR(read_struct(options, "options", &wanted.given));
    LEOAM_ASSIGN_OR_RETURN(wanted.options, read_session_options(wanted.given));
    LEOAM_ASSIGN_OR_RETURN(wanted.weights, parent->loaded());
    auto object = std::make_shared<SessionObject>();
    object->model = parent.share();
    LEOAM_ASSIGN_OR_RETURN(object->session, make(wanted));
    return hand_out(std::move(object), out_session);
  });
}

}  // namespace leoam::c_api
