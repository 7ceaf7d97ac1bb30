// What a selection costs and how far it looks, over the keys of one layer: text with structure (runs of one
// topic) and without any. Chunks are beside one for each page, which is what bounds of fixed chunks would
// take for the same pages. usage: selection_bench [rounds [budget [tokens]...]]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "tests/runtime/kv/selection_check.h"

namespace leoam {
namespace {

using testing::SelectionCheck;

constexpr kernels::KvLayout kLayout = {kernels::KvType::f16, 2, 64, 32};
// Keys have this size, and queries look for a token as hard as makes it stand out.
constexpr float kGain = 10;

// Of this thread's own running: other programs on the machine count less.
double now_us() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return 1e6 * static_cast<double>(time.tv_sec) + 1e-3 * static_cast<double>(time.tv_nsec);
}

void fill(SelectionCheck& check, bool clustered, uint32_t n_tokens, std::mt19937& random) {
  const size_t width = size_t{kLayout.n_kv_heads} * kLayout.head_dim;
  std::vector<float> topic(width);  // 0: every token's own
  uint32_t n_left = 0;
  const auto sign = [&random] { return random() % 2 == 0 ? 0.125f : -0.125f; };
  for (uint32_t page = 0; page < n_tokens / kLayout.page_tokens; ++page)
    check.add_page([&](uint32_t, uint32_t head, uint32_t channel) {
      if (head == 0 && channel == 0 && n_left-- == 0) {
        n_left = 64 + static_cast<uint32_t>(random() % 448);
        for (float& x : topic) x = clustered && random() % 4 != 0 ? sign() : 0;
      }
      const float shared = topic[head * kLayout.head_dim + channel];
      return shared != 0 ? shared : sign();
    });
  check.summarize();
}

void run(const char* kind, bool clustered, uint32_t n_tokens, uint64_t budget_tokens, int n_rounds) {
  std::mt19937 random(n_tokens);
  SelectionCheck check(kLayout);
  fill(check, clustered, n_tokens, random);
  PolicyOptions options;
  options.name = "leoam";
  const auto policy = std::move(create_policy(options, check.means())).value();
  const uint32_t n_pages = n_tokens / kLayout.page_tokens - 2;
  std::vector<double> us;
  double n_chunks = 0;
  double captured = 0;
  double coverage = 0;
  for (int round = 0; round < n_rounds; ++round) {
    std::vector<float> q(size_t{check.n_heads()} * kLayout.head_dim);
    for (uint32_t head = 0; head < check.n_heads(); ++head) {
      const uint32_t token = static_cast<uint32_t>(random() % n_tokens);
      for (uint32_t c = 0; c < kLayout.head_dim; ++c)
        q[head * kLayout.head_dim + c] = 4 * kGain * check.key(token, head / SelectionCheck::kGroup, c);
    }
    check.ask(std::move(q));
    for (int turn = 0; turn < 5; ++turn) {
      const double begun = now_us();
      PassHolds holds;
      AbstractReader reader(check.tiers(), check.abstracts(), &holds, nullptr);
      check.choose(*policy, budget_tokens, reader);
      us.push_back(now_us() - begun);
    }
    n_chunks += static_cast<double>(check.selection().n_chunks_evaluated) / kLayout.n_kv_heads / n_rounds;
    for (uint32_t head = 0; head < check.n_heads(); ++head) {
      captured += check.true_share(head) / check.n_heads() / n_rounds;
      coverage += check.coverage(head) / check.n_heads() / n_rounds;
    }
  }
  std::nth_element(us.begin(), us.begin() + static_cast<std::ptrdiff_t>(us.size() / 2), us.end());
  std::printf("| %s | %u | %llu | %.1f | %.0f | %.2f | %.3f | %.3f |\n", kind, n_tokens,
              static_cast<unsigned long long>(budget_tokens), us[us.size() / 2] / kLayout.n_kv_heads,
              n_chunks, n_pages / n_chunks, captured, coverage);
}

}  // namespace
}  // namespace leoam

int main(int argc, char** argv) {
  const int n_rounds = argc > 1 ? std::atoi(argv[1]) : 10;
  const uint64_t budget = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 0;
  std::vector<uint32_t> lengths;
  for (int i = 3; i < argc; ++i) lengths.push_back(static_cast<uint32_t>(std::strtoul(argv[i], nullptr, 10)));
  if (lengths.empty()) lengths = {8192, 32768};
  std::printf(
      "| text | tokens | budget | us a KV head | chunks | fewer | captured | coverage "
      "|\n|---|---|---|---|---|---|---|---|\n");
  for (const uint32_t n : lengths)
    for (const bool clustered : {true, false})
      leoam::run(clustered ? "clustered" : "unstructured", clustered, n, budget > 0 ? budget : n / 10,
                 n_rounds);
  return 0;
}
