// What stands behind each type of handle.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "c_api/src/callback_list.h"
#include "c_api/src/guard.h"
#include "c_api/src/handle_table.h"
#include "c_api/src/log_bridge.h"
#include "runtime/base/cancel.h"
#include "runtime/engine/engine.h"

namespace leoam::c_api {

class RequestObject;

class InstanceObject : public Object {
 public:
  static constexpr HandleType kType = HandleType::instance;
  static constexpr const char* kName = "instance";

  // Fails as Engine::create does. The last owner may let go inside a callback, on a thread that the engine
  // would have to join: then a thread of its own ends the engine.
  static Result<std::shared_ptr<InstanceObject>> create(EngineOptions options, leoam_log_function log,
                                                        void* log_user_data);

  Engine& engine() { return *engine_; }
  CallbackList& callbacks() { return callbacks_; }
  // Found out at the first call: nothing else needs them, and they cost some milliseconds.
  const std::vector<std::pair<std::string, std::string>>& facts();

  void add_request(const std::shared_ptr<RequestObject>& request);
  // No callback of a request or of the log runs after it, but for the one that it is called from.
  void detach();

 private:
  InstanceObject(leoam_log_function log, void* log_user_data)
      : Object(kType), log_(log, log_user_data, callbacks_) {}
  static void destroy(InstanceObject* instance);

  // Before the engine, which calls back until it ends.
  CallbackList callbacks_;
  LogBridge log_;
  std::unique_ptr<Engine> engine_;
  EngineOptions options_;
  std::mutex facts_mutex_;
  std::vector<std::pair<std::string, std::string>> facts_;
  std::mutex requests_mutex_;
  std::vector<std::weak_ptr<RequestObject>> requests_;
};

class CancelFlagObject : public Object {
 public:
  static constexpr HandleType kType = HandleType::cancel_flag;
  static constexpr const char* kName = "cancel_flag";
  CancelFlagObject() : Object(kType) {}
  CancelFlag flag;
};

// The cancel flag that a call was given, pinned as long as it lasts; NULL: none.
class CancelArgument {
 public:
  explicit CancelArgument(leoam_cancel_flag* handle) : given_(handle != nullptr), object_(handle) {}
  // Fails with invalid_handle when what was given is no live flag.
  Status check() const { return given_ && !object_ ? invalid_handle<CancelFlagObject>() : Status(); }
  const CancelFlag* get() const { return object_ ? &object_->flag : nullptr; }

 private:
  const bool given_;
  const Pinned<CancelFlagObject> object_;
};

class ModelObject : public Object {
 public:
  static constexpr HandleType kType = HandleType::model;
  static constexpr const char* kName = "model";
  ModelObject() : Object(kType) {}

  // Fails with unsupported for a header-only model.
  Result<std::shared_ptr<const Model>> loaded() const;
  // Fails with unsupported when there is none.
  Result<const Tokenizer*> tokenizer() const;
  const ModelHeader& header() const { return model ? model->header() : header_only; }

  std::shared_ptr<InstanceObject> instance;
  std::shared_ptr<const Model> model;  // nullptr: header_only
  ModelHeader header_only;
};

class SessionObject : public Object {
 public:
  static constexpr HandleType kType = HandleType::session;
  static constexpr const char* kName = "session";
  SessionObject() : Object(kType) {}

  std::shared_ptr<ModelObject> model;
  std::shared_ptr<Session> session;
};

// The user's functions of one request, shared with the engine.
class RequestCallbacks {
 public:
  // `list` outlives the engine.
  RequestCallbacks(const leoam_request_options& options, CallbackList& list)
      : on_event_(options.on_event),
        on_logits_(options.on_logits),
        user_data_(options.user_data),
        list_(list) {}
  bool event(const Event& event);
  void logits(std::span<float> logits);
  // The request to cancel when on_logits asks to stop; set once it exists. Does not wait for a callback: the
  // first one may be waiting for what the caller of submit does next.
  void bind(const std::shared_ptr<Request>& request);
  // Neither function is running when this returns, and neither starts again; inside one of them it returns at
  // once.
  void detach();

 private:
  const leoam_event_function on_event_;
  const leoam_sampler_function on_logits_;
  void* const user_data_;
  CallbackList& list_;
  // Held during a callback; recursive, so that it may detach itself.
  std::recursive_mutex mutex_;
  bool detached_ = false;
  std::mutex bind_mutex_;  // guards those below; taken last
  bool stopped_ = false;
  std::weak_ptr<Request> request_;
};

class RequestObject : public Object {
 public:
  static constexpr HandleType kType = HandleType::request;
  static constexpr const char* kName = "request";
  RequestObject() : Object(kType) {}
  void on_release() override;
  void detach();
  InstanceObject& instance() const { return *session->model->instance; }

  std::shared_ptr<SessionObject> session;
  std::shared_ptr<Request> request;
  std::shared_ptr<RequestCallbacks> callbacks;
  Delivery delivery = Delivery::poll;
  std::atomic<bool> polled{false};  // somebody is inside poll
};

leoam_event to_c(const Event& event);

}  // namespace leoam::c_api
