#include "library.h"
#include "shim.h"

namespace leoam_shim {

leoam_instance* instance_create(leoam_instance_options& options, leoam_string cpu_level,
                                leoam_string state_folder, Listener* listener, leoam_error& error) {
  options.cpu_level = cpu_level;
  options.state_folder = state_folder;
  options.log = log_of(listener);
  options.log_user_data = listener;
  leoam_instance* instance = nullptr;
  library->instance_create(&options, &instance, &error);
  return instance;
}

void instance_release(leoam_instance* instance) {
  library->instance_release(instance);
}

void instance_detach(leoam_instance* instance, leoam_error& error) {
  library->instance_detach(instance, &error);
}

void instance_get_statistics(leoam_instance* instance, leoam_instance_statistics& statistics,
                             leoam_error& error) {
  library->instance_get_statistics(instance, &statistics, &error);
}

void instance_describe(leoam_instance* instance, uint64_t index, Fact& fact, leoam_error& error) {
  library->instance_describe(instance, index, &fact.key, &fact.value, &error);
}

namespace {

leoam_budget_options budget_options(leoam_cancel_flag* cancel, Listener* listener) {
  auto options = make<leoam_budget_options>();
  options.on_progress = progress_of(listener);
  options.user_data = listener;
  options.cancel = cancel;
  return options;
}

}  // namespace

void instance_change_host_kv_budget(leoam_instance* instance, uint64_t bytes, leoam_cancel_flag* cancel,
                                    Listener* listener, leoam_error& error) {
  const leoam_budget_options options = budget_options(cancel, listener);
  library->instance_change_host_kv_budget(instance, bytes, &options, &error);
}

void instance_change_device_kv_budget(leoam_instance* instance, uint64_t bytes, leoam_cancel_flag* cancel,
                                      Listener* listener, leoam_error& error) {
  const leoam_budget_options options = budget_options(cancel, listener);
  library->instance_change_device_kv_budget(instance, bytes, &options, &error);
}

void instance_set_disk_kv_budget(leoam_instance* instance, uint64_t bytes, leoam_error& error) {
  library->instance_set_disk_kv_budget(instance, bytes, &error);
}

void instance_set_disk_write_cap(leoam_instance* instance, uint64_t bytes, leoam_error& error) {
  library->instance_set_disk_write_cap(instance, bytes, &error);
}

leoam_cancel_flag* cancel_flag_create(leoam_instance* instance, leoam_error& error) {
  leoam_cancel_flag* flag = nullptr;
  library->cancel_flag_create(instance, &flag, &error);
  return flag;
}

void cancel_flag_set(leoam_cancel_flag* flag) {
  library->cancel_flag_set(flag);
}

void cancel_flag_clear(leoam_cancel_flag* flag) {
  library->cancel_flag_clear(flag);
}

void cancel_flag_release(leoam_cancel_flag* flag) {
  library->cancel_flag_release(flag);
}

}  // namespace leoam_shim
