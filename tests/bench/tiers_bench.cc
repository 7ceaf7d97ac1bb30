// Decode with KV on disk, beside the same with everything in RAM and the floor: max(compute, bytes / disk
// rate). usage: tiers_bench MODEL FOLDER [--depth 8192] [--share 10] [--tokens 8] [--repeat 3]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "runtime/base/aligned_buffer.h"
#include "runtime/engine/engine.h"
#include "runtime/engine/session.h"
#include "tests/bench/engine_bench.h"

namespace {

using namespace leoam;         // NOLINT(google-build-using-namespace)
using namespace leoam::bench;  // NOLINT(google-build-using-namespace)

struct Setup {
  std::string model;
  std::string folder;
  uint32_t depth = 8192;
  uint32_t share = 10;
  uint32_t n_tokens = 8;
  uint32_t repeat = 3;
};

struct Case {
  const char* name;
  bool in_ram;
  bool plaintext;
  ReplacementKind replacement;
};

struct Run {
  std::unique_ptr<Engine> engine;
  std::shared_ptr<const Model> model;
  std::shared_ptr<Session> session;
  std::vector<double> token_ms;
  uint64_t read_bytes = 0;
  uint64_t n_reads = 0;
  uint64_t stall_us = 0;
  uint64_t hits = 0;
  uint64_t asked = 0;
  uint64_t n_decoded = 0;
};

// Reads a file of some hundred megabytes as the store does, with nothing done to the bytes.
double disk_bytes_per_second(const std::string& folder) {
  constexpr uint64_t kFile_bytes = uint64_t{256} << 20;
  constexpr uint32_t kRead_bytes = 128u << 10;
  constexpr uint32_t kDepth = 32;
  auto files = create_file_system();
  auto file = files->create_unnamed(folder).value();
  AlignedBuffer memory = AlignedBuffer::allocate(size_t{kDepth} * kRead_bytes + (uint64_t{1} << 20)).value();
  // AlignedBuffer aligns large blocks to system pages.
  for (uint64_t at = 0; at < kFile_bytes; at += uint64_t{1} << 20)
    check(file->write_at(at, {memory.data(), size_t{1} << 20}));
  check(file->sync());
  auto queue = files->create_queue(kDepth, {memory.data(), size_t{kDepth} * kRead_bytes}).value();
  std::vector<IoRequest> requests(kDepth);
  std::vector<IoRequest*> done;
  uint64_t next = 0;
  const uint64_t n_reads = kFile_bytes / kRead_bytes;
  const double seconds = seconds_of([&] {
    const auto start = [&](IoRequest& request, size_t slot) {
      request = {};
      request.file = file.get();
      request.offset_bytes = next++ * 7919 % n_reads * kRead_bytes;
      request.data = memory.data() + slot * kRead_bytes;
      request.bytes = kRead_bytes;
      IoRequest* one = &request;
      queue->submit({&one, 1});
    };
    for (size_t i = 0; i < kDepth; ++i) start(requests[i], i);
    for (uint64_t n = 0; n < n_reads;) {
      done.clear();
      queue->reap(true, &done);
      n += done.size();
      for (IoRequest* request : done) {
        check(request->status);
        if (next < n_reads) start(*request, static_cast<size_t>(request - requests.data()));
      }
    }
  });
  return static_cast<double>(kFile_bytes) / seconds;
}

void start(const Setup& setup, const Case& what, uint64_t kv_bytes, Run* run) {
  EngineOptions options;
  options.n_threads = 2;
  options.state_folder = setup.folder;
  options.host_kv_budget_bytes = what.in_ram ? 0 : kv_bytes / setup.share;
  options.plaintext_scratch = what.plaintext;
  options.replacement = what.replacement;
  run->engine = Engine::create(options).value();
  auto model = run->engine->load_model(setup.model, {}, {}, nullptr);
  check(model.status());
  run->model = *model;
  run->session = run->engine->create_session(run->model, {}).value();
  const double seconds = seconds_of([&] { check(run->session->evaluate(tokens(setup.depth), {})); });
  const EngineStatistics s = run->engine->statistics();
  std::printf(
      "%-28s prefill %7.1f tokens/s, stalled %5.1f %%, written %.0f MB, read %.0f MB, peak %.1f of %.1f MB\n",
      what.name, setup.depth / seconds, static_cast<double>(s.stall_us) / seconds / 1e4,
      static_cast<double>(s.disk_written_bytes) / 1e6, static_cast<double>(s.disk_read_bytes) / 1e6,
      static_cast<double>(s.host_kv_peak_bytes) / 1e6, static_cast<double>(s.host_kv_budget_bytes) / 1e6);
}

void decode(const Setup& setup, Run* run) {
  const std::vector<int32_t> token = tokens(1);
  const EngineStatistics before = run->engine->statistics();
  for (uint32_t i = 0; i < setup.n_tokens; ++i) {
    run->token_ms.push_back(1e3 * seconds_of([&] { check(run->session->evaluate(token, {})); }));
    ++run->n_decoded;
  }
  const EngineStatistics after = run->engine->statistics();
  run->read_bytes += after.disk_read_bytes - before.disk_read_bytes;
  run->n_reads += after.disk_read_requests - before.disk_read_requests;
  run->stall_us += after.stall_us - before.stall_us;
  run->hits += after.pages_hit - before.pages_hit;
  run->asked += after.pages_hit + after.pages_missed + after.pages_ahead - before.pages_hit -
                before.pages_missed - before.pages_ahead;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr,
                 "usage: tiers_bench MODEL FOLDER [--depth N] [--share N] [--tokens N] [--repeat N]\n");
    return 2;
  }
  Setup setup{argv[1], argv[2]};
  for (int i = 3; i + 1 < argc; i += 2) {
    const auto value = static_cast<uint32_t>(std::strtoul(argv[i + 1], nullptr, 10));
    if (!std::strcmp(argv[i], "--depth")) setup.depth = value;
    if (!std::strcmp(argv[i], "--share")) setup.share = value;
    if (!std::strcmp(argv[i], "--tokens")) setup.n_tokens = value;
    if (!std::strcmp(argv[i], "--repeat")) setup.repeat = value;
  }
  const Case cases[] = {{"all in RAM", true, false, ReplacementKind::most_recent},
                        {"encrypted", false, false, ReplacementKind::most_recent},
                        {"plaintext", false, true, ReplacementKind::most_recent},
                        {"encrypted, least recent goes", false, false, ReplacementKind::least_recent}};
  std::vector<Run> runs(std::size(cases));
  uint64_t kv_bytes = 0;
  for (size_t i = 0; i < runs.size(); ++i) {
    start(setup, cases[i], kv_bytes, &runs[i]);
    kv_bytes = runs[0].session->kv_bytes();
  }
  std::vector<double> disk;
  for (uint32_t r = 0; r < setup.repeat; ++r) {
    disk.push_back(disk_bytes_per_second(setup.folder));
    for (Run& run : runs) decode(setup, &run);
  }
  const double compute_ms = median(runs[0].token_ms);
  std::printf(
      "\nKV %.1f MB at depth %u, RAM for 1/%u of it, disk %.2f GB/s (128 KiB at depth 32), 2 threads\n\n",
      static_cast<double>(kv_bytes) / 1e6, setup.depth, setup.share, median(disk) / 1e9);
  std::printf(
      "| case | ms/token | read MB/token | hits %% | stall %% | floor ms | to floor "
      "|\n|---|---|---|---|---|---|---|---|\n");
  for (size_t i = 0; i < runs.size(); ++i) {
    const Run& run = runs[i];
    const double ms = median(run.token_ms);
    double total_ms = 0;
    for (const double t : run.token_ms) total_ms += t;
    const double floor_ms = cases[i].in_ram
                                ? compute_ms
                                : std::max(compute_ms, 1e3 * static_cast<double>(kv_bytes) / median(disk));
    std::printf(
        "| %s | %.1f | %.1f | %.0f | %.1f | %.1f | %.1f | %.2f |\n", cases[i].name, ms,
        static_cast<double>(run.read_bytes) / static_cast<double>(run.n_decoded) / 1e6,
        run.n_reads ? static_cast<double>(run.read_bytes) / static_cast<double>(run.n_reads) / 1e3 : 0.0,
        run.asked ? 100.0 * static_cast<double>(run.hits) / static_cast<double>(run.asked) : 100.0,
        static_cast<double>(run.stall_us) / total_ms / 10, floor_ms, ms / floor_ms);
  }
  return 0;
}
