// What the planner says beside what a session then takes, at three budgets of RAM.
// usage: plan_bench MODEL FOLDER [--depth 4096] [--tokens 12] [--fresh 1]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "runtime/engine/engine.h"
#include "runtime/engine/session.h"
#include "tests/bench/engine_bench.h"

namespace {

using namespace leoam;         // NOLINT(google-build-using-namespace)
using namespace leoam::bench;  // NOLINT(google-build-using-namespace)

struct Setup {
  std::string model;
  std::string folder;
  uint32_t depth = 4096;
  uint32_t n_tokens = 12;
  uint32_t fresh = 0;  // 1: measure the rates again
};

std::unique_ptr<Engine> open_engine(const Setup& setup, uint64_t budget_bytes) {
  EngineOptions options;
  options.n_threads = 2;
  options.state_folder = setup.folder;
  options.host_kv_budget_bytes = budget_bytes;
  auto engine = Engine::create(options);
  check(engine.status());
  return std::move(engine).value();
}

void row(const char* budget, const char* what, double planned, double measured, const char* format) {
  std::printf("| %s | %s | ", budget, what);
  std::printf(format, planned);
  std::printf(" | ");
  std::printf(format, measured);
  std::printf(" | %.2f |\n", measured > 0 ? planned / measured : planned > 0 ? 0.0 : 1.0);
}

void compare(const Setup& setup, const char* name, uint64_t budget_bytes, bool save) {
  const auto engine = open_engine(setup, budget_bytes);
  auto model = engine->load_model(setup.model, {}, {}, nullptr);
  check(model.status());
  PlanRequest request;
  request.context_tokens = setup.depth;
  auto planned = engine->plan((*model)->header(), request, nullptr);
  check(planned.status());
  const Plan& plan = *planned;
  auto session = engine->create_session(*model, {});
  check(session.status());
  const double prefill_s = seconds_of([&] { check((*session)->evaluate(tokens(setup.depth), {})); });
  const EngineStatistics filled = engine->statistics();
  std::vector<double> token_s;
  for (uint32_t i = 0; i < setup.n_tokens; ++i)
    token_s.push_back(seconds_of([&] { check((*session)->evaluate(tokens(1), {})); }));
  const EngineStatistics end = engine->statistics();
  row(name, "prefill, tokens/s", plan.prefill_tokens_per_second, setup.depth / prefill_s, "%.0f");
  row(name, "decode, tokens/s", plan.decode_tokens_per_second, 1 / median(token_s), "%.1f");
  const auto mb = [](uint64_t bytes) { return static_cast<double>(bytes) / 1e6; };
  row(name, "KV in RAM, MB", mb(plan.host_kv_bytes), mb(filled.host_kv_peak_bytes), "%.1f");
  row(name, "KV on disk, MB", mb(plan.disk_kv_bytes), mb(filled.disk_kv_bytes), "%.1f");
  row(name, "written, MB", mb(plan.disk_written_bytes), mb(filled.disk_written_bytes), "%.1f");
  row(name, "read for a token, MB", mb(plan.token_read_bytes),
      mb(end.disk_read_bytes - filled.disk_read_bytes) / setup.n_tokens, "%.1f");
  if (!save) return;
  const std::string path = setup.folder + "/plan_bench.session";
  (void)engine->files().remove(path);
  auto key = SecretKey::random();
  check(key.status());
  check((*session)->save(path, &*key, {}));
  (*session).reset();
  std::vector<double> open_s;
  for (int i = 0; i < 5; ++i)
    open_s.push_back(seconds_of([&] { check(engine->open_session(*model, path, &*key, {}).status()); }));
  row(name, "reopen, ms", plan.reopen_s * 1e3, median(open_s) * 1e3, "%.1f");
  (void)engine->files().remove(path);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: plan_bench MODEL FOLDER [--depth N] [--tokens N] [--fresh 1]\n");
    return 2;
  }
  Setup setup{argv[1], argv[2]};
  for (int i = 3; i + 1 < argc; i += 2) {
    const auto value = static_cast<uint32_t>(std::strtoul(argv[i + 1], nullptr, 10));
    if (!std::strcmp(argv[i], "--depth")) setup.depth = value;
    if (!std::strcmp(argv[i], "--tokens")) setup.n_tokens = value;
    if (!std::strcmp(argv[i], "--fresh")) setup.fresh = value;
  }
  const auto engine = open_engine(setup, 0);
  if (setup.fresh) (void)engine->files().remove(setup.folder + "/calibration");
  Rates rates;
  const double seconds = seconds_of([&] {
    auto measured = engine->calibration(nullptr);
    check(measured.status());
    rates = *measured;
  });
  auto header = Model::read_header(setup.model, {});
  check(header.status());
  PlanRequest request;
  request.context_tokens = setup.depth;
  const uint64_t kv_bytes = make_plan(*header, request, nullptr).kv_bytes;
  std::printf("Calibration took %.2f s:\n\n```\n%s```\n\n", seconds, encode_rates(rates, "this").c_str());
  std::printf("KV %.1f MB at depth %u\n\n", static_cast<double>(kv_bytes) / 1e6, setup.depth);
  std::printf("| RAM for KV | figure | planned | measured | planned to measured |\n|---|---|---|---|---|\n");
  compare(setup, "all", 0, true);
  compare(setup, "half", kv_bytes / 2, false);
  compare(setup, "a tenth", kv_bytes / 10, false);
  return 0;
}
