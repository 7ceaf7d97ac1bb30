// What a forward pass tells a policy of the attention that tokens got.
#include <gtest/gtest.h>

#include <numeric>

#include "runtime/device/cpu/cpu_device.h"
#include "runtime/engine/forward.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/temp_file.h"
#include "tests/support/tiny_model.h"

namespace leoam {
namespace {

constexpr uint32_t kLayers = 4;

class MassTest : public ::testing::Test {
 protected:
  void start(const std::string& architecture, double importance) {
    kv_.reset();
    forward_.reset();
    testing::TinyModelOptions options;
    options.architecture = architecture;
    options.n_layers = kLayers;
    options.context_tokens = 4096;
    const testing::TempFile file(testing::tiny_model(options).bytes());
    model_ = std::move(Model::load(file.path(), {}, *device_, *pool_, nullptr, nullptr)).value();
    const ModelConfig& config = model_->config();
    TierOptions tiers;
    tiers.host_budget_bytes = uint64_t{64} << 20;
    tiers.scratch_folder = "/scratch";
    tiers_ = std::make_unique<Tiers>(*device_, disk_, account_, tiers);
    KvShape shape;
    shape.layout = {kernels::KvType::f16, config.n_kv_heads, config.head_dim, 32};
    for (uint32_t layer = 0; layer < kLayers; ++layer)
      shape.windows.push_back(config.is_sliding(layer) ? config.sliding_window_tokens : 0);
    PolicyOptions policy;
    policy.name = "h2o";
    policy.importance = importance;
    policy.n_dense_layers = 1;
    auto selector = Selector::create(*tiers_, policy, {*pool_, kernels_}, shape.layout, shape.windows);
    ASSERT_TRUE(selector.ok());
    forward_ = std::move(Forward::create(*model_, *device_, shape.layout, 512)).value();
    kv_ = std::make_unique<SequenceKv>(*tiers_, shape, 4096, std::move(selector).value());
  }
  void pass(uint32_t n_tokens) {
    std::vector<int32_t> tokens(n_tokens);
    for (int32_t& token : tokens)
      token = static_cast<int32_t>((seed_ = seed_ * 1664525u + 1013904223u) >> 24);
    ASSERT_TRUE(kv_->reserve(n_tokens).ok());
    const StepSequence sequence = {kv_.get(), tokens};
    ASSERT_TRUE(forward_->begin(std::span(&sequence, 1), nullptr).ok());
    ASSERT_TRUE(forward_->advance(kNoDeadline).ok());
    kv_->commit();
  }
  // Of all tokens of a head.
  std::vector<float> masses(uint32_t layer, uint32_t head) {
    std::vector<float> out;
    for (uint64_t token = 0; token < kv_->n_tokens(); ++token)
      out.push_back(
          kv_->selector()->masses(layer)->of_page(head, static_cast<uint32_t>(token / 32))[token % 32]);
    return out;
  }

  std::unique_ptr<ThreadPool> pool_ = ThreadPool::create(2).value();
  const kernels::CpuTable& kernels_ = kernels::cpu_table(kernels::best_cpu_level());
  std::unique_ptr<Device> device_ = create_cpu_device(*pool_, kernels_);
  testing::SimulatedDisk disk_;
  DiskAccount account_{UINT64_MAX};
  std::unique_ptr<Model> model_;
  std::unique_ptr<Tiers> tiers_;
  std::unique_ptr<Forward> forward_;
  std::unique_ptr<SequenceKv> kv_;
  uint32_t seed_ = 1;
};

// Wide pieces, narrow ones and single tokens: every query gives away 1.
TEST_F(MassTest, EveryQueryGivesAwayOne) {
  for (const char* architecture : {"llama", "gemma3"}) {
    start(architecture, 1);
    for (const uint32_t n : {512u, 40u, 3u, 1u, 1u, 300u, 5u}) {
      pass(n);
      for (uint32_t layer = 0; layer < kLayers; ++layer) {
        const bool counts = layer > 0 && !model_->config().is_sliding(layer);
        ASSERT_EQ(kv_->selector()->masses(layer) != nullptr, counts) << architecture << layer;
        for (uint32_t head = 0; counts && head < 2; ++head) {
          const std::vector<float> all = masses(layer, head);
          const double sum = std::accumulate(all.begin(), all.end(), 0.0);
          const auto expected = static_cast<double>(kv_->n_tokens());
          EXPECT_NEAR(sum, expected, 1e-4 * expected) << architecture << layer << head;
          // Only the newest query has seen the newest token.
          EXPECT_LE(all.back(), 1.0f);
          EXPECT_GT(all.back(), 0.0f);
        }
      }
    }
  }
}

// Steps that select give 1 to what they attend to, and nothing to what is gone.
TEST_F(MassTest, EvictedTokensGetNothing) {
  start("llama", 0.3);
  pass(512);
  pass(488);
  for (int step = 0; step < 70; ++step) {
    std::vector<std::vector<float>> before;
    for (uint32_t layer = 1; layer < kLayers; ++layer)
      for (uint32_t head = 0; head < 2; ++head) before.push_back(masses(layer, head));
    pass(1);
    for (uint32_t layer = 1; layer < kLayers; ++layer)
      for (uint32_t head = 0; head < 2; ++head) {
        const std::vector<float>& was = before[(layer - 1) * 2 + head];
        const std::vector<float> is = masses(layer, head);
        double given = static_cast<double>(is.back());
        size_t n_kept = 1;
        for (size_t token = 0; token < was.size(); ++token) {
          if (was[token] < 0) {
            ASSERT_LT(is[token], 0);
          }
          if (is[token] < 0) continue;
          ASSERT_GE(is[token], was[token]);
          given += double{is[token]} - double{was[token]};
          ++n_kept;
        }
        EXPECT_NEAR(given, 1, 1e-3);
        EXPECT_EQ(n_kept, kv_->selector()->options().budget(is.size())) << step;
      }
  }
  EXPECT_EQ(kv_->selector()->statistics.n_selections, 3 * 70u);
}

TEST_F(MassTest, ACutForgetsTokensAndNoOthers) {
  start("llama", 0.3);
  pass(512);
  pass(100);
  const std::vector<float> before = masses(2, 1);
  const uint64_t used = tiers_->statistics().host_bytes;
  ASSERT_TRUE(kv_->truncate(500).ok());
  pass(12);
  pass(100);
  const std::vector<float> after = masses(2, 1);
  EXPECT_EQ(tiers_->statistics().host_bytes, used);
  double grown = 0;
  for (size_t token = 0; token < 500; ++token) {
    EXPECT_GE(after[token], before[token]);
    grown += double{after[token]} - double{before[token]};
  }
  for (size_t token = 500; token < after.size(); ++token) grown += double{after[token]};
  EXPECT_NEAR(grown, 112, 0.1);
  // Nothing is counted any more, and takes no room.
  EXPECT_TRUE(kv_->give_up_selecting());
  EXPECT_EQ(kv_->selector()->masses(2), nullptr);
  EXPECT_LT(tiers_->statistics().host_bytes, used - 3 * 2 * 612 * sizeof(float));
}

}  // namespace
}  // namespace leoam
