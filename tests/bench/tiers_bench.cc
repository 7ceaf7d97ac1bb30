// Decode with KV on disk, beside the same with everything in RAM and the floor: max(compute, bytes / disk
// rate); and what reopening a session saves. usage: tiers_bench MODEL FOLDER [--depth 8192] [--share 10]
// [--tokens 8] [--repeat 3] [--text FILE] [--set placement|types|ablation] (which cases) [--only TEXT] (those
// whose names contain it, beside the first two) [--disk MB] (a disk of so many megabytes a second, not more
// than FOLDER's gives)
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/aligned_buffer.h"
#include "runtime/engine/engine.h"
#include "runtime/engine/session.h"
#include "tests/bench/engine_bench.h"
#include "tests/support/throttled_file_system.h"

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
  double importance = 0.1;
  std::string set = "placement";
  std::string only;
  uint32_t disk_mb = 0;  // a second; 0: the disk as it is
  std::string text = "/usr/share/common-licenses/GPL-3";
};

struct Case {
  const char* name;
  bool in_ram = false;
  bool plaintext = false;
  ReplacementKind replacement = ReplacementKind::most_recent;
  const char* policy = "exact";
  double page_spread = 0;
  double breadth = 12;
  kernels::KvType kv_type = kernels::KvType::f16;
  kernels::PageCodec codec = kernels::PageCodec::plain;
  bool choose_kv_type = false;
  bool looks_ahead = true;
  bool reads_all = false;  // a selection is made beside reading all KV, as without abstracts
};

constexpr kernels::KvType kInt8 = kernels::KvType::int8;
constexpr kernels::PageCodec kK8v8 = kernels::PageCodec::k8v8;
constexpr kernels::PageCodec kK8v4 = kernels::PageCodec::k8v4;
constexpr kernels::PageCodec kK4v4 = kernels::PageCodec::k4v4;

// The first two are in every set.
constexpr Case kAlways[] = {{.name = "all in RAM", .in_ram = true}, {.name = "encrypted"}};
constexpr Case kPlacement[] = {
    {.name = "plaintext", .plaintext = true},
    {.name = "encrypted, least recent goes", .replacement = ReplacementKind::least_recent},
    {.name = "leoam, all in RAM", .in_ram = true, .policy = "leoam"},
    {.name = "leoam, encrypted", .policy = "leoam"},
    {.name = "leoam, few pages", .policy = "leoam", .page_spread = 1, .breadth = 4},
    {.name = "leoam, k8v4", .policy = "leoam", .codec = kK8v4},
    {.name = "leoam, few pages, k8v4", .policy = "leoam", .page_spread = 1, .breadth = 4, .codec = kK8v4},
    {.name = "leoam, few pages, all codes, k8v4", .policy = "leoam", .page_spread = 1, .codec = kK8v4},
    {.name = "quest, encrypted", .policy = "quest"},
};
constexpr Case kTypes[] = {
    {.name = "all in RAM, int8", .in_ram = true, .kv_type = kInt8},
    {.name = "all in RAM, k8v8", .in_ram = true, .codec = kK8v8},
    {.name = "all in RAM, k8v4", .in_ram = true, .codec = kK8v4},
    {.name = "all in RAM, k4v4", .in_ram = true, .codec = kK4v4},
    {.name = "all in RAM, auto", .in_ram = true, .choose_kv_type = true},
    {.name = "encrypted, int8", .kv_type = kInt8},
    {.name = "encrypted, k8v8", .codec = kK8v8},
    {.name = "encrypted, k8v4", .codec = kK8v4},
    {.name = "encrypted, k4v4", .codec = kK4v4},
    {.name = "encrypted, auto", .choose_kv_type = true},
};
// What each part of the method brings.
constexpr Case kAblation[] = {
    {.name = "leoam: all of it", .policy = "leoam", .page_spread = 1, .breadth = 4, .codec = kK8v4},
    {.name = "fixed chunks (quest)", .policy = "quest", .codec = kK8v4},
    {.name = "no abstracts: all KV is read to choose",
     .policy = "leoam",
     .page_spread = 1,
     .breadth = 4,
     .codec = kK8v4,
     .reads_all = true},
    {.name = "no look-ahead",
     .policy = "leoam",
     .page_spread = 1,
     .breadth = 4,
     .codec = kK8v4,
     .looks_ahead = false},
    {.name = "no compression", .policy = "leoam", .page_spread = 1, .breadth = 4},
    {.name = "token-level h2o", .policy = "h2o"},
    {.name = "quest, f16", .policy = "quest"},
};

struct Run {
  std::unique_ptr<Engine> engine;
  std::shared_ptr<const Model> model;
  std::shared_ptr<Session> session;
  std::vector<int32_t> text;
  std::vector<double> token_ms;
  std::vector<double> to_floor;  // a round's: its median token to the floor by the disk's rate around it
  std::vector<double> disk_bytes_per_second;
  uint64_t read_bytes = 0;
  uint64_t n_reads = 0;
  uint64_t stall_us = 0;
  uint64_t n_decoded = 0;
  double prefill_s = 0;
};

// A new one for each engine.
std::shared_ptr<FileSystem> files_of(const Setup& setup) {
  if (setup.disk_mb == 0) return create_file_system();
  const testing::ThrottledDisk disk = {.bytes_per_second = 1e6 * setup.disk_mb};
  return std::make_shared<testing::ThrottledFileSystem>(create_file_system(), disk);
}

// A file of some hundred megabytes, read as the store reads, with nothing done to the bytes.
class Disk {
 public:
  explicit Disk(const Setup& setup)
      : files_(files_of(setup)),
        file_(files_->create_unnamed(setup.folder).value()),
        memory_(AlignedBuffer::allocate(size_t{kDepth} * kRead_bytes).value()) {
    // AlignedBuffer aligns large blocks to system pages. No two blocks are alike: a virtual disk may keep
    // equal ones, or zeros, once or not at all.
    std::mt19937_64 random(1);
    for (uint64_t at = 0; at < kFile_bytes; at += kWrite_bytes) {
      for (size_t i = 0; i < kWrite_bytes; i += sizeof(uint64_t)) {
        const uint64_t value = random();
        std::memcpy(memory_.data() + i, &value, sizeof value);
      }
      check(file_->write_at(at, {memory_.data(), kWrite_bytes}));
    }
    check(file_->sync());
    queue_ = files_->create_queue(kDepth, {memory_.data(), memory_.bytes()}).value();
  }

  double bytes_per_second() {
    std::vector<IoRequest> requests(kDepth);
    std::vector<IoRequest*> done;
    uint64_t next = 0;
    constexpr uint64_t kReads = kFile_bytes / kRead_bytes;
    const auto start = [&](IoRequest& request, size_t slot) {
      request = {};
      request.file = file_.get();
      request.offset_bytes = next++ * 7919 % kReads * kRead_bytes;
      request.data = memory_.data() + slot * kRead_bytes;
      request.bytes = kRead_bytes;
      IoRequest* one = &request;
      queue_->submit({&one, 1});
    };
    const double seconds = seconds_of([&] {
      for (size_t i = 0; i < kDepth; ++i) start(requests[i], i);
      for (uint64_t n = 0; n < kReads;) {
        done.clear();
        queue_->reap(true, &done);
        n += done.size();
        for (IoRequest* request : done) {
          check(request->status);
          if (next < kReads) start(*request, static_cast<size_t>(request - requests.data()));
        }
      }
    });
    return static_cast<double>(kFile_bytes) / seconds;
  }

 private:
  static constexpr uint64_t kFile_bytes = uint64_t{256} << 20;
  static constexpr size_t kWrite_bytes = size_t{1} << 20;
  static constexpr uint32_t kRead_bytes = 128u << 10;
  static constexpr uint32_t kDepth = 32;

  std::shared_ptr<FileSystem> files_;
  std::unique_ptr<WritableFile> file_;
  AlignedBuffer memory_;
  std::unique_ptr<IoQueue> queue_;  // destroyed before the memory that it has registered
};

void start(const Setup& setup, const Case& what, uint64_t kv_bytes, Run* run) {
  EngineOptions options;
  options.n_threads = 2;
  options.state_folder = setup.folder;
  options.file_system = files_of(setup);
  options.host_kv_budget_bytes = what.in_ram ? 0 : kv_bytes / setup.share;
  options.plaintext_scratch = what.plaintext;
  options.replacement = what.replacement;
  options.looks_ahead = what.looks_ahead;
  run->engine = Engine::create(options).value();
  auto model = run->engine->load_model(setup.model, {}, {}, nullptr);
  check(model.status());
  run->model = *model;
  SessionOptions session;
  session.kv_type = what.kv_type;
  session.choose_kv_type = what.choose_kv_type;
  session.page_codec = what.codec;
  if (what.choose_kv_type) check(run->engine->calibration(nullptr).status());
  session.policy.name = what.policy;
  session.policy.importance = setup.importance;
  session.policy.page_spread = what.page_spread;
  session.policy.breadth = what.breadth;
  run->session = run->engine->create_session(run->model, session).value();
  run->text = text_tokens(*run->model, setup.text, setup.depth + setup.n_tokens * setup.repeat + 1);
  const std::span<const int32_t> prompt = std::span<const int32_t>(run->text).first(setup.depth);
  const double seconds = seconds_of([&] { check(run->session->evaluate(prompt, {})); });
  run->prefill_s = seconds;
  const EngineStatistics s = run->engine->statistics();
  std::printf(
      "%-28s %s, prefill %7.1f tokens/s, stalled %5.1f %%, written %.0f MB, read %.0f MB, peak %.1f of %.1f "
      "MB\n",
      what.name,
      run->session->options().kv_type == kernels::KvType::int8 ? "int8"
                                                               : kernels::name_of(run->session->page_codec()),
      setup.depth / seconds, static_cast<double>(s.stall_us) / seconds / 1e4,
      static_cast<double>(s.disk_written_bytes) / 1e6, static_cast<double>(s.disk_read_bytes) / 1e6,
      static_cast<double>(s.host_kv_peak_bytes) / 1e6, static_cast<double>(s.host_kv_budget_bytes) / 1e6);
}

// Returns the median of its tokens, in milliseconds.
double decode(const Setup& setup, const Case& what, Run* run) {
  std::vector<double> token_ms;
  const EngineStatistics before = run->engine->statistics();
  for (uint32_t i = 0; i < setup.n_tokens; ++i) {
    const std::span<const int32_t> next =
        std::span<const int32_t>(run->text).subspan(setup.depth + run->n_decoded++, 1);
    EvaluateOptions evaluate;
    evaluate.audit = what.reads_all;
    token_ms.push_back(1e3 * seconds_of([&] { check(run->session->evaluate(next, evaluate)); }));
  }
  const EngineStatistics after = run->engine->statistics();
  run->read_bytes += after.disk_read_bytes - before.disk_read_bytes;
  run->n_reads += after.disk_read_requests - before.disk_read_requests;
  run->stall_us += after.stall_us - before.stall_us;
  run->token_ms.insert(run->token_ms.end(), token_ms.begin(), token_ms.end());
  return median(token_ms);
}

// Saves the session, gives it up, opens it again and decodes a token.
void reopen(const Setup& setup, Run* run) {
  const std::string path = setup.folder + "/tiers_bench.session";
  const SecretKey key = SecretKey::random().value();
  (void)run->engine->files().remove(path);
  const double save_s = seconds_of([&] { check(run->session->save(path, &key, {})); });
  run->session.reset();
  const double first_token_s = seconds_of([&] {
    run->session = run->engine->open_session(run->model, path, &key, {}).value();
    check(run->session->evaluate(std::span<const int32_t>(run->text).last(1), {}));
  });
  std::printf(
      "\nSaved, encrypted, in %.2f s; opened and one token decoded in %.3f s; prefill takes %.2f s: %.0fx\n",
      save_s, first_token_s, run->prefill_s, run->prefill_s / first_token_s);
  (void)run->engine->files().remove(path);
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (argc < 3) {
    std::fprintf(stderr,
                 "usage: tiers_bench MODEL FOLDER [--depth N] [--share N] [--tokens N] [--repeat N]"
                 " [--importance R] [--set placement|types|ablation] [--only TEXT] [--disk MB]\n");
    return 2;
  }
  Setup setup{argv[1], argv[2]};
  for (int i = 3; i + 1 < argc; i += 2) {
    const auto value = static_cast<uint32_t>(std::strtoul(argv[i + 1], nullptr, 10));
    if (!std::strcmp(argv[i], "--depth")) setup.depth = value;
    if (!std::strcmp(argv[i], "--share")) setup.share = value;
    if (!std::strcmp(argv[i], "--tokens")) setup.n_tokens = value;
    if (!std::strcmp(argv[i], "--repeat")) setup.repeat = value;
    if (!std::strcmp(argv[i], "--disk")) setup.disk_mb = value;
    if (!std::strcmp(argv[i], "--set")) setup.set = argv[i + 1];
    if (!std::strcmp(argv[i], "--text")) setup.text = argv[i + 1];
    if (!std::strcmp(argv[i], "--only")) setup.only = argv[i + 1];
    if (!std::strcmp(argv[i], "--importance")) setup.importance = std::strtod(argv[i + 1], nullptr);
  }
  if (setup.disk_mb > 0) {
    // What is measured of this disk is kept apart from what is known of FOLDER's.
    setup.folder += "/tiers_bench_" + std::to_string(setup.disk_mb);
    check(create_file_system()->make_private_folder(setup.folder));
  }
  std::vector<Case> cases(std::begin(kAlways), std::end(kAlways));
  const auto add = [&cases](std::span<const Case> more) {
    cases.insert(cases.end(), more.begin(), more.end());
  };
  if (setup.set == "types")
    add(kTypes);
  else if (setup.set == "ablation")
    add(kAblation);
  else
    add(kPlacement);
  cases.erase(std::remove_if(cases.begin() + 2, cases.end(),
                             [&](const Case& one) {
                               return std::string_view(one.name).find(setup.only) == std::string_view::npos;
                             }),
              cases.end());
  std::vector<Run> runs(cases.size());
  uint64_t kv_bytes = 0;
  for (size_t i = 0; i < runs.size(); ++i) {
    start(setup, cases[i], kv_bytes, &runs[i]);
    kv_bytes = runs[0].session->kv_bytes();
  }
  Disk disk(setup);
  for (uint32_t r = 0; r < setup.repeat; ++r) {
    const double compute_ms = decode(setup, cases[0], &runs[0]);
    runs[0].to_floor.push_back(1);
    // The rate of a virtual disk changes within seconds: it is measured on both sides of each case.
    double before = disk.bytes_per_second();
    for (size_t i = 1; i < runs.size(); ++i) {
      const double ms = decode(setup, cases[i], &runs[i]);
      const double after = disk.bytes_per_second();
      const double rate = (before + after) / 2;
      runs[i].disk_bytes_per_second.push_back(rate);
      runs[i].to_floor.push_back(ms / std::max(compute_ms, 1e3 * static_cast<double>(kv_bytes) / rate));
      before = after;
    }
  }
  std::printf("\nKV %.1f MB at depth %u, RAM for 1/%u of it, 2 threads, %u rounds of %u tokens\n\n",
              static_cast<double>(kv_bytes) / 1e6, setup.depth, setup.share, setup.repeat, setup.n_tokens);
  std::printf(
      "| case | ms/token | read MB/token | KB/read | stall %% | disk GB/s (128 KiB, depth 32) | to floor "
      "(least, most) |\n|---|---|---|---|---|---|---|\n");
  for (size_t i = 0; i < runs.size(); ++i) {
    const Run& run = runs[i];
    double total_ms = 0;
    for (const double t : run.token_ms) total_ms += t;
    const auto [least, most] = std::minmax_element(run.to_floor.begin(), run.to_floor.end());
    std::printf(
        "| %s | %.1f | %.1f | %.0f | %.1f | %.2f | %.2f (%.2f, %.2f) |\n", cases[i].name,
        median(run.token_ms), static_cast<double>(run.read_bytes) / static_cast<double>(run.n_decoded) / 1e6,
        run.n_reads ? static_cast<double>(run.read_bytes) / static_cast<double>(run.n_reads) / 1e3 : 0.0,
        static_cast<double>(run.stall_us) / total_ms / 10,
        run.disk_bytes_per_second.empty() ? 0 : median(run.disk_bytes_per_second) / 1e9, median(run.to_floor),
        *least, *most);
  }
  for (size_t i = 0; i < runs.size(); ++i) {
    const SelectionStatistics selected = runs[i].session->selection_statistics();
    if (selected.n_pages_fetched == 0) continue;
    std::printf("%s: %.0f pages fetched a selection, %.0f %% of them guessed\n", cases[i].name,
                static_cast<double>(selected.n_pages_fetched) / static_cast<double>(selected.n_selections),
                100.0 * static_cast<double>(selected.n_pages_guessed) /
                    static_cast<double>(selected.n_pages_fetched));
  }
  reopen(setup, &runs[0]);
  return 0;
}
