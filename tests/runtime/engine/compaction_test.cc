// Old pages in fewer bits: how near that comes to plain pages, and what it must not depend on.
#include <algorithm>
#include <fstream>
#include <thread>

#include "runtime/kv/layer_compaction.h"
#include "runtime/store/session_file.h"
#include "tests/runtime/engine/engine_fixture.h"
#include "tests/support/sim_device.h"

namespace leoam {
namespace {

using kernels::PageCodec;

class CompactionTest : public testing::EngineTest {
 protected:
  static constexpr size_t kPrompt = 900;
  static constexpr size_t kSteps = 40;
  // Largest difference of logits, by codec, of models with random weights; without any KV it is about 10.
  static constexpr double kNear[] = {0, 0.1, 0.8, 1};

  static testing::TinyModelOptions model(const std::string& architecture = "llama") {
    // The sixth is global.
    return long_model(architecture == "gemma3" ? 6 : 4, architecture);
  }
  static SessionOptions with(PageCodec codec, std::string_view policy = "exact") {
    SessionOptions options;
    options.page_codec = codec;
    options.policy.name = policy;
    return options;
  }
  Logits run(Session& session) {
    const Status status = session.evaluate(tokens(kPrompt), {});
    EXPECT_TRUE(status.ok()) << status.message();
    return go_on(session, kPrompt, kPrompt + kSteps);
  }
  Logits run(PageCodec codec, std::string_view policy = "exact") {
    return run(*session(with(codec, policy)));
  }
  DiskAccount disk_{UINT64_MAX};
  static double difference(const Logits& a, const Logits& b) {
    double largest = 0;
    for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, largest_difference(a[i], b[i]));
    return largest;
  }
};

TEST_F(CompactionTest, FewerBitsComeLessNear) {
  for (const char* architecture : {"llama", "gemma3"}) {
    start(model(architecture));
    const Logits plain = run(PageCodec::plain);
    double last = 0;
    for (const PageCodec codec : kCompactCodecs) {
      auto s = session(with(codec));
      const double found = difference(run(*s), plain);
      EXPECT_GT(found, last) << architecture << ' ' << kernels::name_of(codec);
      EXPECT_LT(found, kNear[static_cast<size_t>(codec)]) << architecture << ' ' << kernels::name_of(codec);
      last = found;
    }
  }
}

TEST_F(CompactionTest, TakesTheBytesThatItSays) {
  start(model());
  const kernels::KvLayout layout = {kernels::KvType::f16, model_->config().n_kv_heads,
                                    model_->config().head_dim, 32};
  for (const PageCodec codec : kCompactCodecs) {
    auto s = session(with(codec));
    run(*s);
    const uint64_t pages = (kPrompt + kSteps + 31) / 32;
    const uint64_t compact = (kPrompt + kSteps - LayerCompaction::kPlainWindow_tokens) / 32 -
                             LayerCompaction::kPlainSink_tokens / 32;
    EXPECT_EQ(s->kv_bytes(),
              4 * ((pages - compact) * layout.page_bytes() + compact * kernels::page_bytes(layout, codec)));
  }
}

TEST_F(CompactionTest, APolicyWhoseBudgetCoversTheContextIsExact) {
  start(model());
  for (const PageCodec codec : kCompactCodecs) {
    const Logits exact = run(codec);
    SessionOptions all = with(codec, "leoam");
    all.policy.importance = 1;
    EXPECT_TRUE(run(*session(all)) == exact) << kernels::name_of(codec);
  }
}

// A pass that fails or is stopped leaves no trace: the next one sees the pages as it would have.
TEST_F(CompactionTest, AStoppedPassIsRepeatedToTheBit) {
  start(model());
  for (const char* policy : {"exact", "leoam"}) {
    const Logits expected = run(PageCodec::k8v4, policy);
    auto s = session(with(PageCodec::k8v4, policy));
    const std::vector<int32_t> all = tokens(kPrompt);
    for (size_t at = 0, n_calls = 0; at < all.size(); ++n_calls) {
      CancelFlag cancel;
      EvaluateOptions options;
      options.cancel = &cancel;
      std::thread stopper([&] {
        std::this_thread::sleep_for(std::chrono::microseconds(n_calls * 211 % 3000));
        cancel.cancel();
      });
      const Status status = s->evaluate(std::span(all).subspan(at), options);
      stopper.join();
      EXPECT_TRUE(status.ok() || status.kind() == ErrorKind::cancelled) << status.message();
      at = static_cast<size_t>(s->n_tokens());
      if (n_calls == 50) {
        ASSERT_TRUE(s->evaluate(std::span(all).subspan(at), {}).ok());
        at = all.size();
      }
    }
    EXPECT_TRUE(go_on(*s, kPrompt, kPrompt + kSteps) == expected) << policy;
  }
}

TEST_F(CompactionTest, ACutInACompactPageGivesUpItsTokensBefore) {
  start(model());
  for (const PageCodec codec : kCompactCodecs) {
    const Logits plain = run(PageCodec::plain);
    auto s = session(with(codec));
    run(*s);
    ASSERT_TRUE(s->truncate(413).ok());
    EXPECT_EQ(s->n_tokens(), 413u);
    const std::vector<int32_t> all = tokens(kPrompt);
    ASSERT_TRUE(s->evaluate(std::span(all).subspan(413), {}).ok());
    const double near = kNear[static_cast<size_t>(codec)];
    EXPECT_LT(difference(go_on(*s, kPrompt, kPrompt + kSteps), plain), near) << kernels::name_of(codec);
    // Forks do not disturb each other.
    auto fork = s->fork();
    ASSERT_TRUE(fork.ok());
    ASSERT_TRUE((*fork)->truncate(500).ok());
    ASSERT_TRUE((*fork)->evaluate(tokens(100), {}).ok());
    ASSERT_TRUE(s->truncate(700).ok());
    ASSERT_TRUE(s->evaluate(std::span(all).subspan(700), {}).ok());
    EXPECT_LT(difference(go_on(*s, kPrompt, kPrompt + kSteps), plain), near) << kernels::name_of(codec);
  }
}

TEST_F(CompactionTest, ASavedSessionKeepsItsPagesAndGoesOn) {
  for (const PageCodec codec : kCompactCodecs) {
    start(model());
    const Logits expected = run(codec);
    const std::string path = state_.file(std::string("session.") + kernels::name_of(codec));
    {
      auto s = session(with(codec));
      ASSERT_TRUE(s->evaluate(tokens(kPrompt), {}).ok());
      ASSERT_TRUE(s->save(path, nullptr, {}).ok());
    }
    auto file = SessionFile::open(engine_->files(), path, nullptr, nullptr, disk_, OpenMode::read_only);
    ASSERT_TRUE(file.ok()) << file.status().message();
    const auto verdict = (*file)->verify(nullptr);
    ASSERT_TRUE(verdict.ok());
    EXPECT_EQ(verdict->n_pages, 4 * ((kPrompt + 31) / 32));
    EXPECT_EQ(verdict->n_missing_pages + verdict->n_bad_pages, 0u);
    EXPECT_EQ(verdict->n_recompute_tokens, 0u);
    file->reset();
    ASSERT_TRUE(SessionFile::compact(engine_->files(), path, nullptr, disk_).ok());
    // The file says how it goes on.
    auto again = engine_->open_session(model_, path, nullptr, {});
    ASSERT_TRUE(again.ok()) << again.status().message();
    EXPECT_EQ((*again)->page_codec(), codec);
    EXPECT_TRUE(go_on(**again, kPrompt, kPrompt + kSteps) == expected) << kernels::name_of(codec);
    ASSERT_TRUE((*again)->save({}, nullptr, {}).ok());
  }
}

TEST_F(CompactionTest, DamagedPagesAreComputedAgain) {
  start(model());
  const Logits plain = run(PageCodec::plain);
  const std::string path = state_.file("damaged");
  auto s = session(with(PageCodec::k8v8));
  ASSERT_TRUE(s->evaluate(tokens(kPrompt), {}).ok());
  ASSERT_TRUE(s->save(path, nullptr, {}).ok());
  s.reset();
  {
    auto file = SessionFile::open(engine_->files(), path, nullptr, nullptr, disk_, OpenMode::read_only);
    ASSERT_TRUE(file.ok());
    const uint32_t stream = stream_number(PageKind::kv_k8v8, 2, 4);
    const PageRecord record = (*file)->streams()[stream].pages[3];
    ASSERT_TRUE(record.present());
    file->reset();
    std::fstream bytes(path, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(static_cast<std::streamoff>(record.offset_bytes + 5));
    bytes.put('\x55');
  }
  auto again = engine_->open_session(model_, path, nullptr, {});
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_LT(difference(go_on(**again, kPrompt, kPrompt + kSteps), plain), 0.1);
  EXPECT_GT(engine_->statistics().recomputed_tokens, 0u);
  ASSERT_TRUE((*again)->save({}, nullptr, {}).ok());
  again->reset();
  auto file = SessionFile::open(engine_->files(), path, nullptr, nullptr, disk_, OpenMode::read_only);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->verify(nullptr)->n_recompute_tokens, 0u);
}

TEST_F(CompactionTest, PrefixesAreNotShared) {
  start(model());
  auto first = session(with(PageCodec::k8v8));
  const Logits expected = run(*first);
  EXPECT_TRUE(run(PageCodec::k8v8) == expected);
  EXPECT_EQ(engine_->statistics().shared_tokens, 0u);
}

TEST_F(CompactionTest, PlacementChangesNothing) {
  for (const char* policy : {"exact", "leoam"}) {
    start(model());
    const Logits expected = run(PageCodec::k4v4, policy);
    EngineOptions options;
    // Abstracts must find room too, or everything is attended to.
    options.host_kv_budget_bytes = std::string_view(policy) == "exact" ? 150 << 10 : 220 << 10;
    start(model(), options);
    EXPECT_TRUE(run(PageCodec::k4v4, policy) == expected) << policy;
    EXPECT_GT(engine_->statistics().disk_read_bytes, 0u);
    options.host_kv_budget_bytes = 200 << 10;
    options.device_kv_budget_bytes = 150 << 10;
    options.create_device = testing::sim_device_factory({UINT64_MAX, 0, 0});
    start(model(), options);
    EXPECT_TRUE(run(PageCodec::k4v4, policy) == expected) << policy << ", three tiers";
  }
}

}  // namespace
}  // namespace leoam
