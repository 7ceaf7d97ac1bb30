#include "common.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

#include "interrupt.h"
#include "terminal.h"

namespace leoam::cli {

Instance open_instance(const CommonOptions& options) {
  InstanceOptions instance;
  instance.n_threads = options.n_threads;
  instance.cpu_level = options.cpu_level;
  instance.host_kv_budget_bytes = options.host_budget_bytes;
  instance.disk_kv_budget_bytes = options.disk_budget_bytes;
  instance.disk_write_cap_bytes = options.write_cap_bytes;
  // The library takes absolute folders only: it never asks where the process is.
  if (!options.state_folder.empty())
    instance.state_folder = std::filesystem::absolute(options.state_folder).string();
  instance.plaintext_scratch = options.plaintext_scratch;
  instance.io_uring = !options.no_io_uring;
  instance.direct_io = !options.no_direct;
  instance.log = [](LogLevel, std::string_view text) { std::cerr << "leoam: " << text << '\n'; };
  return Instance(std::move(instance));
}

LoadOptions load_options(const CommonOptions& options) {
  LoadOptions load;
  if (options.rope_scaling == "none") load.rope_scaling = RopeScaling::none;
  if (options.rope_scaling == "linear") load.rope_scaling = RopeScaling::linear;
  if (options.rope_scaling == "yarn") load.rope_scaling = RopeScaling::yarn;
  load.rope_factor = options.rope_factor;
  load.rope_base = options.rope_base;
  load.rope_original_context_tokens = options.rope_original_context_tokens;
  return load;
}

Model open_model(const Instance& instance, const CommonOptions& options) {
  CancelFlag cancel(instance);
  const Interrupt interrupt(&cancel);
  ProgressBar bar("load", "MiB", uint64_t{1} << 20);
  LoadOptions load = load_options(options);
  load.cancel = cancel;
  load.on_progress = bar.follower();
  return Model(instance, options.model, load);
}

const std::map<std::string, KvType>& kv_types() {
  static const std::map<std::string, KvType> types = {
      {"f16", KvType::f16},   {"f32", KvType::f32},   {"int8", KvType::int8},      {"k8v8", KvType::k8v8},
      {"k8v4", KvType::k8v4}, {"k4v4", KvType::k4v4}, {"auto", KvType::automatic},
  };
  return types;
}

std::string_view kv_type_name(KvType type) {
  for (const auto& [name, one] : kv_types())
    if (one == type) return name;
  return "f16";
}

CommonOptions with_policy(const CommonOptions& options, const std::string& policy) {
  CommonOptions other = options;
  other.policy = policy;
  if (policy != "leoam" && policy != "quest") other.sparse_prefill_tokens = 0;
  return other;
}

SessionOptions session_options(const CommonOptions& options) {
  SessionOptions session;
  session.policy = options.policy;
  session.importance = options.importance;
  session.budget_tokens = options.budget_tokens;
  session.n_channels = options.n_channels;
  session.breadth = options.breadth;
  session.page_spread = options.page_spread;
  session.coverage_floor = options.coverage_floor;
  session.sparse_prefill_tokens = options.sparse_prefill_tokens;
  session.kv_type = options.kv_type;
  session.context_tokens = options.context_tokens;
  return session;
}

Session open_session(const Model& model, const CommonOptions& options, uint64_t least_context_tokens) {
  SessionOptions session = session_options(options);
  if (options.context_tokens == 0 && least_context_tokens > model.info().context_tokens)
    session.context_tokens = static_cast<uint32_t>(least_context_tokens);
  return Session(model, session);
}

std::string read_text(const std::string& path) {
  if (path == "-") return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file && file.peek() != std::ifstream::traits_type::eof()) text << file.rdbuf();
  if (!file.is_open() || file.bad() || text.bad()) throw Failure("cannot read " + path);
  return std::move(text).str();
}

std::vector<int32_t> read_tokens(const std::string& path) {
  const auto json = nlohmann::json::parse(read_text(path), nullptr, false);
  return token_ids(json.is_object() && json.contains("tokens") ? json["tokens"] : json, path);
}

std::vector<int32_t> token_ids(const nlohmann::json& json, const std::string& where) {
  if (!json.is_array()) throw Failure(where + ": expected a JSON array of token ids");
  std::vector<int32_t> tokens;
  tokens.reserve(json.size());
  for (const auto& id : json) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() > INT32_MAX)
      throw Failure(where + ": entry " + std::to_string(tokens.size()) + " is not a token id: " + id.dump());
    tokens.push_back(id.get<int32_t>());
  }
  return tokens;
}

void print_json(const Json& json) {
  std::cout << json.dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
}

std::string_view finish_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop:
      return "stop";
    case FinishReason::length:
      return "length";
    case FinishReason::cancelled:
      return "cancelled";
    case FinishReason::failed:
      return "failed";
    case FinishReason::none:
      break;
  }
  return "none";
}

Json statistics_json(const leoam_request_statistics& s) {
  const auto rate = [](uint64_t tokens, uint64_t us) {
    return us == 0 ? 0.0 : static_cast<double>(tokens) * 1e6 / static_cast<double>(us);
  };
  return {
      {"prompt_tokens", s.prompt_tokens},
      {"generated_tokens", s.generated_tokens},
      {"time_to_first_token_us", s.time_to_first_token_us},
      {"prefill_us", s.prefill_us},
      {"decode_us", s.decode_us},
      {"prefill_tokens_per_second", rate(s.prefilled_tokens, s.prefill_us)},
      {"decode_tokens_per_second", rate(s.generated_tokens > 0 ? s.generated_tokens - 1 : 0, s.decode_us)},
      {"kv_bytes_read", s.kv_bytes_read},
      {"weight_bytes_read", s.weight_bytes_read}};
}

Generated generate(Session& session, std::span<const int32_t> prompt, const SamplingOptions& options,
                   bool print) {
  RequestOptions wish;
  wish.prompt = prompt;
  wish.max_tokens = options.max_tokens;
  wish.sampler = options.sampler;
  wish.stop = options.stop;
  wish.ignore_end = options.ignore_end;
  wish.delivery = Delivery::poll;
  Request request = session.submit(std::move(wish));
  const Interrupt interrupt(nullptr, &request);
  ProgressBar bar("prefill", "tokens");
  Generated generated;
  for (const Event& event : request) {
    if (event.kind == EventKind::prefill) {
      bar.update(event.done_tokens, event.total_tokens);
      continue;
    }
    bar.clear();
    if (event.kind == EventKind::token) generated.tokens.push_back(event.token);
    generated.text += event.text;
    if (print && !event.text.empty() && !(std::cout << event.text << std::flush))
      throw Failure("cannot write to standard output");
  }
  generated.finish = request.finish_reason();
  generated.statistics = request.statistics();
  return generated;
}

}  // namespace leoam::cli
