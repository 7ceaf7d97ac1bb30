#include "runtime/engine/engine.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "runtime/device/cpu/cpu_device.h"
#include "runtime/engine/forward.h"
#include "runtime/engine/scheduler.h"

namespace leoam {
namespace {

constexpr int kMaxDefaultThreads = 16;

constexpr uint32_t kMaxPieceTokens = 4096;

int usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::clamp(CPU_COUNT(&set), 1, kMaxDefaultThreads);
}

uint64_t machine_memory_bytes() {
  return static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGE_SIZE));
}

Result<kernels::CpuLevel> choose_level(const std::optional<kernels::CpuLevel>& wish) {
  const kernels::CpuLevel best = kernels::best_cpu_level();
  kernels::CpuLevel level = wish.value_or(best);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the library changes no variable of the environment
  const char* forced = wish ? nullptr : std::getenv("LEOAM_CPU");
  if (forced && !kernels::parse_cpu_level(forced, &level))
    return error(ErrorKind::invalid_argument, "LEOAM_CPU: expected scalar, avx2 or avx512, found {}", forced);
  if (level > best)
    return error(ErrorKind::unsupported, "CPU level: this machine has {}, found a wish for {}",
                 kernels::cpu_level_name(best), kernels::cpu_level_name(level));
  return level;
}

Status check_options(const SessionOptions& options) {
  const uint32_t page = options.page_tokens;
  if (page != 16 && page != 32 && page != 64 && page != 128)
    return error(ErrorKind::invalid_argument, "page_tokens: expected 16, 32, 64 or 128, found {}", page);
  if (options.piece_tokens > kMaxPieceTokens)
    return error(ErrorKind::invalid_argument, "piece_tokens: expected at most {}, found {}", kMaxPieceTokens,
                 options.piece_tokens);
  if (options.context_tokens > INT32_MAX)
    return error(ErrorKind::invalid_argument, "context_tokens: expected at most {}, found {}", INT32_MAX,
                 options.context_tokens);
  if (!kernels::is_kv_type(static_cast<int32_t>(options.kv_type)))
    return error(ErrorKind::invalid_argument, "kv_type: expected f32 (0), f16 (1) or int8 (2), found {}",
                 static_cast<int>(options.kv_type));
  if (!(options.most_kv_divergence >= 0))
    return error(ErrorKind::invalid_argument, "most_kv_divergence: expected at least 0, found {}",
                 options.most_kv_divergence);
  if (options.page_codec != kernels::PageCodec::plain && options.kv_type == kernels::KvType::int8)
    return Status(ErrorKind::invalid_argument, "page_codec: expected plain, as kv_type is int8");
  return {};
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::create(const EngineOptions& options) {
  std::unique_ptr<Engine> engine(new Engine(options));
  LEOAM_ASSIGN_OR_RETURN(const kernels::CpuLevel level, choose_level(options.cpu_level));
  LEOAM_ASSIGN_OR_RETURN(engine->pool_,
                         ThreadPool::create(options.n_threads == 0 ? usable_cpus() : options.n_threads));
  engine->kernels_ = &kernels::cpu_table(level);
  engine->device_ = options.create_device ? options.create_device(*engine->pool_, *engine->kernels_)
                                          : create_cpu_device(*engine->pool_, *engine->kernels_);
  const uint64_t budget =
      options.host_kv_budget_bytes == 0 ? machine_memory_bytes() / 2 : options.host_kv_budget_bytes;
  LEOAM_RETURN_IF_ERROR(engine->prepare_disk(options));
  TierOptions tiers;
  tiers.host_budget_bytes = budget;
  tiers.device_budget_bytes = options.device_kv_budget_bytes == 0 ? engine->device_->info().memory_bytes / 2
                                                                  : options.device_kv_budget_bytes;
  if (!engine->state_folder_.empty()) tiers.scratch_folder = engine->state_folder_ + "/scratch";
  tiers.encrypt_scratch = !options.plaintext_scratch;
  tiers.replacement = options.replacement;
  tiers.looks_ahead = options.looks_ahead;
  engine->tiers_ =
      std::make_unique<Tiers>(*engine->device_, *engine->files_, engine->disk_, std::move(tiers));
  engine->forwards_ = std::make_unique<ForwardCache>(*engine->device_);
  engine->scheduler_ = std::make_unique<Scheduler>(*engine->forwards_);
  if (engine->log_.wants(LogLevel::info))
    engine->log_.write(LogLevel::info, fmt::format("device {}: {}", engine->device_->info().name,
                                                   engine->device_->info().detail));
  return engine;
}

Engine::Engine(const EngineOptions& options)
    : log_(options.log, options.log_user_data, options.log_level), disk_(0, UINT64_MAX) {}

Status Engine::prepare_disk(const EngineOptions& options) {
  files_ = options.file_system ? options.file_system : create_file_system(options.files);
  state_folder_ = options.state_folder;
  if (!state_folder_.empty() && state_folder_.front() != '/')
    return error(ErrorKind::invalid_argument, "state_folder: expected an absolute path, found {}",
                 state_folder_);
  if (state_folder_.empty()) {
    // Without one there is no disk tier, which shows when it is needed.
    Result<std::string> folder = default_state_folder();
    if (folder.ok()) state_folder_ = std::move(folder).value();
  }
  disk_.set_budget(options.disk_kv_budget_bytes);
  if (options.disk_kv_budget_bytes == 0) {
    const Result<uint64_t> free_bytes = files_->free_bytes(nearest_folder());
    if (free_bytes.ok()) disk_.set_budget(*free_bytes / 2);
  }
  disk_.set_write_cap(options.disk_write_cap_bytes == 0 ? UINT64_MAX : options.disk_write_cap_bytes);
  return {};
}

std::string Engine::nearest_folder() {
  std::string folder = state_folder_;
  while (!folder.empty() && !files_->free_bytes(folder).ok()) folder.resize(folder.find_last_of('/'));
  return folder;
}

std::vector<FileSystem::Fact> Engine::io_facts() {
  const std::string folder = nearest_folder();
  if (folder.empty()) return {};
  return files_->facts(folder);
}

Engine::~Engine() = default;

Result<std::shared_ptr<const Model>> Engine::load_model(const std::string& path, const ModelOptions& options,
                                                        const LoadProgress& progress,
                                                        const CancelFlag* cancel) {
  LEOAM_ASSIGN_OR_RETURN(std::unique_ptr<Model> model,
                         Model::load(path, options, *device_, *pool_, progress, cancel));
  weight_bytes_.fetch_add(model->device_bytes(), std::memory_order_relaxed);
  if (!model->chat_template_status().ok() && log_.wants(LogLevel::warning))
    log_.write(LogLevel::warning, fmt::format("{}: the chat template cannot be used: {}", path,
                                              model->chat_template_status().message()));
  return std::shared_ptr<const Model>(model.release(), [this](const Model* gone) {
    forwards_->forget(gone);
    weight_bytes_.fetch_sub(gone->device_bytes(), std::memory_order_relaxed);
    delete gone;
  });
}

Result<std::shared_ptr<Session>> Engine::make_session(std::shared_ptr<const Model> model,
                                                      const SessionOptions& options) {
  LEOAM_RETURN_IF_ERROR(check_options(options));
  const ModelConfig& config = model->config();
  std::shared_ptr<Session> session(new Session);
  session->engine_ = this;
  session->options_ = options;
  if (options.context_tokens == 0) session->options_.context_tokens = config.context_tokens;
  choose(*model, &session->options_);
  KvShape shape;
  shape.layout = {session->options_.kv_type, config.n_kv_heads, config.head_dim, options.page_tokens};
  for (uint32_t layer = 0; layer < config.n_layers; ++layer)
    shape.windows.push_back(config.is_sliding(layer) ? config.sliding_window_tokens : 0);
  LEOAM_ASSIGN_OR_RETURN(
      std::unique_ptr<Selector> selector,
      Selector::create(*tiers_, options.policy, {*pool_, *kernels_}, shape.layout, shape.windows));
  session->kv_ = std::make_unique<SequenceKv>(*tiers_, std::move(shape), session->options_.context_tokens,
                                              std::move(selector));
  session->set_codec(session->options_.page_codec);
  session->tokens_.reserve(session->options_.context_tokens);
  session->starts_pass_.reserve(session->options_.context_tokens);
  session->logits_.resize(config.n_vocab);
  session->model_ = std::move(model);
  return session;
}

std::optional<Rates> Engine::rates_at_hand() {
  const std::unique_lock<std::mutex> lock(rates_mutex_, std::try_to_lock);
  if (!lock) return std::nullopt;
  if (!rates_ && !looked_for_rates_) {
    looked_for_rates_ = true;
    Result<Rates> kept = kept_rates(*device_, *files_, state_folder_);
    if (kept.ok()) rates_ = *kept;
  }
  return rates_;
}

PlanRequest Engine::plan_request(const SessionOptions& options, uint64_t n_tokens) const {
  PlanRequest request;
  request.context_tokens = n_tokens;
  request.kv_type = options.kv_type;
  request.page_codec = options.page_codec;
  request.most_kv_divergence = options.most_kv_divergence;
  request.page_tokens = options.page_tokens;
  request.piece_tokens = options.piece_tokens;
  request.host_kv_budget_bytes = tiers_->host_budget_bytes();
  request.disk_kv_budget_bytes = disk_.budget_bytes();
  return request;
}

void Engine::choose(const Model& model, SessionOptions* options) {
  if (options->choose_kv_type) {
    options->kv_type = kernels::KvType::f16;
    options->page_codec = kernels::PageCodec::plain;
  }
  if (options->piece_tokens != 0) return;
  const std::optional<Rates> rates = rates_at_hand();
  PlanRequest request = plan_request(*options, options->context_tokens);
  request.choose_kv_type = options->choose_kv_type;
  options->piece_tokens = plan_piece_tokens(model.header(), request, rates ? &*rates : nullptr);
}

CodecChoice Engine::choose_codec(const Model& model, const SessionOptions& options, uint64_t n_tokens) {
  const std::optional<Rates> rates = rates_at_hand();
  return plan_page_codec(model.header(), plan_request(options, n_tokens), rates ? &*rates : nullptr);
}

void Engine::enlist(const std::shared_ptr<Session>& session) {
  std::lock_guard<std::mutex> lock(sessions_mutex_);
  std::erase_if(sessions_, [](const std::weak_ptr<Session>& other) { return other.expired(); });
  sessions_.push_back(session);
}

void Engine::share_prefix(Session* session) {
  std::vector<std::shared_ptr<Session>> others;
  {
    std::lock_guard<std::mutex> lock(sessions_mutex_);
    for (const std::weak_ptr<Session>& other : sessions_)
      if (std::shared_ptr<Session> alive = other.lock(); alive && alive.get() != session)
        others.push_back(std::move(alive));
  }
  const uint64_t before = session->kv_->n_tokens();
  uint64_t best = before;
  uint64_t selects_from = 0;
  std::unique_ptr<SequenceKv> best_kv;
  for (const std::shared_ptr<Session>& other : others) {
    const std::unique_lock<ChangeLock> change(other->change_, std::try_to_lock);
    if (!change) continue;
    const uint64_t n = session->common_prefix(*other);
    if (n <= best) continue;
    auto kv = std::make_unique<SequenceKv>(*other->kv_);
    // Sliding layers may have dropped what the shorter sequence needs.
    if (!kv->truncate(n).ok()) continue;
    best = n;
    selects_from = other->selects_from_;
    best_kv = std::move(kv);
  }
  if (!best_kv) return;
  session->take_prefix(std::move(best_kv), selects_from);
  shared_tokens_.fetch_add(best - before, std::memory_order_relaxed);
}

Result<std::shared_ptr<Session>> Engine::create_session(std::shared_ptr<const Model> model,
                                                        const SessionOptions& options) {
  LEOAM_ASSIGN_OR_RETURN(std::shared_ptr<Session> session, make_session(std::move(model), options));
  enlist(session);
  return session;
}

Result<std::shared_ptr<Session>> Engine::open_session(std::shared_ptr<const Model> model,
                                                      const std::string& path, const SecretKey* key,
                                                      const SessionOptions& options) {
  LEOAM_ASSIGN_OR_RETURN(std::shared_ptr<SessionFile> file,
                         SessionFile::open(*files_, path, key, nullptr, disk_, OpenMode::read_write));
  const SessionIdentity saved = file->info().identity;
  if (saved.model != model->identity())
    return error(ErrorKind::unsupported, "{}: the session belongs to another model, {}", path,
                 saved.model_name);
  SessionOptions wanted = options;
  wanted.kv_type = static_cast<kernels::KvType>(saved.kv_type);
  wanted.choose_kv_type = options.choose_kv_type && wanted.kv_type == kernels::KvType::f16;
  if (wanted.kv_type == kernels::KvType::int8) wanted.page_codec = kernels::PageCodec::plain;
  wanted.page_tokens = saved.page_tokens;
  wanted.piece_tokens = saved.piece_tokens;
  LEOAM_ASSIGN_OR_RETURN(std::shared_ptr<Session> session, make_session(std::move(model), wanted));
  LEOAM_RETURN_IF_ERROR(saved.check_same(session->identity()).with_context(path));
  LEOAM_RETURN_IF_ERROR(session->adopt(std::move(file)));
  // What was made compact goes on so, unless the caller says how.
  if (wanted.page_codec == kernels::PageCodec::plain && !wanted.choose_kv_type)
    session->set_codec(session->kv_->newest_codec());
  enlist(session);
  return session;
}

Result<Rates> Engine::calibration(const CancelFlag* cancel) {
  const std::lock_guard<std::mutex> lock(rates_mutex_);
  if (!rates_) {
    LEOAM_ASSIGN_OR_RETURN(rates_, calibrate(*device_, *files_, state_folder_, cancel));
  }
  return *rates_;
}

Result<Plan> Engine::plan(const ModelHeader& header, PlanRequest request, const CancelFlag* cancel) {
  SessionOptions shape;
  shape.kv_type = request.kv_type;
  shape.page_codec = request.page_codec;
  shape.page_tokens = request.page_tokens;
  shape.piece_tokens = request.piece_tokens;
  LEOAM_RETURN_IF_ERROR(check_options(shape));
  if (request.host_kv_budget_bytes == 0) request.host_kv_budget_bytes = tiers_->host_budget_bytes();
  if (request.disk_kv_budget_bytes == 0) request.disk_kv_budget_bytes = disk_.budget_bytes();
  LEOAM_ASSIGN_OR_RETURN(const Rates rates, calibration(cancel));
  return make_plan(header, request, &rates);
}

EngineStatistics Engine::statistics() const {
  EngineStatistics statistics;
  const TierStatistics tiers = tiers_->statistics();
  statistics.host_kv_budget_bytes = tiers.host_budget_bytes;
  statistics.host_kv_bytes = tiers.host_bytes;
  statistics.host_kv_peak_bytes = tiers.host_peak_bytes;
  statistics.device_kv_budget_bytes = tiers.device_budget_bytes;
  statistics.device_kv_bytes = tiers.device_bytes;
  statistics.device_kv_peak_bytes = tiers.device_peak_bytes;
  statistics.raised_bytes = tiers.raised_bytes;
  statistics.lowered_bytes = tiers.lowered_bytes;
  statistics.disk_kv_budget_bytes = disk_.budget_bytes();
  statistics.disk_kv_bytes = disk_.used_bytes();
  statistics.disk_written_bytes = disk_.written_bytes();
  statistics.disk_write_cap_bytes = disk_.write_cap_bytes();
  statistics.disk_read_bytes = tiers.transfer.read_bytes;
  statistics.disk_read_requests = tiers.transfer.read_requests;
  statistics.kv_read_bytes = tiers.kv_read_bytes;
  statistics.record_read_bytes = tiers.record_read_bytes;
  statistics.code_read_bytes = tiers.code_read_bytes;
  statistics.stall_us = tiers.stall_us;
  statistics.reading_us = tiers.reading_us;
  statistics.pages_hit = tiers.n_pages_hit;
  statistics.pages_missed = tiers.n_pages_missed;
  statistics.pages_ahead = tiers.n_pages_ahead;
  statistics.pages_damaged = tiers.n_pages_damaged;
  statistics.shared_tokens = shared_tokens_.load(std::memory_order_relaxed);
  statistics.recomputed_tokens = recomputed_tokens_.load(std::memory_order_relaxed);
  statistics.weight_bytes = weight_bytes_.load(std::memory_order_relaxed);
  statistics.workspace_bytes = forwards_->idle_bytes();
  statistics.steps = scheduler_->n_passes();
  return statistics;
}

}  // namespace leoam
