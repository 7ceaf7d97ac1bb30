// Engine: the root of everything (an instance of the C ABI). Owns the threads, the device, the KV budget and
// the scheduler; models and sessions belong to one engine. No process state: any number of engines may live
// at once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "kernels/cpu_features.h"
#include "runtime/base/log.h"
#include "runtime/base/status.h"
#include "runtime/base/thread_pool.h"
#include "runtime/device/device.h"
#include "runtime/engine/calibration.h"
#include "runtime/engine/planner.h"
#include "runtime/engine/request.h"
#include "runtime/engine/session.h"
#include "runtime/engine/statistics.h"
#include "runtime/kv/tiers.h"
#include "runtime/model/model.h"

namespace leoam {

class ForwardCache;
class Scheduler;

struct EngineOptions {
  int n_threads = 0;                           // 0: the CPUs this process may use, at most 16
  std::optional<kernels::CpuLevel> cpu_level;  // at most the machine's best; empty: LEOAM_CPU, else the best
  uint64_t host_kv_budget_bytes = 0;           // 0: half of the machine's memory
  uint64_t device_kv_budget_bytes = 0;         // 0: half of the device's own memory, where it has some
  uint64_t disk_kv_budget_bytes = 0;           // 0: half of what is free on the disk of the state folder
  uint64_t disk_write_cap_bytes = 0;           // 0: none
  std::string state_folder;                    // absolute; empty: default_state_folder()
  bool plaintext_scratch = false;              // spilled pages are checksummed instead of encrypted
  ReplacementKind replacement = ReplacementKind::most_recent;
  bool looks_ahead = true;  // as in TierOptions
  FileSystemOptions files;
  std::shared_ptr<FileSystem> file_system;  // null: the operating system's
  // What computes; null: the CPU.
  std::function<std::unique_ptr<Device>(ThreadPool&, const kernels::CpuTable&)> create_device;
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

  // A session of a file, as it was when it was saved; its pages come when they are attended to. KV type, page
  // and piece size are the file's. Fails as SessionFile::open does, and with invalid_argument (the context is
  // shorter than the session).
  Result<std::shared_ptr<Session>> open_session(std::shared_ptr<const Model> model, const std::string& path,
                                                const SecretKey* key, const SessionOptions& options);

  // The budget of bytes in RAM that KV causes, or of the device's memory. Returns when it holds, requests
  // going on meanwhile: what is too much moves to disk, or to RAM. Fails with no_space (needed: what must
  // stay; available: the wish), unsupported (a device without memory of its own), io, cancelled, and the old
  // one holds. `on_progress`(bytes given back, of how many) and `cancel` may be null.
  Status set_host_kv_budget(uint64_t bytes, const Tiers::BudgetProgress& on_progress,
                            const CancelFlag* cancel = nullptr) {
    return tiers_->set_budget(Level::host, bytes, on_progress, cancel);
  }
  Status set_device_kv_budget(uint64_t bytes, const Tiers::BudgetProgress& on_progress,
                              const CancelFlag* cancel = nullptr) {
    return tiers_->set_budget(Level::device, bytes, on_progress, cancel);
  }
  // Budgets below what is used stop growth and drop nothing.
  void set_disk_kv_budget(uint64_t bytes) { disk_.set_budget(bytes); }
  void set_disk_write_cap(uint64_t bytes) { disk_.set_write_cap(bytes); }

  // Rates of this machine: kept from an earlier time, else measured within 5 s. Fails with cancelled,
  // out_of_memory, device_lost.
  Result<Rates> calibration(const CancelFlag* cancel);
  // A budget of 0 is the engine's. Fails as calibration does, and with invalid_argument (page_tokens,
  // kv_type).
  Result<Plan> plan(const ModelHeader& header, PlanRequest request, const CancelFlag* cancel);

  EngineStatistics statistics() const;
  const DeviceInfo& device_info() const { return device_->info(); }
  int n_threads() const { return pool_->n_threads(); }
  FileSystem& files() { return *files_; }
  DiskAccount& disk() { return disk_; }
  // Where KV goes that leaves RAM; empty: nowhere.
  const std::string& state_folder() const { return state_folder_; }
  // What the disk of the state folder takes, and why not more. Makes and drops a file there.
  std::vector<FileSystem::Fact> io_facts();
  LogSink& log() { return log_; }

 private:
  friend class RequestImpl;
  friend class Session;
  explicit Engine(const EngineOptions& options);
  Status prepare_disk(const EngineOptions& options);
  // The session takes over the longest prefix in whole pieces that another one has computed. One whose KV is
  // changing now is passed over. Called by the driver of `session`, between passes.
  void share_prefix(Session* session);
  void enlist(const std::shared_ptr<Session>& session);
  // What a session leaves to the engine: the type of its KV, the size of its pieces.
  PlanRequest plan_request(const SessionOptions& options, uint64_t n_tokens) const;
  void choose(const Model& model, SessionOptions* options);
  // For a context of n_tokens, with the budgets and the rates that are known now.
  CodecChoice choose_codec(const Model& model, const SessionOptions& options, uint64_t n_tokens);
  // What is known without measuring; empty while another thread measures.
  std::optional<Rates> rates_at_hand();
  // The state folder, or the nearest one above it that is there already; empty: none.
  std::string nearest_folder();
  // Not yet enlisted.
  Result<std::shared_ptr<Session>> make_session(std::shared_ptr<const Model> model,
                                                const SessionOptions& options);

  LogSink log_;
  std::string state_folder_;
  std::unique_ptr<ThreadPool> pool_;
  const kernels::CpuTable* kernels_ = nullptr;
  std::unique_ptr<Device> device_;
  std::shared_ptr<FileSystem> files_;
  DiskAccount disk_;
  std::unique_ptr<Tiers> tiers_;
  std::unique_ptr<ForwardCache> forwards_;
  std::mutex sessions_mutex_;
  std::vector<std::weak_ptr<Session>> sessions_;
  std::atomic<uint64_t> shared_tokens_{0};

  std::mutex rates_mutex_;
  std::optional<Rates> rates_;
  bool looked_for_rates_ = false;
  std::atomic<uint64_t> weight_bytes_{0};
  std::atomic<uint64_t> recomputed_tokens_{0};

  std::unique_ptr<Scheduler> scheduler_;  // ends first: its thread uses all of the above
};

}  // namespace leoam
