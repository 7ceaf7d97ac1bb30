// Policies in the engine: what they must not change, and how near they come to exact.
#include <algorithm>
#include <cmath>

#include "runtime/engine/request.h"
#include "runtime/engine/session_files.h"
#include "runtime/model/tokenizer/tokenizer.h"
#include "runtime/store/session_file.h"
#include "tests/runtime/engine/engine_fixture.h"
#include "tests/support/sanitized.h"
#include "tests/support/sim_device.h"

namespace leoam {
namespace {

constexpr kernels::KvType kTypes[] = {kernels::KvType::f16, kernels::KvType::int8};

class PolicyTest : public testing::EngineTest {
 protected:
  static constexpr size_t kPrompt = 1500;
  static constexpr size_t kSteps = 40;

  static testing::TinyModelOptions model(const std::string& architecture = "llama") {
    return long_model(10, architecture);
  }
  static SessionOptions with(std::string_view policy, double importance, uint32_t budget_tokens = 0) {
    SessionOptions options;
    options.policy.name = policy;
    options.policy.importance = importance;
    options.policy.budget_tokens = budget_tokens;
    return options;
  }
  Logits run(Session& session) {
    const Status status = session.evaluate(tokens(kPrompt), {});
    EXPECT_TRUE(status.ok()) << status.message();
    return go_on(session, kPrompt, kPrompt + kSteps);
  }
};

TEST_F(PolicyTest, ABudgetThatCoversTheContextGivesTheBytesOfExact) {
  for (const char* architecture : {"llama", "gemma3"}) {
    start(model(architecture));
    for (const kernels::KvType type : kTypes) {
      const auto wish = [&](std::string_view policy, double importance, uint32_t budget_tokens) {
        SessionOptions options = with(policy, importance, budget_tokens);
        options.kv_type = type;
        return options;
      };
      const Logits exact = run(*session(wish("exact", 1, 0)));
      for (const std::string_view policy : policy_names()) {
        EXPECT_TRUE(run(*session(wish(policy, 1, 0))) == exact) << policy;
        EXPECT_TRUE(run(*session(wish(policy, 0.01, 4096))) == exact) << policy;
      }
    }
  }
}

TEST_F(PolicyTest, ASelectionIsMadeAndStaysInItsBudget) {
  start(model());
  for (const std::string_view policy : policy_names()) {
    auto s = session(with(policy, 0.25));
    run(*s);
    const SelectionStatistics chosen = s->selection_statistics();
    if (policy == "exact") {
      EXPECT_EQ(chosen.n_selections, 0u);
      continue;
    }
    EXPECT_EQ(chosen.n_selections, 8 * kSteps) << policy;  // the first two layers are dense
    // leoam keeps to it on average.
    EXPECT_LE(chosen.n_attended_tokens, chosen.n_context_tokens * (policy == "leoam" ? 21 : 20) / 80)
        << policy;
    EXPECT_GT(chosen.n_attended_tokens, chosen.n_context_tokens / 6) << policy;
  }
}

TEST_F(PolicyTest, PlacementChangesNoByteOfASelection) {
  for (const std::string_view policy : policy_names()) {
    for (const kernels::KvType type : kTypes) {
      // Four passes over a text each, which a sanitizer makes minutes of.
      if (testing::kSanitized && policy != "leoam" && type != kernels::KvType::f16) continue;
      SessionOptions options = with(policy, 0.25);
      options.kv_type = type;
      start(model());
      auto all = session(options);
      const Logits expected = run(*all);
      const uint64_t kv_bytes = all->kv_bytes();
      all.reset();

      // Abstracts need as much for both types; with less room than they need nothing would be selected.
      const uint64_t host_bytes = type == kernels::KvType::f16 ? kv_bytes / 3 : kv_bytes / 2;
      EngineOptions two_tiers;
      two_tiers.host_kv_budget_bytes = host_bytes;
      start(model(), two_tiers);
      EXPECT_TRUE(run(*session(options)) == expected) << policy;
      EXPECT_GT(engine_->statistics().disk_read_bytes, 0u);

      two_tiers.looks_ahead = false;
      start(model(), two_tiers);
      EXPECT_TRUE(run(*session(options)) == expected) << policy;
      EXPECT_EQ(engine_->statistics().pages_ahead, 0u);

      EngineOptions three_tiers;
      three_tiers.device_kv_budget_bytes = kv_bytes / 4;
      three_tiers.host_kv_budget_bytes = host_bytes;
      three_tiers.create_device = testing::sim_device_factory({});
      start(model(), three_tiers);
      EXPECT_TRUE(run(*session(options)) == expected) << policy;
    }
  }
}

TEST_F(PolicyTest, WithoutRoomForAbstractsEverythingIsAttendedTo) {
  start(model());
  auto all = session();
  const Logits exact = run(*all);
  const uint64_t kv_bytes = all->kv_bytes();
  all.reset();
  EngineOptions little;
  little.host_kv_budget_bytes = kv_bytes / 6;
  start(model(), little);
  for (const std::string_view policy : {"leoam", "h2o"}) {
    auto s = session(with(policy, 0.25));
    EXPECT_TRUE(run(*s) == exact);
    EXPECT_EQ(s->selection_statistics().n_selections, 0u);
    EXPECT_LE(engine_->statistics().host_kv_peak_bytes, kv_bytes / 6);
  }
}

TEST_F(PolicyTest, AForkAndAReopenedSessionGoOnAsTheFirst) {
  start(model());
  auto first = session(with("leoam", 0.2));
  ASSERT_TRUE(first->evaluate(tokens(kPrompt), {}).ok());
  go_on(*first, kPrompt, kPrompt + 10);
  const std::string path = state_.path() + "/a.session";
  ASSERT_TRUE(first->save(path, nullptr, {}).ok());
  auto fork = first->fork();
  ASSERT_TRUE(fork.ok());
  const Logits expected = go_on(*first, kPrompt + 10, kPrompt + kSteps);
  EXPECT_TRUE(go_on(**fork, kPrompt + 10, kPrompt + kSteps) == expected);
  first.reset();
  fork->reset();
  auto reopened = engine_->open_session(model_, path, nullptr, with("leoam", 0.2));
  ASSERT_TRUE(reopened.ok()) << reopened.status().message();
  EXPECT_TRUE(go_on(**reopened, kPrompt + 10, kPrompt + kSteps) == expected);
}

TEST_F(PolicyTest, SequencesOfOneStepKeepTheirOwnPolicies) {
  start(model());
  const auto submit = [&](Session& s, uint32_t seed) {
    RequestOptions options;
    options.prompt = tokens(700, seed);
    options.max_tokens = 30;
    options.ignore_end = true;
    return s.submit(options).value();
  };
  const auto finish = [](Session& s, Request& request) {
    Event event;
    while (request.finish_reason() == FinishReason::none)
      while (request.poll(&event)) {
      }
    std::vector<int32_t> all(s.n_tokens());
    EXPECT_TRUE(s.copy_tokens(0, all).ok());
    return all;
  };
  std::vector<std::vector<int32_t>> alone;
  for (uint32_t i = 0; i < policy_names().size(); ++i) {
    auto s = session(with(policy_names()[i], 0.3));
    alone.push_back(finish(*s, *submit(*s, i + 1)));
  }
  std::vector<std::shared_ptr<Session>> sessions;
  std::vector<std::shared_ptr<Request>> requests;
  for (uint32_t i = 0; i < policy_names().size(); ++i) {
    sessions.push_back(session(with(policy_names()[i], 0.3)));
    requests.push_back(submit(*sessions.back(), i + 1));
  }
  for (size_t i = 0; i < sessions.size(); ++i)
    EXPECT_TRUE(finish(*sessions[i], *requests[i]) == alone[i]) << policy_names()[i];
}

TEST_F(PolicyTest, ACutAndANewTextAreAsIfNothingElseHadBeen) {
  start(model());
  auto s = session(with("leoam", 0.2));
  ASSERT_TRUE(s->evaluate(tokens(kPrompt), {}).ok());
  ASSERT_TRUE(s->evaluate(tokens(200, 7), {}).ok());
  ASSERT_TRUE(s->truncate(kPrompt).ok());
  auto fresh = session(with("leoam", 0.2));
  ASSERT_TRUE(fresh->evaluate(tokens(kPrompt), {}).ok());
  EXPECT_TRUE(go_on(*s, kPrompt, kPrompt + 5) == go_on(*fresh, kPrompt, kPrompt + 5));
}

// What a step takes of its budget in each layer follows from steps before it, which a cut keeps.
TEST_F(PolicyTest, ACutAmongDecodedTokensGoesOnAsBefore) {
  start(model());
  auto s = session(with("leoam", 0.2));
  ASSERT_TRUE(s->evaluate(tokens(kPrompt), {}).ok());
  go_on(*s, kPrompt, kPrompt + 7);
  const Logits expected = go_on(*s, kPrompt + 7, kPrompt + 30);
  ASSERT_TRUE(s->truncate(kPrompt + 7).ok());
  EXPECT_TRUE(go_on(*s, kPrompt + 7, kPrompt + 30) == expected);
}

TEST_F(PolicyTest, WhatWasReadExactlyIsSelectedFromAsIfItHadBeenReadForThat) {
  start(model());
  auto whole = session(with("leoam", 0.2));
  ASSERT_TRUE(whole->evaluate(tokens(kPrompt), {}).ok());
  const Logits expected = go_on(*whole, kPrompt, kPrompt + 7);
  whole.reset();
  auto exact = session(with("exact", 1));
  ASSERT_TRUE(exact->evaluate(tokens(kPrompt), {}).ok());
  auto sharing = session(with("leoam", 0.2));
  ASSERT_TRUE(sharing->evaluate(tokens(kPrompt), {}).ok());
  EXPECT_TRUE(go_on(*sharing, kPrompt, kPrompt + 7) == expected);
  sharing.reset();
  const std::string path = state_.path() + "/exact.session";
  ASSERT_TRUE(exact->save(path, nullptr, {}).ok());
  exact.reset();
  auto reopened = engine_->open_session(model_, path, nullptr, with("leoam", 0.2));
  ASSERT_TRUE(reopened.ok()) << reopened.status().message();
  EXPECT_TRUE(go_on(**reopened, kPrompt, kPrompt + 7) == expected);
}

TEST_F(PolicyTest, SuspendedAbstractsLeaveRamAndComeBack) {
  start(model());
  for (const std::string_view policy : policy_names()) {
    auto s = session(with(policy, 0.2));
    ASSERT_TRUE(s->evaluate(tokens(kPrompt), {}).ok());
    go_on(*s, kPrompt, kPrompt + 3);
    auto fork = s->fork().value();
    const Logits expected = go_on(*fork, kPrompt + 3, kPrompt + 9);
    fork.reset();
    ASSERT_TRUE(s->suspend({}).ok());
    // What tokens got of attention stays in RAM and is not saved, and what they got of later queries stays
    // with them.
    const bool is_history = policy == "h2o";
    const uint64_t masses_bytes = is_history ? uint64_t{8} * 2 * 1536 * sizeof(float) : 0;
    EXPECT_LT(engine_->statistics().host_kv_bytes, s->kv_bytes() / 8 + masses_bytes) << policy;
    // A cut, or a save, before anything has come back.
    auto cut = s->fork().value();
    ASSERT_TRUE(cut->truncate(kPrompt - 300).ok());
    auto whole = session(with(policy, 0.2));
    ASSERT_TRUE(whole->evaluate(tokens(kPrompt - 300), {}).ok());
    EXPECT_TRUE(go_on(*cut, kPrompt - 300, kPrompt - 297) == go_on(*whole, kPrompt - 300, kPrompt - 297) ||
                is_history)
        << policy;
    cut.reset();
    whole.reset();
    EXPECT_TRUE(go_on(*s, kPrompt + 3, kPrompt + 9) == expected) << policy;
    fork = s->fork().value();
    const Logits last = go_on(*fork, kPrompt + 9, kPrompt + 12);
    fork.reset();
    ASSERT_TRUE(s->suspend({}).ok());
    const std::string path = state_.path() + "/" + std::string(policy) + ".session";
    ASSERT_TRUE(s->save(path, nullptr, {}).ok());
    s.reset();
    auto reopened = engine_->open_session(model_, path, nullptr, with(policy, 0.2));
    ASSERT_TRUE(reopened.ok()) << reopened.status().message();
    EXPECT_TRUE(go_on(**reopened, kPrompt + 9, kPrompt + 12) == last || is_history) << policy;
  }
}

TEST_F(PolicyTest, AForkEvictsWhatTheFirstWould) {
  start(model());
  auto first = session(with("h2o", 0.2));
  ASSERT_TRUE(first->evaluate(tokens(kPrompt), {}).ok());
  go_on(*first, kPrompt, kPrompt + 10);
  auto fork = first->fork().value();
  const Logits expected = go_on(*first, kPrompt + 10, kPrompt + kSteps);
  EXPECT_TRUE(go_on(*fork, kPrompt + 10, kPrompt + kSteps) == expected);
  // Both have masses, beside the KV that they share.
  EXPECT_EQ(fork->selection_statistics().n_selections, first->selection_statistics().n_selections);
}

// Whose prompt is computed already by another session learns nothing of the attention in it.
TEST_F(PolicyTest, MassesDoNotDependOnWhatIsShared) {
  start(model());
  const auto wish = [](std::string_view policy) {
    SessionOptions options = with(policy, 0.2);
    options.piece_tokens = 256;
    return options;
  };
  const Logits expected = run(*session(wish("h2o")));
  auto other = session(wish("exact"));
  run(*other);
  EXPECT_TRUE(run(*session(wish("h2o"))) == expected);
  EXPECT_EQ(engine_->statistics().shared_tokens, 0u);
  run(*session(wish("leoam")));
  EXPECT_GT(engine_->statistics().shared_tokens, 1000u);
}

// What a reopened session reads for its first token does not grow with the context.
TEST_F(PolicyTest, AReopenedSessionReadsAbstractsInsteadOfKv) {
  start(model());
  auto s = session(with("leoam", 0.05));
  constexpr size_t kLong = 4000;
  ASSERT_TRUE(s->evaluate(tokens(kLong), {}).ok());
  go_on(*s, kLong, kLong + 2);
  auto fork = s->fork().value();
  const Logits expected = go_on(*fork, kLong + 2, kLong + 4);
  const std::string path = state_.path() + "/a.session";
  ASSERT_TRUE(s->save(path, nullptr, {}).ok());
  const uint64_t kv_bytes = s->kv_bytes();
  s.reset();
  fork.reset();
  const uint64_t before = engine_->statistics().disk_read_bytes;
  auto reopened = engine_->open_session(model_, path, nullptr, with("leoam", 0.05)).value();
  EXPECT_TRUE(go_on(*reopened, kLong + 2, kLong + 4) == expected);
  // Two layers of ten are read as a whole.
  EXPECT_LT(engine_->statistics().disk_read_bytes - before, kv_bytes * 7 / 10);

  // Saved again by a session that attends to everything, it has no abstracts any more, and no room for them.
  reopened.reset();
  const uint64_t used = SessionFiles(*engine_).info(path, nullptr)->used_bytes;
  reopened = engine_->open_session(model_, path, nullptr, {}).value();
  ASSERT_TRUE(reopened->evaluate(tokens(40, 3), {}).ok());
  ASSERT_TRUE(reopened->save("", nullptr, {}).ok());
  reopened.reset();
  EXPECT_LT(SessionFiles(*engine_).info(path, nullptr)->used_bytes, used);
}

// Whatever bytes of a saved session are lost, abstracts among them, the tokens stay the same.
TEST_F(PolicyTest, DamagedAbstractsAreMadeAgain) {
  start(model());
  auto s = session(with("leoam", 0.2));
  ASSERT_TRUE(s->evaluate(tokens(kPrompt), {}).ok());
  const std::string path = state_.path() + "/a.session";
  ASSERT_TRUE(s->save(path, nullptr, {}).ok());
  const Logits expected = go_on(*s, kPrompt, kPrompt + 3);
  s.reset();
  uint32_t seed = 1;
  for (int round = 0; round < 12; ++round) {
    {
      DiskAccount account(UINT64_MAX);
      auto files = create_file_system();
      const auto saved =
          std::move(SessionFile::open(*files, path, nullptr, nullptr, account, OpenMode::read_only)).value();
      const size_t n_layers = model_->config().n_layers;
      ASSERT_EQ(saved->streams().size(), kPageKinds * n_layers);
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      for (int i = 0; i < 4; ++i) {
        seed = seed * 1664525u + 1013904223u;
        const auto& pages =
            saved->streams()[n_layers * (1 + seed % 2) + 2 + (seed >> 8) % (n_layers - 2)].pages;
        const PageRecord& record = pages[(seed >> 16) % pages.size()];
        file.seekp(static_cast<std::streamoff>(record.offset_bytes + seed % 1000));
        file.put(static_cast<char>(seed >> 24));
      }
    }
    auto reopened = engine_->open_session(model_, path, nullptr, with("leoam", 0.2));
    ASSERT_TRUE(reopened.ok()) << reopened.status().message();
    EXPECT_TRUE(go_on(**reopened, kPrompt, kPrompt + 3) == expected) << round;
  }
}

TEST_F(PolicyTest, ACoverageFloorWidensUpToExact) {
  start(model());
  const Logits exact = run(*session());
  double last = INFINITY;
  for (const double floor : {0.0, 0.9, 0.999999}) {
    for (const std::string_view policy : policy_names()) {
      if (policy == "exact") continue;
      SessionOptions options = with(policy, 0.15);
      options.policy.coverage_floor = floor;
      auto s = session(options);
      const Logits found = run(*s);
      double largest = 0;
      for (size_t i = 0; i < kSteps; ++i) largest = std::max(largest, largest_difference(found[i], exact[i]));
      const SelectionStatistics statistics = s->selection_statistics();
      EXPECT_GE(statistics.least_coverage, floor - 1e-6) << policy;
      EXPECT_LT(largest, floor > 0.99 ? 0.02 : INFINITY) << policy;
      std::vector<float> coverage(model_->config().n_layers * model_->config().n_heads);
      ASSERT_TRUE(s->copy_coverage(coverage).ok());
      EXPECT_EQ(coverage[0], 1.0f);
      EXPECT_FLOAT_EQ(*std::ranges::min_element(coverage), static_cast<float>(statistics.least_coverage));
      if (policy == "leoam") {
        EXPECT_LE(largest, last * 1.5);
        last = largest;
      }
    }
  }
}

TEST_F(PolicyTest, OptionsAreChecked) {
  start(model());
  EXPECT_EQ(engine_->create_session(model_, with("other", 0.1)).status().kind(), ErrorKind::unsupported);
  for (const double importance : {-0.1, 0.0, 1.1, std::nan("")})
    EXPECT_EQ(engine_->create_session(model_, with("leoam", importance)).status().kind(),
              ErrorKind::invalid_argument)
        << importance;
  for (const double wrong : {-0.1, 1.0, std::nan("")}) {
    SessionOptions options = with("leoam", 0.1);
    options.policy.coverage_floor = wrong;
    EXPECT_EQ(engine_->create_session(model_, options).status().kind(), ErrorKind::invalid_argument) << wrong;
    options.policy.coverage_floor = 0;
    options.policy.breadth = wrong == 1 ? 0 : wrong;
    EXPECT_EQ(engine_->create_session(model_, options).status().kind(), ErrorKind::invalid_argument) << wrong;
  }
}

}  // namespace
}  // namespace leoam
