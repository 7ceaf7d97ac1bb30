#include "runtime/engine/planner.h"

#include "tests/runtime/engine/engine_fixture.h"

namespace leoam {
namespace {

class PlannerTest : public testing::EngineTest {};

TEST_F(PlannerTest, PlannedBytesAreWhatASessionTakes) {
  for (const char* architecture : {"llama", "gemma3"}) {
    testing::TinyModelOptions tiny;
    tiny.architecture = architecture;
    tiny.n_layers = 7;
    start(tiny);
    for (const uint32_t n : {1u, 32u, 33u, 300u, 512u}) {
      PlanRequest request;
      request.context_tokens = n;
      const Plan plan = make_plan(model_->header(), request, nullptr);
      auto s = session();
      ASSERT_TRUE(s->evaluate(tokens(n), {}).ok());
      EXPECT_LE(s->kv_bytes(), plan.kv_bytes) << architecture << ' ' << n;
      EXPECT_GE(s->kv_bytes() * 2, plan.kv_bytes) << architecture << ' ' << n;
      if (std::string(architecture) == "llama") {
        EXPECT_EQ(s->kv_bytes(), plan.kv_bytes);
      }
    }
  }
}

TEST_F(PlannerTest, TheFittingContextFitsAndOneMorePageDoesNot) {
  start();
  PlanRequest request;
  request.host_kv_budget_bytes = 50'000;
  const Plan plan = make_plan(model_->header(), request, nullptr);
  EXPECT_FALSE(plan.fits);
  request.context_tokens = plan.fitting_tokens;
  EXPECT_TRUE(make_plan(model_->header(), request, nullptr).fits);
  request.context_tokens = plan.fitting_tokens + 32;
  EXPECT_FALSE(make_plan(model_->header(), request, nullptr).fits);
}

}  // namespace
}  // namespace leoam
