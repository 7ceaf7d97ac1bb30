// Scenarios: what a program does with a session file, told step by step to whoever injects faults, and what
// must hold afterwards.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/store/session_file.h"

namespace leoam::testing {

// What the program was told: the ground truth of a fault test.
struct Journal {
  std::optional<std::vector<LoggedToken>> acknowledged;  // of the last commit that succeeded
  std::optional<std::vector<LoggedToken>> attempted;     // of the commit in progress, or of one that failed
  std::function<void(const Journal&)> on_acknowledged = [](const Journal&) {};

  void attempt(std::vector<LoggedToken> tokens) { attempted = std::move(tokens); }
  void acknowledge() {
    acknowledged = std::move(attempted);
    attempted.reset();
    on_acknowledged(*this);
  }
};

// How much more than by default a test shall do: LEOAM_FAULT_ROUNDS, else 1.
int fault_rounds();
// From there on a test that takes a sample takes all.
inline constexpr int kRoundsForAll = 20;

inline constexpr int kScenarios = 6;
const char* scenario_name(int scenario);

// Makes what the scenario starts from, without faults; fills the journal.
void prepare_scenario(int scenario, FileSystem& files, const std::string& path, Journal* journal);
// Runs it. The first failure of a step ends it and is returned.
Status run_scenario(int scenario, FileSystem& files, const std::string& path, Journal* journal);

// Opens the file as the next start of the program does. Empty when all that must hold does, else what does
// not: the tokens are those that were acknowledged, or those of the attempt; no page is wrong; the file can
// be used.
std::string check_recovery(FileSystem& files, const std::string& path, const Journal& journal);

// Whether a failure is one that the contracts name, and says something.
bool is_documented(const Status& status);

}  // namespace leoam::testing
