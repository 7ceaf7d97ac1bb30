// What the commands share: the options of every command, opening a model, reading input.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <leoam/leoam.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace leoam::cli {

using Json = nlohmann::ordered_json;

// Options that every command with a model takes.
struct CommonOptions {
  std::string model;
  uint32_t n_threads = 0;
  std::string cpu_level;
  bool json = false;
  uint64_t host_budget_bytes = 0;
  uint64_t disk_budget_bytes = 0;
  uint64_t write_cap_bytes = 0;
  std::string state_folder;
  bool plaintext_scratch = false;
  bool no_io_uring = false;
  bool no_direct = false;
  KvType kv_type = KvType::f16;
  uint32_t context_tokens = 0;
  std::string policy = "exact";
  double importance = 0;
  uint32_t n_channels = 0;
  double breadth = 0;
  double page_spread = 0;
  double coverage_floor = 0;
  uint32_t budget_tokens = 0;
  uint64_t sparse_prefill_tokens = 0;
  std::string rope_scaling;
  float rope_factor = 0;
  float rope_base = 0;
  uint32_t rope_original_context_tokens = 0;
};

struct SamplingOptions {
  SamplerOptions sampler;
  uint32_t max_tokens = 256;
  std::vector<std::string> stop;
  bool ignore_end = false;
};

// Adds the options to a command. Model options include those of the instance, and they those of the tiers.
void add_instance_options(CLI::App& command, CommonOptions& options);
void add_tier_options(CLI::App& command, CommonOptions& options);
void add_model_options(CLI::App& command, CommonOptions& options);
void add_budget_options(CLI::App& command, CommonOptions& options);
// The same of another policy, of those that are compared: prompts are read exactly where it can do nothing
// else.
CommonOptions with_policy(const CommonOptions& options, const std::string& policy);
// What else says how a policy selects; add_budget_options has them.
void add_selection_options(CLI::App& command, CommonOptions& options);
void add_sampling_options(CLI::App& command, SamplingOptions& options);

// "512", "64KiB", "1.5 GiB" -> bytes. Throws CLI::ValidationError.
uint64_t parse_size(const std::string& text);
// An option with such a value.
CLI::Option* add_size(CLI::App& command, const std::string& names, uint64_t& bytes, const std::string& help);

Instance open_instance(const CommonOptions& options);
// Loads with a progress bar; Ctrl-C ends it with LEOAM_ERROR_CANCELLED.
Model open_model(const Instance& instance, const CommonOptions& options);
SessionOptions session_options(const CommonOptions& options);
Session open_session(const Model& model, const CommonOptions& options, uint64_t least_context_tokens = 0);
LoadOptions load_options(const CommonOptions& options);

// The whole file, or standard input for "-". Throws Failure.
std::string read_text(const std::string& path);
// A JSON array of token ids, or an object that has one as "tokens".
std::vector<int32_t> read_tokens(const std::string& path);
// The ids of such an array; `where` begins the words of a Failure.
std::vector<int32_t> token_ids(const nlohmann::json& json, const std::string& where);

// A failure of the command itself: its words, exit status 1.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// One JSON object on a line of standard output. Bytes that are not UTF-8 become U+FFFD.
void print_json(const Json& json);
std::string_view finish_name(FinishReason reason);
std::string_view kv_type_name(KvType type);
const std::map<std::string, KvType>& kv_types();  // by name
Json statistics_json(const leoam_request_statistics& statistics);

struct Generated {
  std::vector<int32_t> tokens;
  std::string text;
  FinishReason finish = FinishReason::none;
  leoam_request_statistics statistics{};
};
// Runs a request to its end with a progress bar for the prompt and Ctrl-C as cancel; `print`: the text goes
// to standard output as it comes. Throws Failure, and generates no more, when it cannot be written.
Generated generate(Session& session, std::span<const int32_t> prompt, const SamplingOptions& options,
                   bool print);

// Declares one command on the program; `run` is called when it was chosen and parsed.
void add_plan(CLI::App& program, std::function<void()>& run);
void add_session(CLI::App& program, std::function<void()>& run);
void add_doctor(CLI::App& program, std::function<void()>& run);
void add_info(CLI::App& program, std::function<void()>& run);
void add_tokenize(CLI::App& program, std::function<void()>& run);
void add_generate(CLI::App& program, std::function<void()>& run);
void add_ask(CLI::App& program, std::function<void()>& run);
void add_chat(CLI::App& program, std::function<void()>& run);
void add_eval(CLI::App& program, std::function<void()>& run);
void add_bench(CLI::App& program, std::function<void()>& run);

}  // namespace leoam::cli
