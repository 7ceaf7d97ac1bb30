#include <algorithm>
#include <thread>

#include "c_api/src/describe.h"
#include "c_api/src/guard.h"
#include "c_api/src/objects.h"
#include "c_api/src/options.h"

namespace leoam::c_api {

Result<std::shared_ptr<InstanceObject>> InstanceObject::create(EngineOptions options, leoam_log_function log,
                                                               void* log_user_data) {
  std::shared_ptr<InstanceObject> instance(new InstanceObject(log, log_user_data), destroy);
  if (log) {
    options.log = LogBridge::write;
    options.log_user_data = &instance->log_;
  }
  LEOAM_ASSIGN_OR_RETURN(instance->engine_, Engine::create(options));
  instance->options_ = std::move(options);
  return instance;
}

void InstanceObject::destroy(InstanceObject* instance) {
  if (!instance->callbacks_.has_this_thread()) {
    delete instance;
    return;
  }
  instance->log_.detach();
  try {
    std::thread([instance] { delete instance; }).detach();
  } catch (...) {
    // No thread to end it on: its memory is lost, which is better than a dead lock.
  }
}

const std::vector<std::pair<std::string, std::string>>& InstanceObject::facts() {
  const std::lock_guard lock(facts_mutex_);
  if (facts_.empty()) facts_ = describe(*engine_, options_);
  return facts_;
}

void InstanceObject::add_request(const std::shared_ptr<RequestObject>& request) {
  const std::lock_guard lock(requests_mutex_);
  std::erase_if(requests_, [](const auto& known) { return known.expired(); });
  requests_.push_back(request);
}

void InstanceObject::detach() {
  std::vector<std::shared_ptr<RequestObject>> requests;
  {
    const std::lock_guard lock(requests_mutex_);
    for (const auto& known : requests_) {
      if (auto request = known.lock()) requests.push_back(std::move(request));
    }
  }
  for (const auto& object : requests) object->request->cancel();
  for (const auto& object : requests) object->detach();
  log_.detach();
}

namespace {

Result<EngineOptions> read_options(const leoam_instance_options& c) {
  EngineOptions options;
  if (c.n_threads > INT32_MAX) return error(ErrorKind::invalid_argument, "n_threads: {}", c.n_threads);
  options.n_threads = static_cast<int>(c.n_threads);
  constexpr uint64_t kKnownFlags =
      LEOAM_INSTANCE_PLAINTEXT_SCRATCH | LEOAM_INSTANCE_NO_IO_URING | LEOAM_INSTANCE_NO_DIRECT_IO;
  LEOAM_RETURN_IF_ERROR(check_flags(c.flags, kKnownFlags, "flags"));
  options.plaintext_scratch = (c.flags & LEOAM_INSTANCE_PLAINTEXT_SCRATCH) != 0;
  options.files.io_uring = (c.flags & LEOAM_INSTANCE_NO_IO_URING) == 0;
  options.files.direct = (c.flags & LEOAM_INSTANCE_NO_DIRECT_IO) == 0;
  options.host_kv_budget_bytes = c.host_kv_budget_bytes;
  options.disk_kv_budget_bytes = c.disk_kv_budget_bytes;
  options.device_kv_budget_bytes = c.device_kv_budget_bytes;
  options.disk_write_cap_bytes = c.disk_write_cap_bytes;
  std::string_view folder;
  LEOAM_RETURN_IF_ERROR(read_text(c.state_folder, "state_folder", &folder));
  if (folder.find('\0') != std::string_view::npos)
    return error(ErrorKind::invalid_argument, "state_folder: a zero byte in it");
  options.state_folder = folder;
  std::string_view level;
  LEOAM_RETURN_IF_ERROR(read_text(c.cpu_level, "cpu_level", &level));
  if (!level.empty()) {
    kernels::CpuLevel parsed;
    if (!kernels::parse_cpu_level(std::string(level).c_str(), &parsed)) {
      return error(ErrorKind::invalid_argument, "cpu_level: \"{}\", expected scalar, avx2 or avx512",
                   level.substr(0, 40));
    }
    options.cpu_level = parsed;
  }
  if (c.log_level < LEOAM_LOG_DEFAULT || c.log_level > LEOAM_LOG_DEBUG) {
    return error(ErrorKind::invalid_argument, "log_level: {}", c.log_level);
  }
  if (c.log_level != LEOAM_LOG_DEFAULT) options.log_level = static_cast<LogLevel>(c.log_level - 1);
  return options;
}

// `change`(engine, progress, flag) of one tier's budget.
template <class Change>
leoam_status change_budget(leoam_instance* instance, const leoam_budget_options* options, leoam_error* error,
                           const Change& change) {
  return guarded_with<InstanceObject>(instance, error, [&](InstanceObject& object) -> Status {
    leoam_budget_options c;
    LEOAM_RETURN_IF_ERROR(read_struct(options, "options", &c));
    const CancelArgument cancel(c.cancel);
    LEOAM_RETURN_IF_ERROR(cancel.check());
    CancelFlag stop(cancel.get());
    std::function<void(uint64_t, uint64_t)> progress;
    const auto on_progress = read_progress(c.on_progress, c.user_data, object.callbacks());
    if (on_progress) {
      progress = [&](uint64_t done, uint64_t total) {
        if (!on_progress(done, total)) stop.cancel();
      };
    }
    return change(object.engine(), progress, &stop);
  });
}

}  // namespace

}  // namespace leoam::c_api

using namespace leoam;         // NOLINT(google-build-using-namespace)
using namespace leoam::c_api;  // NOLINT(google-build-using-namespace)

leoam_status leoam_instance_create(const leoam_instance_options* options, leoam_instance** out_instance,
                                   leoam_error* error) noexcept {
  return guarded(error, [&]() -> Status {
    LEOAM_RETURN_IF_ERROR(check_pointer(out_instance, "out_instance"));
    *out_instance = nullptr;
    leoam_instance_options c;
    LEOAM_RETURN_IF_ERROR(read_struct(options, "options", &c));
    LEOAM_ASSIGN_OR_RETURN(EngineOptions parsed, read_options(c));
    LEOAM_ASSIGN_OR_RETURN(auto instance, InstanceObject::create(std::move(parsed), c.log, c.log_user_data));
    return hand_out(std::move(instance), out_instance);
  });
}

leoam_status leoam_instance_release(leoam_instance* instance) noexcept {
  return release<InstanceObject>(instance);
}

leoam_status leoam_instance_set_host_kv_budget(leoam_instance* instance, uint64_t bytes,
                                               leoam_error* error) noexcept {
  return leoam_instance_change_host_kv_budget(instance, bytes, nullptr, error);
}

leoam_status leoam_instance_change_host_kv_budget(leoam_instance* instance, uint64_t bytes,
                                                  const leoam_budget_options* options,
                                                  leoam_error* error) noexcept {
  return change_budget(instance, options, error, [&](Engine& engine, const auto& on_progress, auto* stop) {
    return engine.set_host_kv_budget(bytes, on_progress, stop);
  });
}

leoam_status leoam_instance_change_device_kv_budget(leoam_instance* instance, uint64_t bytes,
                                                    const leoam_budget_options* options,
                                                    leoam_error* error) noexcept {
  return change_budget(instance, options, error, [&](Engine& engine, const auto& on_progress, auto* stop) {
    return engine.set_device_kv_budget(bytes, on_progress, stop);
  });
}

leoam_status leoam_instance_set_disk_kv_budget(leoam_instance* instance, uint64_t bytes,
                                               leoam_error* error) noexcept {
  return guarded_with<InstanceObject>(instance, error, [&](InstanceObject& object) -> Status {
    object.engine().set_disk_kv_budget(bytes);
    return {};
  });
}

leoam_status leoam_instance_set_disk_write_cap(leoam_instance* instance, uint64_t bytes,
                                               leoam_error* error) noexcept {
  return guarded_with<InstanceObject>(instance, error, [&](InstanceObject& object) -> Status {
    object.engine().set_disk_write_cap(bytes);
    return {};
  });
}

leoam_status leoam_instance_get_statistics(leoam_instance* instance,
                                           leoam_instance_statistics* out_statistics,
                                           leoam_error* error) noexcept {
  return guarded_with<InstanceObject>(instance, error, [&](InstanceObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(check_out_struct(out_statistics, "out_statistics"));
    const EngineStatistics statistics = object.engine().statistics();
    leoam_instance_statistics c{};
    c.n_threads = static_cast<uint32_t>(object.engine().n_threads());
    c.host_kv_budget_bytes = statistics.host_kv_budget_bytes;
    c.host_kv_bytes = statistics.host_kv_bytes;
    c.host_kv_peak_bytes = statistics.host_kv_peak_bytes;
    c.weight_bytes = statistics.weight_bytes;
    c.workspace_bytes = statistics.workspace_bytes;
    c.n_steps = statistics.steps;
    c.disk_kv_budget_bytes = statistics.disk_kv_budget_bytes;
    c.disk_kv_bytes = statistics.disk_kv_bytes;
    c.disk_written_bytes = statistics.disk_written_bytes;
    c.disk_write_cap_bytes = statistics.disk_write_cap_bytes;
    c.disk_read_bytes = statistics.disk_read_bytes;
    c.n_disk_reads = statistics.disk_read_requests;
    c.stall_us = statistics.stall_us;
    c.n_pages_hit = statistics.pages_hit;
    c.n_pages_missed = statistics.pages_missed;
    c.n_pages_ahead = statistics.pages_ahead;
    c.n_pages_damaged = statistics.pages_damaged;
    c.recomputed_tokens = statistics.recomputed_tokens;
    c.device_kv_budget_bytes = statistics.device_kv_budget_bytes;
    c.device_kv_bytes = statistics.device_kv_bytes;
    c.device_kv_peak_bytes = statistics.device_kv_peak_bytes;
    c.raised_bytes = statistics.raised_bytes;
    c.lowered_bytes = statistics.lowered_bytes;
    c.kv_read_bytes = statistics.kv_read_bytes;
    c.record_read_bytes = statistics.record_read_bytes;
    c.code_read_bytes = statistics.code_read_bytes;
    c.reading_us = statistics.reading_us;
    write_struct(out_statistics, c);
    return {};
  });
}

leoam_status leoam_instance_describe(leoam_instance* instance, uint64_t index, leoam_string* out_key,
                                     leoam_string* out_value, leoam_error* error) noexcept {
  return guarded_with<InstanceObject>(instance, error, [&](InstanceObject& object) {
    return write_pair(object.facts(), index, out_key, out_value);
  });
}

leoam_status leoam_instance_detach(leoam_instance* instance, leoam_error* error) noexcept {
  return guarded_with<InstanceObject>(instance, error, [&](InstanceObject& object) -> Status {
    object.detach();
    return {};
  });
}
