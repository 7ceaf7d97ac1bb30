#include "bench.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <random>

#include "bandwidth.h"
#include "disk_rate.h"
#include "summary.h"

namespace leoam::cli {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Bench {
 public:
  explicit Bench(const BenchOptions& options)
      : options_(options),
        instance_(open_instance(options)),
        model_(open_model(instance_, options)),
        bandwidth_(instance_.statistics().n_threads) {
    if (options.host_budget_bytes > 0) disk_.emplace(state_folder());
  }

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
            {"host_budget_bytes", instance_.statistics().host_kv_budget_bytes},
            {"scratch", options_.plaintext_scratch ? "plaintext" : "encrypted"},
            {"rows", rows}};
  }

 private:
  // Where the instance keeps what leaves memory, or the nearest folder above it.
  std::string state_folder() const {
    std::filesystem::path folder;
    for (const auto& [key, value] : instance_.describe())
      if (key == "state.folder") folder = value;
    while (!folder.empty() && !std::filesystem::is_directory(folder)) folder = folder.parent_path();
    return folder.string();
  }

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
    double tokens_per_second = 0;
    double bytes_per_token = 0;  // read from memory
    double kv_bytes_per_token = 0;
    // Of all passes.
    uint64_t n_passes = 0;
    uint64_t disk_read_bytes = 0;
    uint64_t disk_written_bytes = 0;
    uint64_t stall_us = 0;
    uint64_t n_pages_missed = 0;
    uint64_t n_pages_ahead = 0;
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
    const leoam_instance_statistics before = instance_.statistics();
    {
      Request request = session.submit(std::move(options));
      request.wait();
      request.finish_reason();
      statistics = request.statistics();
    }
    const leoam_instance_statistics after = instance_.statistics();
    const double seconds = std::chrono::duration<double>(last - first).count();
    rewind(session, context);
    Decoded decoded;
    decoded.n_passes = options_.generate_tokens + 1;  // the prompt's one too
    const auto passes = static_cast<double>(decoded.n_passes);
    decoded.tokens_per_second = options_.generate_tokens / seconds;
    decoded.kv_bytes_per_token = static_cast<double>(statistics.kv_bytes_read) / passes;
    decoded.bytes_per_token =
        static_cast<double>(statistics.weight_bytes_read) / passes + decoded.kv_bytes_per_token;
    decoded.disk_read_bytes = after.disk_read_bytes - before.disk_read_bytes;
    decoded.disk_written_bytes = after.disk_written_bytes - before.disk_written_bytes;
    decoded.stall_us = after.stall_us - before.stall_us;
    decoded.n_pages_missed = after.n_pages_missed - before.n_pages_missed;
    decoded.n_pages_ahead = after.n_pages_ahead - before.n_pages_ahead;
    return decoded;
  }

  // The same decode with all KV in memory, in this moment: what the disk tier is compared with.
  double resident_rate(Session& session, const std::vector<int32_t>& context) {
    instance_.set_host_kv_budget(kAllResident_bytes);
    const double rate = decode_rate(session, context).tokens_per_second;
    instance_.set_host_kv_budget(options_.host_budget_bytes);
    return rate;
  }

  // What moved between memory and files, and how far from the floor a token is: max(compute, KV bytes / disk
  // rate).
  struct Tiers {
    std::vector<double> disk_rate, resident, floor_us, ratio;
    void add(const Decoded& decoded, double resident_now, double disk_rate_now) {
      const double floor = std::max(1e6 / resident_now, 1e6 * decoded.kv_bytes_per_token / disk_rate_now);
      disk_rate.push_back(disk_rate_now);
      resident.push_back(resident_now);
      floor_us.push_back(floor);
      ratio.push_back(1e6 / decoded.tokens_per_second / floor);
    }
    void write(Json& row) const {
      row["disk_bytes_per_second"] = summarise(disk_rate).median;
      row["resident_tokens_per_second"] = summarise(resident).median;
      row["floor_us"] = summarise(floor_us).median;
      row["floor_ratio"] = summarise(ratio).median;
    }
  };

  static void write_moved(const Decoded& decoded, Json& row) {
    const auto per_token = [&](uint64_t n) {
      return decoded.n_passes == 0 ? 0.0 : static_cast<double>(n) / static_cast<double>(decoded.n_passes);
    };
    row["kv_bytes_read_per_token"] = decoded.kv_bytes_per_token;
    row["disk_bytes_read"] = decoded.disk_read_bytes;
    row["disk_bytes_read_per_token"] = per_token(decoded.disk_read_bytes);
    row["disk_bytes_written"] = decoded.disk_written_bytes;
    row["disk_bytes_written_per_token"] = per_token(decoded.disk_written_bytes);
    row["stall_us_per_token"] = per_token(decoded.stall_us);
    row["pages_missed_per_token"] = per_token(decoded.n_pages_missed);
    row["pages_ahead_per_token"] = per_token(decoded.n_pages_ahead);
  }

  Json row(uint64_t depth) {
    const uint64_t longest = depth + std::max(options_.prompt_tokens, options_.generate_tokens + 2);
    Session session = open_session(model_, options_, longest);
    const std::vector<int32_t> context = random_tokens(depth);
    if (depth > 0) session.evaluate(context);
    std::vector<double> prefill, decode, bandwidth, share;
    Decoded last;
    Tiers tiers;
    // The first round warms caches and page tables up and does not count.
    for (uint32_t i = 0; i <= options_.repeat; ++i) {
      const double prefill_now = options_.prompt_tokens == 0 ? 0 : prefill_rate(session, context);
      const Decoded decoded = options_.generate_tokens == 0 ? Decoded() : decode_rate(session, context);
      const bool tiered = disk_ && options_.generate_tokens > 0;
      const double disk_rate_now = tiered ? disk_->measure() : 0;
      const double resident_now = tiered ? resident_rate(session, context) : 0;
      const double bandwidth_now = bandwidth_.measure();
      if (i == 0 && options_.repeat > 0) continue;
      prefill.push_back(prefill_now);
      decode.push_back(decoded.tokens_per_second);
      bandwidth.push_back(bandwidth_now);
      share.push_back(decoded.tokens_per_second * decoded.bytes_per_token / bandwidth_now);
      if (tiered) tiers.add(decoded, resident_now, disk_rate_now);
      last = decoded;
    }
    const Measured p = summarise(prefill);
    const Measured d = summarise(decode);
    Json json = {{"depth", depth},
                 {"prefill_tokens_per_second", p.median},
                 {"prefill_spread", p.spread},
                 {"decode_tokens_per_second", d.median},
                 {"decode_spread", d.spread},
                 {"decode_bytes_read", last.bytes_per_token},
                 {"bandwidth_bytes_per_second", summarise(bandwidth).median},
                 {"bandwidth_share", summarise(share).median}};
    write_moved(last, json);
    if (!tiers.ratio.empty()) tiers.write(json);
    return json;
  }

  const BenchOptions& options_;
  Instance instance_;
  Model model_;
  MemoryBandwidth bandwidth_;
  std::optional<DiskRate> disk_;  // when there is a budget to go beyond
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

void print_tiers(const Json& result) {
  std::printf("\n%8s  %14s  %12s  %14s  %14s  %12s  %12s  %6s\n", "depth", "KV MiB/token", "disk MiB/token",
              "stall us/token", "in memory t/s", "disk GB/s", "floor us", "ratio");
  for (const Json& row : result["rows"])
    if (row.contains("floor_us"))
      std::printf("%8llu  %14.2f  %12.2f  %14.0f  %14.1f  %12.2f  %12.0f  %6.2f\n",
                  static_cast<unsigned long long>(row["depth"].get<uint64_t>()),
                  row["kv_bytes_read_per_token"].get<double>() / 0x1p20,
                  row["disk_bytes_read_per_token"].get<double>() / 0x1p20,
                  row["stall_us_per_token"].get<double>(), row["resident_tokens_per_second"].get<double>(),
                  row["disk_bytes_per_second"].get<double>() / 1e9, row["floor_us"].get<double>(),
                  row["floor_ratio"].get<double>());
}

}  // namespace

void bench_depths(const BenchOptions& options) {
  const Json result = Bench(options).run();
  if (options.json) return print_json(result);
  print_table(result);
  if (options.host_budget_bytes > 0) print_tiers(result);
}

void add_bench(CLI::App& program, std::function<void()>& run) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command = program.add_subcommand(
      "bench",
      "How fast a model runs here, beside what the memory allows. With --context: how policies and host "
      "budgets compare, in turns, with sequences that are decoded at once");
  add_model_options(*command, *options);
  add_budget_options(*command, *options);
  CLI::Option* prompt = command->add_option("--prompt", options->prompt_tokens, "Tokens of a timed prefill")
                            ->capture_default_str();
  command->add_option("--generate", options->generate_tokens, "Tokens of a timed decode")
      ->capture_default_str();
  CLI::Option* depth =
      command->add_option("--depth", options->depths, "Tokens in the context before it")->delimiter(',');
  command->add_option("--repeat", options->repeat, "Counted repetitions")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));

  command->get_option("--policy")
      ->description("Which KV a drawn token attends to: exact, leoam, quest, window; with --context several");
  command->remove_option(command->get_option("--context"));
  CLI::Option* context =
      command
          ->add_option("--context", options->contexts,
                       "Compares every policy under every host budget, with contexts of so many tokens")
          ->delimiter(',')
          ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 30))
          ->excludes(depth)
          ->excludes(prompt);
  command->remove_option(command->get_option("--host-budget"));
  command
      ->add_option_function<std::vector<std::string>>(
          "--host-budget,--kv-budget",
          [options](const std::vector<std::string>& texts) {
            options->host_budgets.clear();
            for (const std::string& text : texts) options->host_budgets.push_back(parse_host_budget(text));
          },
          "Most bytes of KV cache in memory (KiB, MiB, GiB); default: half of the machine's memory. With "
          "--context several, also as shares of the KV of all sequences (10%), or all")
      ->delimiter(',')
      ->type_name("SIZE|SHARE");
  command->add_option("--batch", options->batch, "Sequences that are decoded at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 256))
      ->needs(context);
  command
      ->add_option("--text-file", options->text_file,
                   "Text that fills the contexts, repeated if it is short; default: random tokens")
      ->needs(context);
  command->add_option("--report", options->report, "Writes the figures as a page with charts: an HTML file")
      ->needs(context);
  command->add_option("--picture", options->picture, "Writes the first chart of that page: an SVG file")
      ->needs(context);
  command->callback([options, context, &run] {
    const bool compares = context->count() > 0;
    if (!compares && (options->host_budgets.size() > 1 || options->host_budgets.front().share > 0))
      throw CLI::ValidationError("--host-budget", "several, or a share, need --context");
    if (compares && options->generate_tokens == 0)
      throw CLI::ValidationError("--generate", "with --context, at least one");
    options->host_budget_bytes = options->host_budgets.front().bytes;
    run = [options, compares] { compares ? bench_policies(*options) : bench_depths(*options); };
  });
}

}  // namespace leoam::cli
