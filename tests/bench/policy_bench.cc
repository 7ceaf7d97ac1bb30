// Policies beside exact on the same positions: how far their predictions are from it, and how fast they are.
// usage: policy_bench MODEL TEXT [--depth 8064] [--positions 128] [--threads 2] [--float 1] [--pieces 1]
// [--policy NAME[,key=value...]]... keys: importance, budget, channels, dense, sinks, window,
// estimates, breadth, spread, floor, sparse (prompts are read sparsely from so many tokens on), int8 (KV of 8
// bits), codec (1 k8v8, 2 k8v4, 3 k4v4); exact, which others are compared with, has f16. With --pieces 1 the
// positions are read as a prompt, not one by one.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <ctime>
#include <fstream>
#include <numeric>
#include <sstream>
#include <string>

#include "runtime/engine/engine.h"
#include "runtime/engine/session.h"
#include "tests/bench/engine_bench.h"

namespace leoam {
namespace {

using bench::check;
using bench::median;
using bench::seconds_of;

using Logits = std::vector<std::vector<float>>;

SessionOptions read_options(const std::string& text) {
  SessionOptions session;
  PolicyOptions& options = session.policy;
  std::istringstream parts(text);
  std::getline(parts, options.name, ',');
  for (std::string part; std::getline(parts, part, ',');) {
    const size_t equal = part.find('=');
    const std::string key = part.substr(0, equal);
    const double value = equal == std::string::npos ? 0 : std::strtod(part.c_str() + equal + 1, nullptr);
    if (key == "importance")
      options.importance = value;
    else if (key == "int8")
      session.kv_type = kernels::KvType::int8;
    else if (key == "codec")
      session.page_codec = static_cast<kernels::PageCodec>(static_cast<uint8_t>(value));
    else if (key == "budget")
      options.budget_tokens = static_cast<uint32_t>(value);
    else if (key == "channels")
      options.n_channels = static_cast<uint32_t>(value);
    else if (key == "breadth")
      options.breadth = value;
    else if (key == "spread")
      options.page_spread = value;
    else if (key == "floor")
      options.coverage_floor = value;
    else if (key == "dense")
      options.n_dense_layers = static_cast<uint32_t>(value);
    else if (key == "sinks")
      options.n_sink_tokens = static_cast<uint32_t>(value);
    else if (key == "window")
      options.n_window_tokens = static_cast<uint32_t>(value);
    else if (key == "estimates")
      options.estimates = value != 0;
    else if (key == "sparse")
      options.sparse_prefill_tokens = static_cast<uint64_t>(value);
    else
      check(error(ErrorKind::invalid_argument, "no key {}", key));
  }
  return session;
}

// log-softmax in place of logits.
std::vector<double> log_shares(const std::vector<float>& logits) {
  const double maximum = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float value : logits) sum += std::exp(value - maximum);
  std::vector<double> out;
  for (const float value : logits) out.push_back(value - maximum - std::log(sum));
  return out;
}

size_t best(const std::vector<float>& logits) {
  return static_cast<size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

// A session with a policy, and what it has said.
struct Run {
  std::string name;
  std::shared_ptr<Session> session;
  std::vector<double> ms;
  std::vector<double> cpu_ms;  // of all threads, those that wait for others included
  std::vector<double> ratios;  // of exact in the same turn
  double read_s = 0;           // the context
  Logits logits;
};

Run prepare(Engine& engine, const std::shared_ptr<const Model>& model, const std::string& name,
            std::span<const int32_t> context) {
  Run run;
  run.name = name;
  run.session = std::move(engine.create_session(model, read_options(name))).value();
  run.read_s = seconds_of([&] { check(run.session->evaluate(context, {})); });
  return run;
}

double cpu_seconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

void step(const Model& model, std::span<const int32_t> token, Run* run) {
  const double begun = cpu_seconds();
  run->ms.push_back(1e3 * seconds_of([&] { check(run->session->evaluate(token, {})); }));
  run->cpu_ms.push_back(1e3 * (cpu_seconds() - begun));
  check(run->session->copy_logits(run->logits.emplace_back(model.config().n_vocab)));
}

// All of them in pieces, as a prompt.
void read(std::span<const int32_t> tokens, Run* run) {
  EvaluateOptions all;
  all.all_logits = true;
  all.on_logits = [&](uint64_t, std::span<const float> row) {
    run->logits.emplace_back(row.begin(), row.end());
    return true;
  };
  const double begun = cpu_seconds();
  run->ms.push_back(1e3 * seconds_of([&] { check(run->session->evaluate(tokens, all)); }));
  run->cpu_ms.push_back(1e3 * (cpu_seconds() - begun));
}

}  // namespace
}  // namespace leoam

int main(int argc, char** argv) {
  using namespace leoam;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (argc < 3) return 2;
  size_t depth = 8064;
  size_t n_positions = 128;
  int n_threads = 2;
  bool pieces = false;
  std::vector<std::string> policies;
  ModelOptions model_options;
  for (int i = 3; i + 1 < argc; i += 2) {
    if (!std::strcmp(argv[i], "--depth")) depth = std::strtoul(argv[i + 1], nullptr, 10);
    if (!std::strcmp(argv[i], "--positions")) n_positions = std::strtoul(argv[i + 1], nullptr, 10);
    if (!std::strcmp(argv[i], "--threads")) n_threads = std::atoi(argv[i + 1]);
    if (!std::strcmp(argv[i], "--float")) model_options.float_weights = argv[i + 1][0] == '1';
    if (!std::strcmp(argv[i], "--pieces")) pieces = argv[i + 1][0] == '1';
    if (!std::strcmp(argv[i], "--policy")) policies.emplace_back(argv[i + 1]);
  }
  EngineOptions engine_options;
  engine_options.n_threads = n_threads;
  auto engine = std::move(Engine::create(engine_options)).value();
  auto model = std::move(engine->load_model(argv[1], model_options, {}, nullptr)).value();
  std::ifstream file(argv[2]);
  std::stringstream text;
  text << file.rdbuf();
  auto tokens = std::move(model->tokenizer()->tokenize(text.str(), {})).value();
  if (tokens.size() < depth) check(error(ErrorKind::invalid_argument, "{} tokens of text", tokens.size()));
  tokens.resize(depth);

  // In turns, so that other work on the machine counts for all alike; they share the context's KV.
  const std::span<const int32_t> all(tokens);
  std::vector<Run> runs;
  runs.push_back(prepare(*engine, model, "exact", all.first(depth - n_positions)));
  for (const std::string& name : policies)
    runs.push_back(prepare(*engine, model, name, all.first(depth - n_positions)));
  for (size_t i = depth - n_positions; i < depth; i += pieces ? n_positions : 1)
    for (Run& run : runs) {
      if (pieces)
        read(all.subspan(i, n_positions), &run);
      else
        step(*model, all.subspan(i, 1), &run);
      run.ratios.push_back(runs[0].ms.back() / run.ms.back());
    }
  std::printf(
      "| policy | ms/token | CPU ms | faster | evaluating | KL | KL p99 | KL worst | top-1 | attended | "
      "pages | "
      "chunks | coverage | least | read s | read attended |\n");
  std::printf(
      "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n"
      "| exact | %.2f | %.2f | 1.00 | | | | | | | | | | | %.1f | |\n",
      median(runs[0].ms), median(runs[0].cpu_ms), runs[0].read_s);
  const Logits& exact = runs[0].logits;
  for (const Run& run : std::span(runs).subspan(1)) {
    const Logits& logits = run.logits;
    const SelectionStatistics statistics = run.session->selection_statistics();
    const double ms = median(run.ms);
    std::vector<double> kl;
    size_t n_same = 0;
    for (size_t i = 0; i < n_positions; ++i) {
      const std::vector<double> p = log_shares(exact[i]);
      const std::vector<double> q = log_shares(logits[i]);
      double sum = 0;
      for (size_t k = 0; k < p.size(); ++k) sum += std::exp(p[k]) * (p[k] - q[k]);
      kl.push_back(sum);
      n_same += best(exact[i]) == best(logits[i]);
    }
    std::sort(kl.begin(), kl.end());
    double mean = 0;
    for (const double value : kl) mean += value / static_cast<double>(n_positions);
    const auto share = [&](uint64_t n) {
      return static_cast<double>(n) / static_cast<double>(std::max<uint64_t>(statistics.n_context_tokens, 1));
    };
    const auto n_selections = static_cast<double>(std::max<uint64_t>(statistics.n_selections, 1));
    std::printf(
        "| %s | %.2f | %.2f | %.2f | %.3f | %.5f | %.4f | %.4f | %.3f | %.3f | %.3f | %.0f | %.3f | %.3f | "
        "%.1f "
        "| %.3f |\n",
        run.name.c_str(), ms, median(run.cpu_ms), median(run.ratios),
        1e-3 * static_cast<double>(statistics.evaluating_us) /
            std::accumulate(run.ms.begin(), run.ms.end(), 0.0),
        mean, kl[n_positions * 99 / 100], kl.back(),
        static_cast<double>(n_same) / static_cast<double>(n_positions), share(statistics.n_attended_tokens),
        share(statistics.n_pages_needed * 32),
        static_cast<double>(statistics.n_chunks_evaluated) / n_selections / model->config().n_kv_heads,
        statistics.coverage / n_selections, statistics.least_coverage, run.read_s,
        static_cast<double>(statistics.n_prefill_attended_tokens) /
            static_cast<double>(std::max<uint64_t>(statistics.n_prefill_context_tokens, 1)));
  }
  return 0;
}
