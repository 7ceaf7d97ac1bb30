// Policies beside exact on the same positions: how far their predictions are from it, and how fast they are.
// usage: policy_bench MODEL TEXT [--depth 8064] [--positions 128] [--float 1] [--policy
// NAME[,key=value...]]... keys: importance, budget, channels, rest, dense, estimates, breadth,
// spread, floor, int8 (KV of 8 bits; exact, which others are compared with, has f16)
#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
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
    else if (key == "budget")
      options.budget_tokens = static_cast<uint32_t>(value);
    else if (key == "channels")
      options.n_channels = static_cast<uint32_t>(value);
    else if (key == "rest")
      options.rest = value;
    else if (key == "breadth")
      options.breadth = value;
    else if (key == "spread")
      options.page_spread = value;
    else if (key == "floor")
      options.coverage_floor = value;
    else if (key == "dense")
      options.n_dense_layers = static_cast<uint32_t>(value);
    else if (key == "estimates")
      options.estimates = value != 0;
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

struct Result {
  double ms = 0;
  SelectionStatistics statistics;
};

Result run(Engine& engine, const std::shared_ptr<const Model>& model, const SessionOptions& options,
           std::span<const int32_t> tokens, size_t n_positions, Logits* logits) {
  auto session = std::move(engine.create_session(model, options)).value();
  check(session->evaluate(tokens.first(tokens.size() - n_positions), {}));
  std::vector<double> ms;
  for (size_t i = tokens.size() - n_positions; i < tokens.size(); ++i) {
    ms.push_back(1e3 * seconds_of([&] { check(session->evaluate(tokens.subspan(i, 1), {})); }));
    std::vector<float>& row = logits->emplace_back(model->config().n_vocab);
    check(session->copy_logits(row));
  }
  Result result;
  result.ms = median(ms);
  result.statistics = session->selection_statistics();
  return result;
}

}  // namespace
}  // namespace leoam

int main(int argc, char** argv) {
  using namespace leoam;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (argc < 3) return 2;
  size_t depth = 8064;
  size_t n_positions = 128;
  std::vector<std::string> policies;
  ModelOptions model_options;
  for (int i = 3; i + 1 < argc; i += 2) {
    if (!std::strcmp(argv[i], "--depth")) depth = std::strtoul(argv[i + 1], nullptr, 10);
    if (!std::strcmp(argv[i], "--positions")) n_positions = std::strtoul(argv[i + 1], nullptr, 10);
    if (!std::strcmp(argv[i], "--float")) model_options.float_weights = argv[i + 1][0] == '1';
    if (!std::strcmp(argv[i], "--policy")) policies.emplace_back(argv[i + 1]);
  }
  EngineOptions engine_options;
  engine_options.n_threads = 2;
  auto engine = std::move(Engine::create(engine_options)).value();
  auto model = std::move(engine->load_model(argv[1], model_options, {}, nullptr)).value();
  std::ifstream file(argv[2]);
  std::stringstream text;
  text << file.rdbuf();
  auto tokens = std::move(model->tokenizer()->tokenize(text.str(), {})).value();
  if (tokens.size() < depth) check(error(ErrorKind::invalid_argument, "{} tokens of text", tokens.size()));
  tokens.resize(depth);

  Logits exact;
  const auto base = run(*engine, model, {}, tokens, n_positions, &exact);
  std::printf(
      "| policy | ms/token | faster | KL | KL p99 | KL worst | top-1 | attended | pages | chunks | coverage "
      "| least |\n");
  std::printf(
      "|---|---|---|---|---|---|---|---|---|---|---|---|\n| exact | %.2f | 1.00 | | | | | | | | | |\n",
      base.ms);
  for (const std::string& name : policies) {
    Logits logits;
    const auto result = run(*engine, model, read_options(name), tokens, n_positions, &logits);
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
      return static_cast<double>(n) /
             static_cast<double>(std::max<uint64_t>(result.statistics.n_context_tokens, 1));
    };
    const auto n_selections = static_cast<double>(std::max<uint64_t>(result.statistics.n_selections, 1));
    std::printf(
        "| %s | %.2f | %.2f | %.5f | %.4f | %.4f | %.3f | %.3f | %.3f | %.0f | %.3f | %.3f |\n", name.c_str(),
        result.ms, base.ms / result.ms, mean, kl[n_positions * 99 / 100], kl.back(),
        static_cast<double>(n_same) / static_cast<double>(n_positions),
        share(result.statistics.n_attended_tokens), share(result.statistics.n_pages_needed * 32),
        static_cast<double>(result.statistics.n_chunks_evaluated) / n_selections / model->config().n_kv_heads,
        result.statistics.coverage / n_selections, result.statistics.least_coverage);
  }
  return 0;
}
