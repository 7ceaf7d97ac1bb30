// The two parts of `leoam bench`: how fast a model runs at depths of the context, and how policies compare.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common.h"

namespace leoam::cli {

// More than any context of the bench: nothing has to leave memory.
constexpr uint64_t kAllResident_bytes = uint64_t{1} << 40;

// Bytes, or a share of the KV that all sequences have when their context is full.
struct HostBudget {
  std::string name;  // as it was given; empty: the library's own
  uint64_t bytes = 0;
  double share = 0;  // where it is above 0, bytes is not known yet
};
// "64MiB", "10%" or "all". Throws CLI::ValidationError.
HostBudget parse_host_budget(const std::string& text);

// "leoam, RAM for 10%"
std::string case_name(const std::string& policy, const std::string& host_budget);

struct BenchOptions : CommonOptions {
  uint32_t prompt_tokens = 512;
  uint32_t generate_tokens = 64;
  std::vector<uint64_t> depths = {0, 4096};
  uint32_t repeat = 5;
  // Of a comparison.
  std::vector<uint64_t> contexts;
  std::vector<HostBudget> host_budgets = {{}};
  uint32_t batch = 1;
  std::string text_file;
  std::string report;  // files, or empty
  std::string picture;
};

// One JSON object, or a table, on standard output.
void bench_depths(const BenchOptions& options);
void bench_policies(const BenchOptions& options);

}  // namespace leoam::cli
