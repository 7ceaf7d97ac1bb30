#include "tests/support/engine_scenario.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "runtime/engine/session_files.h"
#include "tests/support/session_model.h"
#include "tests/support/session_scenario.h"
#include "tests/support/tiny_model.h"

namespace leoam::testing {
namespace {

enum Scenario { kSpill, kSave, kFork, kSelect, kCompact };

// Lines of tokens: the other one leaves the first in the middle of its prompt; then those of sessions that
// attend to a selection, and of sessions whose old pages are compact.
constexpr int kMain = 0;
constexpr int kOther = 1;
constexpr int kSelecting = 2;
constexpr int kCompacting = 3;
constexpr size_t kPrompt_tokens = 600;
constexpr size_t kLeft_tokens = 300;
constexpr size_t kOtherPrompt_tokens = 340;
constexpr size_t kAll_tokens = 640;
constexpr uint64_t kBudget_bytes = 150 << 10;
// Abstracts have their place too; less than the KV alone.
constexpr uint64_t kSelectBudget_bytes = 200 << 10;
// Of a logit, where KV with 8 and 4 bits was computed again.
constexpr double kCodecTolerance = 0.05;
// A scratch file in which nothing is used keeps the room that it grew by last.
constexpr uint64_t kIdleScratch_bytes = 2 << 20;

std::vector<int32_t> line_of(int line) {
  std::vector<int32_t> tokens(kAll_tokens);
  uint32_t seed = line == kSelecting ? 5 : line == kCompacting ? 7 : 1;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i == kLeft_tokens && line == kOther) seed = 99;
    seed = seed * 1664525u + 1013904223u;
    tokens[i] = static_cast<int32_t>(seed >> 8) % 256;
  }
  return tokens;
}

std::vector<uint8_t> model_bytes() {
  TinyModelOptions options;
  options.n_layers = 3;
  options.context_tokens = 1024;
  return tiny_model(options).bytes();
}

size_t common(const std::vector<int32_t>& a, const std::vector<int32_t>& b) {
  const size_t n = std::min(a.size(), b.size());
  return static_cast<size_t>(
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(n), b.begin()).first - a.begin());
}

bool is_of(const std::vector<int32_t>& tokens, int line) {
  return common(tokens, line_of(line)) == tokens.size();
}

// The line of tokens that a session file holds, where it is not the other one.
int line_with(const std::vector<int32_t>& tokens) {
  for (const int line : {kSelecting, kCompacting})
    if (!tokens.empty() && is_of(tokens, line)) return line;
  return kMain;
}

int line_of_scenario(int which) {
  return which == kSelect ? kSelecting : which == kCompact ? kCompacting : kMain;
}

uint64_t budget_of(int line) {
  return line == kSelecting ? kSelectBudget_bytes : kBudget_bytes;
}

SessionOptions options_of(int line) {
  SessionOptions options;
  if (line == kCompacting) options.page_codec = kernels::PageCodec::k8v4;
  if (line == kSelecting) options.policy.name = "leoam";
  options.policy.importance = 0.4;
  return options;
}

double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(double{a[i]} - double{b[i]}));
  return largest;
}

Status wrong(const std::string& what) {
  return Status(ErrorKind::internal, what);
}

}  // namespace

EngineJournal::State EngineJournal::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void EngineJournal::set(State state) {
  const std::lock_guard lock(mutex_);
  state_ = std::move(state);
}

void EngineJournal::attempt(std::vector<int32_t> tokens) {
  {
    const std::lock_guard lock(mutex_);
    state_.attempted = std::move(tokens);
  }
  on_change(state());
}

void EngineJournal::acknowledge() {
  {
    const std::lock_guard lock(mutex_);
    state_.acknowledged = std::move(state_.attempted);
    state_.attempted.reset();
  }
  on_change(state());
}

// One start of the program. Calls return a Status that is not ok when something does not hold.
class EngineScenario::Program {
 public:
  Program(EngineScenario& scenario, const std::shared_ptr<FileSystem>& files, std::string folder, Heal heal,
          EngineJournal* journal)
      : scenario_(scenario),
        files_(files),
        folder_(std::move(folder)),
        heal_(std::move(heal)),
        journal_(journal) {}

  Status start(uint64_t host_bytes = kBudget_bytes) {
    EngineOptions options;
    options.n_threads = 1;
    options.host_kv_budget_bytes = host_bytes;
    options.disk_kv_budget_bytes = uint64_t{64} << 20;
    options.state_folder = folder_;
    options.file_system = files_;
    LEOAM_ASSIGN_OR_RETURN(engine_, Engine::create(options));
    LEOAM_ASSIGN_OR_RETURN(model_, engine_->load_model(scenario_.model_.path(), {}, {}, nullptr));
    return {};
  }

  Status run(int which) {
    switch (which) {
      case kSpill:
        return spill();
      case kSave:
      case kSelect:
      case kCompact:
        return save_and_open(line_of_scenario(which));
      default:
        return fork();
    }
  }

  Status open(std::shared_ptr<Session>* session) {
    session->reset();
    const SecretKey key = test_key();
    LEOAM_ASSIGN_OR_RETURN(const std::vector<int32_t> saved,
                           SessionFiles(*engine_).tokens(session_path(folder_), &key));
    LEOAM_ASSIGN_OR_RETURN(
        *session, engine_->open_session(model_, session_path(folder_), &key, options_of(line_with(saved))));
    return {};
  }

  static std::vector<int32_t> tokens(Session& session) {
    std::vector<int32_t> out(session.n_tokens());
    (void)session.copy_tokens(0, out).ok();
    return out;
  }

  // The session becomes the first n tokens of a line, wherever it stands, by the passes that the line is made
  // of; after each the logits are the expected ones.
  Status reach(Session& session, int line, size_t n) {
    if (line == kOther && common(tokens(session), line_of(kOther)) <= kLeft_tokens) {
      if (session.n_tokens() < kLeft_tokens) LEOAM_RETURN_IF_ERROR(advance(session, kMain, kPrompt_tokens));
      LEOAM_RETURN_IF_ERROR(
          again([&] { return session.truncate(std::min<uint64_t>(session.n_tokens(), kLeft_tokens)); }));
    }
    const size_t n_common = common(tokens(session), line_of(line));
    if (n_common < session.n_tokens()) LEOAM_RETURN_IF_ERROR(session.truncate(n_common));
    return advance(session, line, n);
  }

  Status check_logits(Session& session, int line) {
    const size_t n = session.n_tokens();
    std::vector<float> found(model_->config().n_vocab);
    LEOAM_RETURN_IF_ERROR(session.copy_logits(found));
    const auto expected = scenario_.is_first_run_ ? scenario_.expected_.try_emplace({line, n}, found).first
                                                  : scenario_.expected_.find({line, n});
    if (expected == scenario_.expected_.end()) return wrong(fmt::format("{} tokens of line {}", n, line));
    if (expected->second == found) return {};
    if (line == kCompacting && has_computed_again() && difference(expected->second, found) < kCodecTolerance)
      return {};
    return wrong(fmt::format("wrong logits after {} tokens of line {}: they differ by {}", n, line,
                             difference(expected->second, found)));
  }

  // Compact pages that were lost come back with the codec's precision: what they are computed from was not
  // compact when it was first attended to.
  bool has_computed_again() {
    if (engine_->statistics().recomputed_tokens > 0) scenario_.has_computed_again_ = true;
    return scenario_.has_computed_again_;
  }

  // Where the newest KV was lost there are no logits: it is computed again, by the passes that made it.
  Status check_opened(Session& session, int line) {
    std::vector<float> logits(model_->config().n_vocab);
    return session.copy_logits(logits).ok() ? check_logits(session, line) : Status();
  }

  // With a session as it was opened.
  Status go_on(Session& session) {
    const std::vector<int32_t> found = tokens(session);
    const int line = is_of(found, line_with(found)) ? line_with(found) : kOther;
    LEOAM_RETURN_IF_ERROR(check_opened(session, line));
    return reach(session, line, found.size() + 1);
  }

  // Nothing of what was there is left: memory, room on the disk, files.
  Status check_end() {
    model_.reset();
    const auto is_clean = [&] {
      const EngineStatistics now = engine_->statistics();
      return now.host_kv_bytes <= kBudget_bytes / 4 && now.disk_kv_bytes <= kIdleScratch_bytes;
    };
    // What was on its way when its session ended goes when it has arrived.
    for (int i = 0; i < 1000 && !is_clean(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (is_clean()) return {};
    const EngineStatistics now = engine_->statistics();
    return wrong(
        fmt::format("left behind: {} bytes in RAM, {} on disk", now.host_kv_bytes, now.disk_kv_bytes));
  }

 private:
  // An operation that may fail once, in a documented way.
  template <class Operation>
  Status again(const Operation& operation) {
    Status status = operation();
    if (status.ok() || status.kind() == ErrorKind::internal) return status;
    if (!is_documented(status)) return wrong("not documented: " + status.message());
    heal_(status);
    return operation();
  }

  Status advance(Session& session, int line, size_t n) {
    const std::vector<int32_t> all = line_of(line);
    const size_t n_prompt = line == kOther ? kOtherPrompt_tokens : kPrompt_tokens;
    while (session.n_tokens() < n) {
      const size_t end = session.n_tokens() < n_prompt ? n_prompt : session.n_tokens() + 1;
      LEOAM_RETURN_IF_ERROR(again([&] {
        const size_t begin = session.n_tokens();
        return session.evaluate(std::span(all).subspan(begin, end - begin), {});
      }));
      if (session.n_tokens() != end) return wrong("tokens are missing");
      LEOAM_RETURN_IF_ERROR(check_logits(session, line));
    }
    return {};
  }

  // `sharer`, where there is one, keeps the session's file open, and is given up where it must be closed.
  Status save(std::shared_ptr<Session>* session, int line, std::shared_ptr<Session>* sharer = nullptr) {
    const size_t n = (*session)->n_tokens();
    const SecretKey key = test_key();
    const auto write = [&] {
      const bool has_file = (*session)->file_info().ok();
      return (*session)->save(has_file ? "" : session_path(folder_), &key, {});
    };
    journal_->attempt(tokens(**session));
    Status status = write();
    if (!status.ok()) {
      if (!is_documented(status)) return wrong("not documented: " + status.message());
      heal_(status);
      status = write();
      // After a failed sync nothing that was written can be relied on: the file is to be opened again. It may
      // be there already where only the folder's sync failed.
      if (status.kind() == ErrorKind::io || status.kind() == ErrorKind::busy) {
        if (sharer) sharer->reset();
        LEOAM_RETURN_IF_ERROR(open(session));
        LEOAM_RETURN_IF_ERROR(check_told(**session));
        LEOAM_RETURN_IF_ERROR(check_opened(**session, line));
        LEOAM_RETURN_IF_ERROR(reach(**session, line, n));
        status = write();
      }
    }
    LEOAM_RETURN_IF_ERROR(std::move(status));
    journal_->acknowledge();
    return {};
  }

  Status check_told(Session& session) {
    const EngineJournal::State told = journal_->state();
    const std::vector<int32_t> found = tokens(session);
    if (found == told.acknowledged || found == told.attempted) return {};
    return wrong(fmt::format("{} tokens that were never saved", found.size()));
  }

  Status reopen(std::shared_ptr<Session>* session) {
    LEOAM_RETURN_IF_ERROR(again([&] { return open(session); }));
    return check_told(**session);
  }

  Status create(std::shared_ptr<Session>* session, int line = kMain) {
    LEOAM_ASSIGN_OR_RETURN(*session, engine_->create_session(model_, options_of(line)));
    return {};
  }

  Status spill() {
    std::shared_ptr<Session> session;
    LEOAM_RETURN_IF_ERROR(create(&session));
    LEOAM_RETURN_IF_ERROR(reach(*session, kMain, kPrompt_tokens + 4));
    LEOAM_RETURN_IF_ERROR(again([&] { return session->suspend({}); }));
    return reach(*session, kMain, kPrompt_tokens + 6);
  }

  Status save_and_open(int line) {
    std::shared_ptr<Session> session;
    LEOAM_RETURN_IF_ERROR(create(&session, line));
    LEOAM_RETURN_IF_ERROR(reach(*session, line, kPrompt_tokens));
    LEOAM_RETURN_IF_ERROR(save(&session, line));
    LEOAM_RETURN_IF_ERROR(reach(*session, line, kPrompt_tokens + 2));
    LEOAM_RETURN_IF_ERROR(save(&session, line));
    session.reset();
    const SecretKey key = test_key();
    LEOAM_RETURN_IF_ERROR(again([&] { return SessionFiles(*engine_).compact(session_path(folder_), &key); }));
    LEOAM_RETURN_IF_ERROR(reopen(&session));
    LEOAM_RETURN_IF_ERROR(check_opened(*session, line));
    LEOAM_RETURN_IF_ERROR(reach(*session, line, kPrompt_tokens + 4));
    LEOAM_RETURN_IF_ERROR(save(&session, line));
    return reach(*session, line, kPrompt_tokens + 6);
  }

  Status fork() {
    std::shared_ptr<Session> first;
    LEOAM_RETURN_IF_ERROR(create(&first));
    LEOAM_RETURN_IF_ERROR(reach(*first, kMain, kPrompt_tokens));
    LEOAM_RETURN_IF_ERROR(save(&first, kMain));
    LEOAM_ASSIGN_OR_RETURN(std::shared_ptr<Session> second, first->fork());
    LEOAM_RETURN_IF_ERROR(reach(*second, kMain, kPrompt_tokens + 1));
    LEOAM_RETURN_IF_ERROR(reach(*first, kOther, kOtherPrompt_tokens + 1));
    LEOAM_RETURN_IF_ERROR(again([&] { return second->suspend({}); }));
    LEOAM_RETURN_IF_ERROR(save(&first, kOther, &second));
    if (second) LEOAM_RETURN_IF_ERROR(reach(*second, kMain, kPrompt_tokens + 2));
    second.reset();
    LEOAM_RETURN_IF_ERROR(reopen(&first));
    LEOAM_RETURN_IF_ERROR(check_opened(*first, kOther));
    return reach(*first, kOther, kOtherPrompt_tokens + 2);
  }

  EngineScenario& scenario_;
  const std::shared_ptr<FileSystem> files_;
  const std::string folder_;
  const Heal heal_;
  EngineJournal* const journal_;
  std::unique_ptr<Engine> engine_;
  std::shared_ptr<const Model> model_;
};

const char* EngineScenario::name(int which) {
  static constexpr const char* kNames[kCount] = {"spill", "save", "fork", "select", "compact"};
  return kNames[which];
}

std::shared_ptr<SimulatedDisk> EngineScenario::empty_disk() {
  auto disk = std::make_shared<SimulatedDisk>();
  const Status made = disk->make_private_folder(kFolder);
  return made.ok() ? disk : nullptr;
}

EngineScenario::EngineScenario() : model_(model_bytes()) {
  // Whoever the process becomes reads the model.
  std::filesystem::permissions(model_.folder(), std::filesystem::perms(0755));
  for (int which = 0; which < kCount; ++which) {
    EngineJournal journal;
    Program program(
        *this, empty_disk(), kFolder, [](const Status&) {}, &journal);
    Status status = program.start(uint64_t{1} << 30);
    if (status.ok()) status = program.run(which);
    if (!status.ok()) throw std::runtime_error(status.message());
  }
  is_first_run_ = false;
}

std::string EngineScenario::run(int which, const std::shared_ptr<FileSystem>& files,
                                const std::string& folder, const Heal& heal, EngineJournal* journal) {
  has_computed_again_ = false;
  Program program(*this, files, folder, heal, journal);
  Status status = program.start(budget_of(line_of_scenario(which)));
  if (status.ok()) status = program.run(which);
  if (status.ok()) status = program.check_end();
  return status.message();
}

std::string EngineScenario::check_recovery(const std::shared_ptr<FileSystem>& files,
                                           const std::string& folder, const EngineJournal::State& told,
                                           Status* refused) {
  EngineJournal journal;
  journal.set(told);
  Program program(
      *this, files, folder, [](const Status&) {}, &journal);
  const std::vector<int32_t> saved =
      told.acknowledged.value_or(told.attempted.value_or(std::vector<int32_t>()));
  Status status = program.start(budget_of(line_with(saved)));
  if (!status.ok()) return status.message();
  std::shared_ptr<Session> session;
  status = program.open(&session);
  if (status.kind() == ErrorKind::not_found && !told.acknowledged) return "";
  if (!status.ok()) {
    if (refused) *refused = status.clone();
    return "it cannot be opened: " + status.message();
  }
  const std::vector<int32_t> found = Program::tokens(*session);
  if (found != told.acknowledged && found != told.attempted)
    return fmt::format("{} tokens; acknowledged: {}, attempted: {}", found.size(),
                       told.acknowledged ? told.acknowledged->size() : 0,
                       told.attempted ? told.attempted->size() : 0);
  return program.go_on(*session).message();
}

}  // namespace leoam::testing
