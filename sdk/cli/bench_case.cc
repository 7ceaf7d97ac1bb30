#include "bench_case.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <random>

#include "divergence.h"

namespace leoam::cli {
namespace {

constexpr uint32_t kWarmUp_tokens = 4;
constexpr uint32_t kLook_tokens = 8;

// The bytes of a budget, and of the instance that has it.
CommonOptions under_budget(const BenchOptions& options, const HostBudget& budget) {
  CommonOptions common = options;
  common.host_budget_bytes = budget.bytes;
  return common;
}

double per(double amount, double n) {
  return n > 0 ? amount / n : 0;
}

}  // namespace

// What the sequences did while all of them were drawing: from the moment when the last one has begun, to the
// last token before one of them ends. Between them are whole steps.
struct BenchCase::Turn {
  struct Moment {
    Clock::time_point time;
    leoam_instance_statistics statistics{};
    uint64_t n_drawn = 0;
  };

  std::mutex mutex;
  size_t n_started = 0;
  bool over = false;
  Moment begin, end;
  float least_coverage = 1;
  // No sequence goes on before all are there.
  std::atomic<bool> open{false};
};

BenchCase::BenchCase(const BenchOptions& options, std::string policy, const HostBudget& budget,
                     uint64_t context_tokens)
    : options_(options),
      policy_(std::move(policy)),
      budget_(budget),
      context_tokens_(context_tokens),
      instance_(open_instance(under_budget(options, budget))),
      model_(open_model(instance_, options)) {
  if (budget.share > 0) {
    PlanOptions wish;
    wish.kv_type = options.kv_type;
    wish.context_tokens = context_tokens;
    const uint64_t kv_bytes = plan(instance_, options.model, wish, load_options(options)).kv_bytes;
    instance_.set_host_kv_budget(
        static_cast<uint64_t>(budget.share * static_cast<double>(kv_bytes) * options.batch));
  }
  host_budget_bytes_ = instance_.statistics().host_kv_budget_bytes;
  CommonOptions common = with_policy(options, policy_);
  // Each turn leaves its tokens where they are, and begins with a step in which one sequence is alone.
  const uint64_t drawn =
      (options.repeat + 1) * (options.generate_tokens + options.batch + uint64_t{2}) + kLook_tokens;
  common.context_tokens = static_cast<uint32_t>(std::min<uint64_t>(
      std::max<uint64_t>(model_.info().context_tokens, context_tokens + drawn), UINT32_MAX));
  std::vector<int32_t> text;
  if (!options.text_file.empty()) {
    text = model_.tokenize(read_text(options.text_file));
    if (text.empty()) throw Failure("--text-file: no tokens in " + options.text_file);
  }
  for (uint32_t i = 0; i < options.batch; ++i)
    sequences_.push_back({open_session(model_, common), context_of(i, text), 0});
}

std::vector<int32_t> BenchCase::context_of(uint32_t sequence, const std::vector<int32_t>& text) const {
  std::vector<int32_t> tokens(context_tokens_ + 1);
  if (text.empty()) {
    std::mt19937 random(sequence + 1);
    std::uniform_int_distribution<int32_t> any(0, static_cast<int32_t>(model_.info().n_vocab) - 1);
    for (int32_t& token : tokens) token = any(random);
    return tokens;
  }
  // No two sequences begin alike: nothing is computed once for several.
  const size_t begin = sequence * text.size() / options_.batch;
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = text[(begin + i) % text.size()];
  return tokens;
}

std::string BenchCase::name() const {
  return case_name(policy_, budget_.name);
}

void BenchCase::sample(double seconds) {
  const leoam_instance_statistics now = instance_.statistics();
  samples_.push_back({seconds, drawn_tokens_, now.host_kv_bytes, now.disk_kv_bytes, now.disk_read_bytes});
}

void BenchCase::fill(const Progress& on_progress) {
  const auto start = Clock::now();
  const auto seconds = [&start] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  sample(0);
  for (size_t i = 0; i < sequences_.size(); ++i) {
    Sequence& sequence = sequences_[i];
    EvaluateOptions evaluate;
    evaluate.on_progress = [&](uint64_t done, uint64_t) {
      sample(seconds());
      return on_progress(i * context_tokens_ + done, sequences_.size() * context_tokens_);
    };
    sequence.session.evaluate(std::span(sequence.context).first(context_tokens_), evaluate);
    sequence.next = sequence.context.back();
  }
  worked_seconds_ = seconds();
  prefill_rate_ = per(static_cast<double>(context_tokens_ * sequences_.size()), worked_seconds_);
}

void BenchCase::take(Turn& turn, const Event& event, Clock::time_point turn_start) {
  turn.open.wait(false);
  const std::lock_guard lock(turn.mutex);
  const Clock::time_point now = Clock::now();
  ++drawn_tokens_;
  sample(worked_seconds_ + std::chrono::duration<double>(now - turn_start).count());
  turn.over = turn.over || event.done_tokens == event.total_tokens;
  if (turn.over) return;
  const bool all_had_started = turn.n_started == sequences_.size();
  if (event.done_tokens == 1) ++turn.n_started;
  turn.end = {now, instance_.statistics(), drawn_tokens_};
  if (all_had_started)
    turn.least_coverage = std::min(turn.least_coverage, event.coverage);
  else
    turn.begin = turn.end;
}

void BenchCase::decode() {
  const bool counts = n_turns_++ > 0;
  const uint32_t n = counts ? options_.generate_tokens : std::min(options_.generate_tokens, kWarmUp_tokens);
  // More for the steps in which not all have begun, and the last one.
  const auto most = static_cast<uint32_t>(n + sequences_.size() + 1);
  samples_.reserve(samples_.size() + sequences_.size() * most);
  Turn turn;
  std::vector<leoam_session_info> before;
  std::vector<Request> requests;
  {
    struct Opener {
      std::atomic<bool>& open;
      ~Opener() {
        open = true;
        open.notify_all();
      }
    } opener{turn.open};
    const auto start = Clock::now();
    for (Sequence& sequence : sequences_) {
      before.push_back(sequence.session.info());
      RequestOptions wish;
      wish.prompt = std::span(&sequence.next, 1);
      wish.max_tokens = most;
      wish.ignore_end = true;
      // Taken on the thread that decodes: a receiver that wakes up late must not shorten the time.
      wish.delivery = Delivery::callback;
      wish.on_event = [this, &turn, start](const Event& event) {
        if (event.kind == EventKind::token) take(turn, event, start);
        return true;
      };
      requests.push_back(sequence.session.submit(std::move(wish)));
    }
  }
  for (Request& request : requests) {
    request.wait();
    request.finish_reason();
  }
  worked_seconds_ = samples_.back().seconds;
  for (size_t i = 0; i < sequences_.size(); ++i) {
    // The newest token has no KV yet: it begins the next turn, so that no step is of two tokens, which would
    // be attended to as a prompt is.
    Session& session = sequences_[i].session;
    const leoam_session_info now = session.info();
    sequences_[i].next = session.tokens(now.n_tokens - 1, 1).front();
    session.truncate(now.n_tokens - 1);
    if (!counts) continue;
    n_selections_ += now.n_selections - before[i].n_selections;
    n_attended_tokens_ += now.n_attended_tokens - before[i].n_attended_tokens;
    n_candidate_tokens_ += now.n_candidate_tokens - before[i].n_candidate_tokens;
    n_pages_fetched_ += now.n_pages_fetched - before[i].n_pages_fetched;
    n_pages_guessed_ += now.n_pages_guessed - before[i].n_pages_guessed;
    n_chunks_evaluated_ += now.n_chunks_evaluated - before[i].n_chunks_evaluated;
    coverage_sum_ += now.coverage_sum - before[i].coverage_sum;
  }
  if (counts) count(turn);
  worked_ = instance_.statistics();
}

void BenchCase::count(const Turn& turn) {
  const double seconds = std::chrono::duration<double>(turn.end.time - turn.begin.time).count();
  const auto n_tokens = static_cast<double>(turn.end.n_drawn - turn.begin.n_drawn);
  if (turn.n_started < sequences_.size() || n_tokens == 0 || seconds <= 0)
    throw Failure("--generate: too few tokens to time so many sequences at once");
  const double rate = n_tokens / seconds;
  const auto moved = [&](uint64_t leoam_instance_statistics::*what) {
    return static_cast<double>(turn.end.statistics.*what - turn.begin.statistics.*what);
  };
  rates_.push_back(rate);
  step_ms_.push_back(1e3 * static_cast<double>(sequences_.size()) / rate);
  read_bytes_.push_back(moved(&leoam_instance_statistics::disk_read_bytes) / n_tokens);
  kv_read_bytes_.push_back(moved(&leoam_instance_statistics::kv_read_bytes) / n_tokens);
  record_read_bytes_.push_back(moved(&leoam_instance_statistics::record_read_bytes) / n_tokens);
  code_read_bytes_.push_back(moved(&leoam_instance_statistics::code_read_bytes) / n_tokens);
  const double reading_us = moved(&leoam_instance_statistics::reading_us);
  if (reading_us > 0)
    hidden_.push_back(1 - std::min(1.0, moved(&leoam_instance_statistics::stall_us) / reading_us));
  reads_.push_back(moved(&leoam_instance_statistics::n_disk_reads) / n_tokens);
  stalled_.push_back(std::min(1.0, moved(&leoam_instance_statistics::stall_us) / seconds / 1e6));
  sequences_per_step_.push_back(per(n_tokens, moved(&leoam_instance_statistics::n_steps)));
  least_coverage_ = std::min(least_coverage_, double{turn.least_coverage});
}

void BenchCase::look() {
  Sequence& sequence = sequences_.front();
  layer_times_ = sequence.session.layer_times();
  EvaluateOptions audit;
  audit.audit = true;
  for (uint32_t i = 0; i < kLook_tokens; ++i) {
    sequence.session.evaluate(std::span(&sequence.next, 1), audit);
    attention_.add(sequence.session.attention(), model_.info().n_layers);
    sequence.next = likeliest(sequence.session.logits());
  }
}

Json BenchCase::samples_json() const {
  // Enough for a line.
  constexpr size_t kMost = 400;
  const size_t every = samples_.size() / kMost + 1;
  Json rows = Json::array();
  for (size_t i = 0; i < samples_.size(); ++i) {
    const TierSample& one = samples_[i];
    if (i % every == 0 || i + 1 == samples_.size())
      rows.push_back(
          {one.seconds, one.drawn_tokens, one.host_kv_bytes, one.disk_kv_bytes, one.disk_read_bytes});
  }
  return rows;
}

Json BenchCase::json() const {
  uint64_t kv_bytes = 0;
  for (const Sequence& sequence : sequences_) kv_bytes += sequence.session.info().kv_bytes;
  const Measured rate = summarise(rates_);
  const Measured step = summarise(step_ms_);
  const bool selected = n_selections_ > 0;
  Json layers = Json::array();
  for (const leoam_layer_times& one : layer_times_)
    layers.push_back({{"layer", one.layer},
                      {"begin_us", one.begin_us},
                      {"end_us", one.end_us},
                      {"computing_us", one.computing_us},
                      {"waiting_us", one.waiting_us},
                      {"demand_bytes", one.demand_bytes},
                      {"ahead_bytes", one.ahead_bytes},
                      {"sent_us", one.sent_us},
                      {"arrived_us", one.arrived_us}});
  Json json = {
      {"policy", policy_},
      {"host_budget", budget_.name.empty() ? Json(nullptr) : Json(budget_.name)},
      {"host_budget_bytes", host_budget_bytes_},
      {"context_tokens", context_tokens_},
      {"batch", sequences_.size()},
      {"kv_type", kv_type_name(static_cast<KvType>(sequences_.front().session.info().kv_type))},
      {"kv_bytes", kv_bytes},
      {"prefill_tokens_per_second", prefill_rate_},
      {"tokens_per_second", rate.median},
      {"tokens_per_second_spread", rate.spread},
      {"sequence_tokens_per_second", rate.median / static_cast<double>(sequences_.size())},
      {"ms_per_token", step.median},
      {"ms_per_token_spread", step.spread},
      {"sequences_per_step", summarise(sequences_per_step_).median},
      {"disk_read_bytes_per_token", summarise(read_bytes_).median},
      {"disk_reads_per_token", summarise(reads_).median},
      {"kv_read_bytes_per_token", summarise(kv_read_bytes_).median},
      {"record_read_bytes_per_token", summarise(record_read_bytes_).median},
      {"code_read_bytes_per_token", summarise(code_read_bytes_).median},
      {"stalled_share", summarise(stalled_).median},
      {"hidden_share", hidden_.empty() ? Json(nullptr) : Json(summarise(hidden_).median)},
      {"guessed_share", n_pages_fetched_ == 0 ? Json(nullptr)
                                              : Json(static_cast<double>(n_pages_guessed_) /
                                                     static_cast<double>(n_pages_fetched_))},
      // Of one layer and KV head.
      {"chunks_evaluated", selected ? static_cast<double>(n_chunks_evaluated_) /
                                          static_cast<double>(n_selections_ * model_.info().n_kv_heads)
                                    : 0.0},
      {"host_kv_peak_bytes", worked_.host_kv_peak_bytes},
      {"disk_kv_bytes", worked_.disk_kv_bytes},
      {"attended_share",
       selected ? static_cast<double>(n_attended_tokens_) / static_cast<double>(n_candidate_tokens_) : 1.0},
      {"mean_coverage", selected ? coverage_sum_ / static_cast<double>(n_selections_) : 1.0},
      {"least_coverage", least_coverage_}};
  json.update(attention_.json());
  if (!selected) json["captured_mass"] = 1.0;
  json["layer_times"] = std::move(layers);
  json["samples"] = samples_json();
  return json;
}

}  // namespace leoam::cli
