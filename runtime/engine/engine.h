// Engine: the root of everything (an instance of the C ABI). Owns the threads, the device, the KV budget and
// the scheduler; models and sessions belong to one engine. No process state: any number of engines may live
// at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "kernels/cpu_features.h"
#include "runtime/base/log.h"
#include "runtime/base/status.h"
#include "runtime/base/thread_pool.h"
#include "runtime/device/device.h"
#include "runtime/engine/request.h"
#include "runtime/engine/session.h"
#include "runtime/engine/statistics.h"
#include "runtime/kv/page_pool.h"
#include "runtime/model/model.h"

namespace leoam {

class ForwardCache;
class Scheduler;

struct EngineOptions {
  int n_threads = 0;                           // 0: the CPUs this process may use, at most 16
  std::optional<kernels::CpuLevel> cpu_level;  // at most the machine's best; empty: LEOAM_CPU, else the best
  uint64_t host_kv_budget_bytes = 0;           // 0: half of the machine's memory
  LogSink::Function log = nullptr;
  void* log_user_data = nullptr;
  LogLevel log_level = LogLevel::warning;
};

// Thread rule: safe from any thread. Destroying needs all sessions, requests and models of it gone (the C ABI
// keeps that order).
class Engine {
 public:
  // Fails with invalid_argument, unsupported (CPU level), out_of_memory.
  static Result<std::unique_ptr<Engine>> create(const EngineOptions& options);
  ~Engine();

  Result<std::shared_ptr<const Model>> load_model(const std::string& path, const ModelOptions& options,
                                                  const LoadProgress& progress, const CancelFlag* cancel);
  // Fails with invalid_argument (option and range), unsupported (policy).
  Result<std::shared_ptr<Session>> create_session(std::shared_ptr<const Model> model,
                                                  const SessionOptions& options);

  // The budget of KV bytes in RAM. Lowering it below what is in use fails with no_space (needed: in use;
  // available: the wish) and changes nothing.
  Status set_host_kv_budget(uint64_t bytes);

  EngineStatistics statistics() const;
  const DeviceInfo& device_info() const { return device_->info(); }
  int n_threads() const { return pool_->n_threads(); }
  LogSink& log() { return log_; }

 private:
  friend class RequestImpl;
  friend class Session;
  explicit Engine(const EngineOptions& options);

  LogSink log_;
  std::unique_ptr<ThreadPool> pool_;
  const kernels::CpuTable* kernels_ = nullptr;
  std::unique_ptr<Device> device_;
  std::unique_ptr<PagePool> pages_;
  std::unique_ptr<ForwardCache> forwards_;
  std::unique_ptr<Scheduler> scheduler_;
  std::atomic<uint64_t> weight_bytes_{0};
};

}  // namespace leoam
