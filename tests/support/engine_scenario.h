// EngineScenario: what a program does with sessions whose KV does not fit, over a file system that fails, and
// the logits that it must get all the same.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/engine/engine.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/temp_file.h"

namespace leoam::testing {

// What the program was told of its session file. Thread rule: all calls are thread-safe.
class EngineJournal {
 public:
  struct State {
    std::optional<std::vector<int32_t>> acknowledged;  // of the last save that succeeded
    std::optional<std::vector<int32_t>> attempted;     // of the save in progress, or of one that failed
  };
  State state() const;
  void set(State state);
  void attempt(std::vector<int32_t> tokens);
  void acknowledge();
  // Called after every change, on the thread that makes it.
  std::function<void(const State&)> on_change = [](const State&) {};

 private:
  mutable std::mutex mutex_;
  State state_;
};

class EngineScenario {
 public:
  static constexpr int kCount = 5;
  static const char* name(int which);

  // Runs all of them in RAM, for the logits to compare with.
  EngineScenario();

  // Told of a failure before the operation is tried again: from then on nothing fails any more.
  using Heal = std::function<void(const Status& failure)>;
  // `folder` exists. Every failure must be a documented one, what is tried again after it must succeed, every
  // logit must be the expected one, and nothing may be left behind. Empty, or what does not hold.
  std::string run(int which, const std::shared_ptr<FileSystem>& files, const std::string& folder,
                  const Heal& heal, EngineJournal* journal);
  // Opens the session file as the next start of the program does: its tokens are those that were
  // acknowledged, or those of the attempt, and it goes on with the expected logits. `*refused`, where given:
  // why it was not opened.
  std::string check_recovery(const std::shared_ptr<FileSystem>& files, const std::string& folder,
                             const EngineJournal::State& told, Status* refused = nullptr);

  // A disk with kFolder on it.
  static constexpr char kFolder[] = "/state";
  static std::shared_ptr<SimulatedDisk> empty_disk();
  static std::string session_path(const std::string& folder) { return folder + "/a.session"; }

 private:
  class Program;
  // Of each line of tokens and each number of them.
  using Logits = std::map<std::pair<int, size_t>, std::vector<float>>;

  TempFile model_;
  Logits expected_;
  bool is_first_run_ = true;
  bool has_computed_again_ = false;  // since the newest run began
};

}  // namespace leoam::testing
