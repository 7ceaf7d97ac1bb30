// Policies on a real model and real text: how near they come to exact, and what they claim of themselves.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "runtime/model/tokenizer/tokenizer.h"
#include "tests/runtime/engine/engine_fixture.h"
#include "tests/support/real_models.h"
#include "tests/support/sanitized.h"

namespace leoam {
namespace {

constexpr const char* kText = "/usr/share/common-licenses/GPL-3";

double divergence(const std::vector<float>& p, const std::vector<float>& q) {
  const auto log_sum = [](const std::vector<float>& logits) {
    double sum = 0;
    for (const float value : logits) sum += std::exp(double{value} - double{logits[0]});
    return std::log(sum) + double{logits[0]};
  };
  const double p_sum = log_sum(p);
  const double q_sum = log_sum(q);
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) sum += std::exp(p[i] - p_sum) * ((p[i] - p_sum) - (q[i] - q_sum));
  return sum;
}

class RealTextTest : public testing::EngineTest {
 protected:
  void SetUp() override {
    if (testing::kSanitized)
      GTEST_SKIP() << "thousands of tokens of a real model take a sanitizer ten minutes";
    LEOAM_REAL_MODEL_OR_SKIP(path, testing::kSmolLm2);
    std::ifstream file(kText);
    if (!file) GTEST_SKIP() << "no text of a licence on this machine";
    std::stringstream text;
    text << file.rdbuf();
    EngineOptions options;
    options.n_threads = 2;
    engine_ = std::move(Engine::create(options)).value();
    model_ = std::move(engine_->load_model(path, {}, {}, nullptr)).value();
    all_ = std::move(model_->tokenizer()->tokenize(text.str(), {})).value();
  }
  static SessionOptions with(std::string_view policy, double importance) {
    SessionOptions options;
    options.policy.name = policy;
    options.policy.importance = importance;
    return options;
  }
  Status evaluate(Session& session, size_t begin, size_t n, bool audit = false) {
    EvaluateOptions options;
    options.audit = audit;
    return session.evaluate(std::span(all_).subspan(begin, n), options);
  }

  std::vector<int32_t> all_;
};

// Far nearer to exact than whole pages by their bounds, which are nearer than recency alone.
TEST_F(RealTextTest, CodesChooseBetterThanBounds) {
  constexpr size_t kContext = 2000;
  constexpr size_t kJudged = 24;
  const auto judge = [&](const SessionOptions& wanted) {
    auto s = session(wanted);
    EXPECT_TRUE(evaluate(*s, 0, kContext).ok());
    Logits out;
    for (size_t i = kContext; i < kContext + kJudged; ++i) {
      EXPECT_TRUE(evaluate(*s, i, 1).ok());
      out.push_back(logits(*s));
    }
    return out;
  };
  const Logits exact = judge({});
  const auto mean = [&](std::string_view policy) {
    const Logits other = judge(with(policy, 0.2));
    double sum = 0;
    for (size_t i = 0; i < kJudged; ++i) sum += divergence(exact[i], other[i]) / kJudged;
    return sum;
  };
  const double leoam = mean("leoam");
  const double quest = mean("quest");
  std::printf("mean divergence from exact: leoam %.4f, quest %.4f\n", leoam, quest);
  EXPECT_LT(leoam, 0.03);
  EXPECT_LT(leoam * 2, quest);
}

// Of the keys and queries that a model really makes, not of random ones alone: a million selections.
TEST_F(RealTextTest, CoverageNeverExceedsWhatIsCaptured) {
  constexpr uint64_t kSelections = 1'000'000;
  constexpr size_t kSteps = 150;
  // Both are sums of floats over the same tokens in another order.
  constexpr float kRounding = 1e-5f;
  std::vector<HeadAttention> heads(size_t{model_->config().n_layers} * model_->config().n_heads);
  uint64_t n = 0;
  uint64_t n_useful = 0;
  double coverage = 0;
  for (size_t begin = 0; n < kSelections; begin = (begin + 197) % 6000) {
    for (const char* policy : {"leoam", "quest"}) {
      // Short contexts have many selections a second, and few tokens that no bound can tell apart.
      const size_t n_context = 200 + begin % 11 * 30;
      auto s = session(with(policy, begin % 3 == 0 ? 0.3 : 0.5));
      ASSERT_TRUE(evaluate(*s, begin, n_context).ok());
      for (size_t i = 0; i < kSteps; ++i) {
        ASSERT_TRUE(evaluate(*s, begin + n_context + i, 1, true).ok());
        ASSERT_TRUE(s->copy_attention(heads).ok());
        for (const HeadAttention& head : heads) {
          if (head.attended_share == 1) continue;
          ASSERT_LE(head.coverage, head.captured + kRounding) << policy << " " << begin + n_context + i;
          coverage += double{head.coverage};
          n_useful += head.captured > 0.5f ? 1 : 0;
          ++n;
        }
      }
    }
  }
  std::printf("%llu selections, mean coverage %.4f\n", static_cast<unsigned long long>(n),
              coverage / static_cast<double>(n));
  // What is compared with is a share of something.
  EXPECT_GT(n_useful, n / 10);
}

}  // namespace
}  // namespace leoam
