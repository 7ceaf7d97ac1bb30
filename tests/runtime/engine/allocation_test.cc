// Decoding takes nothing from the heap: counts every operator new of the process while tokens are drawn.
#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/runtime/engine/engine_fixture.h"

namespace {
std::atomic<uint64_t> n_allocations{0};
}  // namespace

// Not inlined: g++ sees a mismatch where it looks into one of a pair and not into the other.
[[gnu::noinline]] void* operator new(size_t bytes) {
  n_allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(bytes ? bytes : 1)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}

namespace leoam {
namespace {

using AllocationTest = testing::EngineTest;

TEST_F(AllocationTest, ADecodedTokenTakesNothingFromTheHeap) {
  for (const Delivery delivery : {Delivery::callback, Delivery::poll, Delivery::step}) {
    start();
    SessionOptions wide;
    wide.page_tokens = 128;  // no page border while counting
    auto s = session(wide);
    std::vector<uint64_t> counts;
    counts.reserve(1000);
    RequestOptions request;
    request.prompt = tokens(10);
    request.max_tokens = 100;
    request.ignore_end = true;
    request.sampler.temperature = 1;
    request.sampler.top_k = 40;
    request.delivery = delivery;
    const auto count = [&](const Event& event) {
      if (event.kind == EventKind::token) counts.push_back(n_allocations.load());
      return true;
    };
    if (delivery == Delivery::callback) request.on_event = count;
    auto submitted = s->submit(std::move(request));
    ASSERT_TRUE(submitted.ok());
    Request& running = **submitted;
    Event event;
    while (delivery != Delivery::callback && event.kind != EventKind::finished) {
      if (delivery == Delivery::step) {
        ASSERT_TRUE(running.step(1000).ok());
      }
      while (event.kind != EventKind::finished && running.poll(&event)) count(event);
    }
    ASSERT_TRUE(running.wait(20'000'000).ok());
    ASSERT_EQ(counts.size(), 100u);
    // The first tokens may size buffers.
    EXPECT_EQ(counts[99] - counts[10], 0u) << static_cast<int>(delivery);
    submitted = Status(ErrorKind::internal, "done");
  }
}

}  // namespace
}  // namespace leoam
