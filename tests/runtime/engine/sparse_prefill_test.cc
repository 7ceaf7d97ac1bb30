// Prompts whose pieces attend to a selection: what that must not change, and what it must not touch.
#include <fstream>

#include "runtime/engine/request.h"
#include "runtime/store/session_file.h"
#include "tests/runtime/engine/engine_fixture.h"
#include "tests/support/sim_device.h"

namespace leoam {
namespace {

class SparsePrefillTest : public testing::EngineTest {
 protected:
  static constexpr size_t kPrompt = 2000;
  static constexpr size_t kSteps = 4;
  static constexpr uint64_t kFrom = 400;

  static testing::TinyModelOptions model(const std::string& architecture = "llama") {
    return long_model(6, architecture);
  }
  static SessionOptions sparse(double importance = 0.2, uint64_t from = kFrom, const char* policy = "leoam") {
    SessionOptions options;
    options.policy.name = policy;
    options.policy.importance = importance;
    options.policy.sparse_prefill_tokens = from;
    options.piece_tokens = 256;
    return options;
  }
  static SessionOptions exact() {
    SessionOptions options;
    options.piece_tokens = 256;
    return options;
  }
  // Logits of each position of a prompt, and of some tokens behind it.
  static Logits run(Session& session, size_t n_prompt = kPrompt) {
    Logits out = read(session, n_prompt);
    for (std::vector<float>& logits : go_on(session, n_prompt, n_prompt + kSteps))
      out.push_back(std::move(logits));
    return out;
  }
};

TEST_F(SparsePrefillTest, WhatCoversEverythingHasTheBytesOfExact) {
  for (const char* architecture : {"llama", "gemma3"}) {
    start(model(architecture));
    const Logits expected = run(*session(exact()));
    // Nothing selects; lists of all pages, which decoding tokens do not select from; the threshold is not
    // reached.
    EXPECT_TRUE(run(*session(sparse(1))) == expected) << architecture;
    auto lists = session(sparse(0.9999));
    const Logits found = read(*lists, kPrompt);
    ASSERT_EQ(found.size(), kPrompt);
    EXPECT_TRUE(std::equal(found.begin(), found.end(), expected.begin())) << architecture;
    const SelectionStatistics chosen = lists->selection_statistics();
    EXPECT_GT(chosen.n_prefill_context_tokens, 0u);
    EXPECT_EQ(chosen.n_prefill_attended_tokens, chosen.n_prefill_context_tokens);
    auto late = session(sparse(0.2, kPrompt));
    ASSERT_TRUE(late->evaluate(tokens(kPrompt), {}).ok());
    EXPECT_EQ(logits(*late), expected[kPrompt - 1]) << architecture;
    EXPECT_EQ(late->selection_statistics().n_prefill_context_tokens, 0u);
  }
}

TEST_F(SparsePrefillTest, ASelectionStaysInItsBudget) {
  start(model());
  const Logits expected = run(*session(exact()));
  for (const char* policy : {"leoam", "quest"}) {
    auto s = session(sparse(0.25, kFrom, policy));
    const Logits found = run(*s);
    EXPECT_TRUE(std::equal(found.begin(), found.begin() + 512, expected.begin()))
        << "pieces before the threshold";
    EXPECT_FALSE(found[kPrompt - 1] == expected[kPrompt - 1]);
    const SelectionStatistics chosen = s->selection_statistics();
    // The piece itself is beside the budget: half of it on average.
    EXPECT_LT(chosen.n_prefill_attended_tokens, chosen.n_prefill_context_tokens * 45 / 100) << policy;
    EXPECT_GT(chosen.n_prefill_attended_tokens, chosen.n_prefill_context_tokens * 25 / 100) << policy;
    EXPECT_EQ(chosen.n_selections, 4 * kSteps);
  }
}

TEST_F(SparsePrefillTest, OfPoliciesThatCannotItIsRefused) {
  start(model());
  for (const char* policy : {"exact", "window", "h2o"})
    EXPECT_EQ(engine_->create_session(model_, sparse(0.2, kFrom, policy)).status().kind(),
              ErrorKind::invalid_argument)
        << policy;
}

TEST_F(SparsePrefillTest, PlacementChangesNoByteAndFewerAreRead) {
  for (const kernels::KvType type : {kernels::KvType::f16, kernels::KvType::int8}) {
    SessionOptions options = sparse(0.1);
    options.kv_type = type;
    start(model());
    auto all = session(options);
    const Logits expected = run(*all);
    const uint64_t kv_bytes = all->kv_bytes();
    all.reset();

    EngineOptions two_tiers;
    two_tiers.host_kv_budget_bytes = kv_bytes / 2;
    start(model(), two_tiers);
    EXPECT_TRUE(run(*session(options)) == expected);
    EXPECT_GT(engine_->statistics().disk_read_bytes, 0u);

    two_tiers.looks_ahead = false;
    start(model(), two_tiers);
    EXPECT_TRUE(run(*session(options)) == expected);
    const uint64_t read_bytes = engine_->statistics().disk_read_bytes;
    start(model(), two_tiers);
    run(*session(exact()));
    EXPECT_LT(read_bytes, engine_->statistics().disk_read_bytes);

    EngineOptions three_tiers;
    three_tiers.device_kv_budget_bytes = kv_bytes / 3;
    three_tiers.host_kv_budget_bytes = kv_bytes / 2;
    three_tiers.create_device = testing::sim_device_factory({});
    start(model(), three_tiers);
    EXPECT_TRUE(run(*session(options)) == expected);
  }
}

TEST_F(SparsePrefillTest, WithoutRoomForAbstractsTheRestIsReadExactly) {
  start(model());
  auto all = session(sparse());
  run(*all);
  const SelectionStatistics with_room = all->selection_statistics();
  EngineOptions little;
  little.host_kv_budget_bytes = all->kv_bytes() / 6;
  all.reset();
  start(model(), little);
  auto s = session(sparse());
  run(*s);
  EXPECT_LT(s->selection_statistics().n_prefill_context_tokens, with_room.n_prefill_context_tokens);
  EXPECT_EQ(s->selection_statistics().n_selections, 0u);
  EXPECT_LE(engine_->statistics().host_kv_peak_bytes, little.host_kv_budget_bytes);
}

TEST_F(SparsePrefillTest, APieceThatWasCancelledIsAsIfItHadNotBeen) {
  start(model());
  auto whole = session(sparse());
  ASSERT_TRUE(whole->evaluate(tokens(kPrompt), {}).ok());
  const std::vector<float> expected = logits(*whole);
  whole.reset();
  auto s = session(sparse());
  ASSERT_TRUE(s->evaluate(std::span<const int32_t>(tokens(kPrompt)).first(1024), {}).ok());
  for (int i = 0; i < 3; ++i) {
    RequestOptions options;
    const std::vector<int32_t> all = tokens(kPrompt);
    options.prompt.assign(all.begin() + static_cast<std::ptrdiff_t>(s->n_tokens()), all.end());
    options.max_tokens = 0;
    options.delivery = Delivery::step;
    auto request = s->submit(options);
    ASSERT_TRUE(request.ok()) << request.status().message();
    // Stopped inside a pass, further each time.
    for (int k = 0; k < 4 + 5 * i; ++k) ASSERT_TRUE((*request)->step(0).ok());
    (*request)->cancel();
    while ((*request)->finish_reason() == FinishReason::none) ASSERT_TRUE((*request)->step(0).ok());
    ASSERT_LT(s->n_tokens(), kPrompt);
  }
  const std::vector<int32_t> all = tokens(kPrompt);
  ASSERT_TRUE(s->evaluate(std::span(all).subspan(s->n_tokens()), {}).ok());
  EXPECT_EQ(logits(*s), expected);
}

TEST_F(SparsePrefillTest, AForkAndAReopenedSessionGoOnAsTheFirst) {
  start(model());
  const std::vector<int32_t> all = tokens(kPrompt);
  const std::span<const int32_t> given(all);
  auto first = session(sparse());
  ASSERT_TRUE(first->evaluate(given.first(1000), {}).ok());
  auto fork = first->fork().value();
  const std::string path = state_.path() + "/a.session";
  ASSERT_TRUE(first->save(path, nullptr, {}).ok());
  ASSERT_TRUE(first->evaluate(given.subspan(1000), {}).ok());
  const Logits expected = go_on(*first, kPrompt, kPrompt + kSteps);
  ASSERT_TRUE(fork->suspend({}).ok());
  ASSERT_TRUE(fork->evaluate(given.subspan(1000), {}).ok());
  EXPECT_TRUE(go_on(*fork, kPrompt, kPrompt + kSteps) == expected);
  first.reset();
  fork.reset();
  auto reopened = engine_->open_session(model_, path, nullptr, sparse()).value();
  ASSERT_TRUE(reopened->evaluate(given.subspan(1000), {}).ok());
  EXPECT_TRUE(go_on(*reopened, kPrompt, kPrompt + kSteps) == expected);
}

TEST_F(SparsePrefillTest, WhatWasReadSparselyIsForWhoeverAskedForIt) {
  start(model());
  const auto prefill = [&](const SessionOptions& options) {
    auto s = session(options);
    EXPECT_TRUE(s->evaluate(tokens(kPrompt), {}).ok());
    return s;
  };
  const auto n_shared = [&] { return engine_->statistics().shared_tokens; };
  const std::vector<float> expected = logits(*prefill(exact()));
  auto first = prefill(sparse());
  const std::vector<float> chosen = logits(*first);
  EXPECT_EQ(n_shared(), 0u);
  // Pieces before the threshold are the same for all: two of them.
  EXPECT_EQ(logits(*prefill(exact())), expected);
  EXPECT_EQ(n_shared(), 512u);
  EXPECT_EQ(logits(*prefill(sparse())), chosen);
  EXPECT_EQ(n_shared(), 512u + 1792u);
  auto other = prefill(sparse(0.3));
  EXPECT_EQ(n_shared(), 2 * 512u + 1792u);
  other.reset();
  // The other way.
  first = prefill(exact());
  EXPECT_EQ(logits(*prefill(sparse())), chosen);
  first.reset();

  // A file remembers it, whoever opens it.
  first = prefill(sparse());
  const std::string path = state_.path() + "/a.session";
  ASSERT_TRUE(first->save(path, nullptr, {}).ok());
  first.reset();
  first = engine_->open_session(model_, path, nullptr, {}).value();
  const uint64_t before = n_shared();
  EXPECT_EQ(logits(*prefill(exact())), expected);
  EXPECT_EQ(n_shared(), before + 512);
}

// Whatever bytes of a saved session are lost, the passes that are repeated attend to what they attended to.
TEST_F(SparsePrefillTest, DamagedPagesAreMadeAgain) {
  start(model());
  auto s = session(sparse());
  ASSERT_TRUE(s->evaluate(tokens(kPrompt), {}).ok());
  // A cut in the middle of a piece, of which nothing stays that could not be made again.
  ASSERT_TRUE(s->truncate(1900).ok());
  const std::string path = state_.path() + "/a.session";
  ASSERT_TRUE(s->save(path, nullptr, {}).ok());
  const Logits expected = go_on(*s, 1900, 1903);
  s.reset();
  uint32_t seed = 1;
  uint64_t n_damaged = 0;
  for (int round = 0; round < 8; ++round) {
    {
      DiskAccount account(UINT64_MAX);
      auto files = create_file_system();
      const auto saved =
          std::move(SessionFile::open(*files, path, nullptr, nullptr, account, OpenMode::read_only)).value();
      const size_t n_layers = model_->config().n_layers;
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      for (int i = 0; i < 3; ++i) {
        seed = seed * 1664525u + 1013904223u;
        const auto& pages = saved->streams()[n_layers * (seed % 3) + 2 + (seed >> 8) % (n_layers - 2)].pages;
        const PageRecord& record = pages[(seed >> 16) % pages.size()];
        file.seekp(static_cast<std::streamoff>(record.offset_bytes + seed % 1000));
        file.put(static_cast<char>(seed >> 24));
      }
    }
    auto reopened = engine_->open_session(model_, path, nullptr, sparse());
    ASSERT_TRUE(reopened.ok()) << reopened.status().message();
    EXPECT_TRUE(go_on(**reopened, 1900, 1903) == expected) << round;
    n_damaged = engine_->statistics().pages_damaged;
  }
  EXPECT_GT(n_damaged, 0u);
}

}  // namespace
}  // namespace leoam
