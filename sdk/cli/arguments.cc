#include <array>
#include <cmath>

#include "common.h"

namespace leoam::cli {

uint64_t parse_size(const std::string& text) {
  static constexpr std::array<std::pair<std::string_view, double>, 5> kUnits = {
      {{"", 1.0}, {"B", 1.0}, {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}}};
  const auto refuse = [&] {
    return CLI::ValidationError("size", "expected a number with KiB, MiB or GiB, found '" + text + "'");
  };
  size_t end = 0;
  double value = 0;
  try {
    value = std::stod(text, &end);
  } catch (const std::exception&) {
    throw refuse();
  }
  while (end < text.size() && text[end] == ' ') ++end;
  for (const auto& [unit, factor] : kUnits) {
    if (text.substr(end) != unit) continue;
    if (!(value >= 0) || value * factor >= 0x1p63) throw refuse();
    return static_cast<uint64_t>(value * factor);
  }
  throw refuse();
}

CLI::Option* add_size(CLI::App& command, const std::string& names, uint64_t& bytes, const std::string& help) {
  return command
      .add_option_function<std::string>(
          names, [&bytes](const std::string& text) { bytes = parse_size(text); }, help)
      ->type_name("SIZE");
}

void add_tier_options(CLI::App& command, CommonOptions& options) {
  add_size(command, "--host-budget,--kv-budget", options.host_budget_bytes,
           "Most bytes of KV cache in memory (KiB, MiB, GiB); default: half of the machine's memory");
  add_size(command, "--disk-budget", options.disk_budget_bytes,
           "Most bytes of KV cache in files; default: half of what is free");
  add_size(command, "--write-cap", options.write_cap_bytes, "Most bytes to write to files; default: no cap");
  command.add_option("--state-dir", options.state_folder,
                     "Folder for KV that leaves memory; default: $XDG_STATE_HOME/leoam");
  command.add_flag("--plaintext-scratch", options.plaintext_scratch, "Do not encrypt KV that leaves memory");
  command.add_flag("--no-io-uring", options.no_io_uring, "Read and write files with threads");
  command.add_flag("--no-direct", options.no_direct, "Read and write files through the page cache");
}

void add_instance_options(CLI::App& command, CommonOptions& options) {
  command.add_option("--threads", options.n_threads, "Threads; 0: the CPUs of this process, at most 16");
  command.add_option("--cpu", options.cpu_level, "scalar, avx2 or avx512; default: the best of the machine");
  add_tier_options(command, options);
  command.add_flag("--json", options.json, "One JSON object on standard output, and nothing else there");
}

void add_model_options(CLI::App& command, CommonOptions& options) {
  command.add_option("MODEL", options.model, "GGUF file")->required();
  add_instance_options(command, options);
  command
      .add_option_function<std::string>(
          "--kv", [&options](const std::string& name) { options.kv_type = kv_types().at(name); },
          "What keys and values are kept as: f32, f16 (default), int8; k8v8, k8v4 or k4v4: f16 whose older "
          "pages are kept in so many bits; auto")
      ->check(CLI::IsMember(kv_types()));
  command.add_option("--context", options.context_tokens, "Most tokens of a session; 0: the model's context");
  command.add_option("--policy", options.policy,
                     "Which KV a drawn token attends to: exact, leoam, quest, window or h2o");
  command.add_option("--rope-scaling", options.rope_scaling, "Override of the file")
      ->check(CLI::IsMember({"none", "linear", "yarn"}));
  command.add_option("--rope-factor", options.rope_factor, "Override of the file: context extension, >= 1");
  command.add_option("--rope-base", options.rope_base, "Override of the file: frequency base");
  command.add_option("--rope-original-context", options.rope_original_context_tokens,
                     "Override of the file: context before the extension");
}

void add_budget_options(CLI::App& command, CommonOptions& options) {
  CLI::Option* importance =
      command
          .add_option("--importance", options.importance,
                      "Share of the context that a policy other than exact attends to; default: 0.1")
          ->check(CLI::Range(1e-6, 1.0));
  command.add_option("--budget-tokens", options.budget_tokens, "The same in tokens")->excludes(importance);
  add_selection_options(command, options);
}

void add_selection_options(CLI::App& command, CommonOptions& options) {
  command
      .add_option("--coverage-floor", options.coverage_floor,
                  "Attend to more while less of some head's attention is certain to be selected")
      ->check(CLI::Range(0.0, 0.999999));
  command.add_option("--channels", options.n_channels,
                     "Channels of a key that the policy leoam has codes of; 0: half of them");
  command
      .add_option("--breadth", options.breadth,
                  "The policy leoam reads codes of so many times the tokens that it attends to; default: 12")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--page-spread", options.page_spread,
                  "The policy leoam takes tokens from so many times the pages that they would fill; 0: any")
      ->check(CLI::NonNegativeNumber);
  command.add_flag("--sparse-prefill{32768}", options.sparse_prefill_tokens,
                   "Prompts too attend to a selection from 32768 tokens on, or from =TOKENS (leoam, quest)");
}

void add_sampling_options(CLI::App& command, SamplingOptions& options) {
  command.add_option("--max-tokens", options.max_tokens, "Most tokens to generate")
      ->capture_default_str()
      ->check(CLI::Range(1u, UINT32_MAX));
  command.add_option("--temperature", options.sampler.temperature, "0: always the likeliest token")
      ->capture_default_str();
  command.add_option("--top-k", options.sampler.top_k, "Keep the K likeliest tokens; 0: off");
  command.add_option("--top-p", options.sampler.top_p, "Keep the likeliest tokens up to this probability");
  command.add_option("--min-p", options.sampler.min_p, "Drop tokens below this share of the likeliest one");
  command.add_option("--repetition-penalty", options.sampler.repetition_penalty, "1: off");
  command.add_option("--seed", options.sampler.seed, "The same seed gives the same tokens");
  command.add_option("--stop", options.stop, "Stop at this text (may be repeated)");
}

}  // namespace leoam::cli
