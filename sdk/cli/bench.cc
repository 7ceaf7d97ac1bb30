#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <random>

#include "bandwidth.h"
#include "common.h"

namespace leoam::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct BenchOptions : CommonOptions {
  uint32_t prompt_tokens = 512;
  uint32_t generate_tokens = 64;
  std::vector<uint64_t> depths = {0, 4096};
  uint32_t repeat = 5;
};

// Median, and half the distance between the quartiles.
struct Measured {
  double median = 0;
  double spread = 0;
};

Measured summarise(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1) + 0.5)];
  };
  const size_t half = values.size() / 2;
  const double median = values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
  return {median, (at(0.75) - at(0.25)) / 2};
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Bench {
 public:
  explicit Bench(const BenchOptions& options)
      : options_(options),
        instance_(open_instance(options)),
        model_(open_model(instance_, options)),
        bandwidth_(instance_.statistics().n_threads) {}

  Json run() {
    Json rows = Json::array();
    for (const uint64_t depth : options_.depths) rows.push_back(row(depth));
    const leoam_model_info info = model_.info();
    return {{"model", std::string(info.architecture.data, info.architecture.size)},
            {"quantization", std::string(info.quantization.data, info.quantization.size)},
            {"threads", instance_.statistics().n_threads},
            {"prompt", options_.prompt_tokens},
            {"generate", options_.generate_tokens},
            {"repeat", options_.repeat},
            {"memory_bytes", info.memory_bytes},
            {"rows", rows}};
  }

 private:
  // Random ids: content does not change the work.
  std::vector<int32_t> random_tokens(size_t n) {
    std::uniform_int_distribution<int32_t> any(0, static_cast<int32_t>(model_.info().n_vocab) - 1);
    std::vector<int32_t> tokens(n);
    for (int32_t& token : tokens) token = any(random_);
    return tokens;
  }

  // Back to `depth` tokens; sliding layers may have dropped them, then they are computed again.
  void rewind(Session& session, const std::vector<int32_t>& context) {
    try {
      session.truncate(context.size());
    } catch (const Error& error) {
      if (error.code() != LEOAM_ERROR_UNSUPPORTED) throw;
      session.truncate(0);
      session.evaluate(context);
    }
  }

  double prefill_rate(Session& session, const std::vector<int32_t>& context) {
    const std::vector<int32_t> prompt = random_tokens(options_.prompt_tokens);
    const auto start = Clock::now();
    session.evaluate(prompt);
    const double seconds = seconds_since(start);
    rewind(session, context);
    return options_.prompt_tokens / seconds;
  }

  struct Decoded {
    double tokens_per_second;
    double bytes_per_token;
  };
  // From the first token to the last: generate_tokens passes.
  Decoded decode_rate(Session& session, const std::vector<int32_t>& context) {
    const std::vector<int32_t> prompt = random_tokens(1);
    RequestOptions options;
    options.prompt = prompt;
    options.max_tokens = options_.generate_tokens + 1;
    options.ignore_end = true;
    // Taken on the thread that decodes: a receiver that wakes up late must not shorten the time.
    Clock::time_point first, last;
    options.delivery = Delivery::callback;
    options.on_event = [&](const Event& event) {
      if (event.kind == EventKind::token) (event.done_tokens == 1 ? first : last) = Clock::now();
      return true;
    };
    leoam_request_statistics statistics{};
    {
      Request request = session.submit(std::move(options));
      request.wait();
      request.finish_reason();
      statistics = request.statistics();
    }
    const double seconds = std::chrono::duration<double>(last - first).count();
    rewind(session, context);
    const double passes = options_.generate_tokens + 1.0;  // the prompt's one too
    return {options_.generate_tokens / seconds,
            static_cast<double>(statistics.weight_bytes_read + statistics.kv_bytes_read) / passes};
  }

  Json row(uint64_t depth) {
    const uint64_t longest = depth + std::max(options_.prompt_tokens, options_.generate_tokens + 2);
    Session session = open_session(model_, options_, longest);
    const std::vector<int32_t> context = random_tokens(depth);
    if (depth > 0) session.evaluate(context);
    std::vector<double> prefill, decode, bandwidth, share;
    double bytes_per_token = 0;
    // The first round warms caches and page tables up and does not count.
    for (uint32_t i = 0; i <= options_.repeat; ++i) {
      const double prefill_now = options_.prompt_tokens == 0 ? 0 : prefill_rate(session, context);
      const Decoded decoded = options_.generate_tokens == 0 ? Decoded{0, 0} : decode_rate(session, context);
      const double bandwidth_now = bandwidth_.measure();
      if (i == 0 && options_.repeat > 0) continue;
      prefill.push_back(prefill_now);
      decode.push_back(decoded.tokens_per_second);
      bandwidth.push_back(bandwidth_now);
      share.push_back(decoded.tokens_per_second * decoded.bytes_per_token / bandwidth_now);
      bytes_per_token = decoded.bytes_per_token;
    }
    const Measured p = summarise(prefill);
    const Measured d = summarise(decode);
    return {{"depth", depth},
            {"prefill_tokens_per_second", p.median},
            {"prefill_spread", p.spread},
            {"decode_tokens_per_second", d.median},
            {"decode_spread", d.spread},
            {"decode_bytes_read", bytes_per_token},
            {"bandwidth_bytes_per_second", summarise(bandwidth).median},
            {"bandwidth_share", summarise(share).median}};
  }

  const BenchOptions& options_;
  Instance instance_;
  Model model_;
  MemoryBandwidth bandwidth_;
  std::mt19937 random_{1};
};

void print_table(const Json& result) {
  std::printf("%s %s, %u threads, prefill of %u, decode of %u tokens, medians of %u\n",
              result["model"].get<std::string>().c_str(), result["quantization"].get<std::string>().c_str(),
              result["threads"].get<uint32_t>(), result["prompt"].get<uint32_t>(),
              result["generate"].get<uint32_t>(), result["repeat"].get<uint32_t>());
  std::printf("%8s  %18s  %18s  %12s  %12s  %6s\n", "depth", "prefill tokens/s", "decode tokens/s",
              "MiB/token", "memory GB/s", "share");
  for (const Json& row : result["rows"])
    std::printf("%8llu  %10.1f +- %4.1f  %10.1f +- %4.1f  %12.1f  %12.1f  %5.0f%%\n",
                static_cast<unsigned long long>(row["depth"].get<uint64_t>()),
                row["prefill_tokens_per_second"].get<double>(), row["prefill_spread"].get<double>(),
                row["decode_tokens_per_second"].get<double>(), row["decode_spread"].get<double>(),
                row["decode_bytes_read"].get<double>() / 0x1p20,
                row["bandwidth_bytes_per_second"].get<double>() / 1e9,
                100 * row["bandwidth_share"].get<double>());
}

}  // namespace

void add_bench(CLI::App& program, std::function<void()>& run) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command =
      program.add_subcommand("bench", "How fast a model runs here, beside what the memory allows");
  add_model_options(*command, *options);
  command->add_option("--prompt", options->prompt_tokens, "Tokens of a timed prefill")->capture_default_str();
  command->add_option("--generate", options->generate_tokens, "Tokens of a timed decode")
      ->capture_default_str();
  command->add_option("--depth", options->depths, "Tokens in the context before it")->delimiter(',');
  command->add_option("--repeat", options->repeat, "Counted repetitions")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  command->callback([options, &run] {
    run = [options] {
      const Json result = Bench(*options).run();
      options->json ? print_json(result) : print_table(result);
    };
  });
}

}  // namespace leoam::cli
