// What a step tells about itself: which share of the attention a selection has captured, what its layers
// took.
#include <algorithm>
#include <cmath>

#include "tests/runtime/engine/engine_fixture.h"
#include "tests/support/sim_device.h"

namespace leoam {
namespace {

// Computes the captured shares of its own: every score, in double, from the bytes of the pages.
class Witness : public testing::SimDevice {
 public:
  using SimDevice::SimDevice;

  Status attention_input(const StepShape& step, DeviceWorkspace& workspace,
                         const AttentionInputParams& params) override {
    all_.clear();
    return SimDevice::attention_input(step, workspace, params);
  }
  Status attend_selected(const StepShape& step, DeviceWorkspace& workspace, const AttentionParams& params,
                         std::span<AttentionSums> out) override {
    Status status = SimDevice::attend_selected(step, workspace, params, out);
    // The audit comes first.
    const LayerPages& pages = step.selections[0].fixed;
    if (all_.empty()) all_.assign(pages.pages, pages.pages + pages.n_pages);
    q_.assign(out[0].q, out[0].q + size_t{step.n_heads} * step.kv.head_dim);
    return status;
  }
  Status attention(const StepShape& step, DeviceWorkspace& workspace,
                   const AttentionParams& params) override {
    if (!step.selections.empty() && step.selections[0].selects) witness(step, params.scale);
    return SimDevice::attention(step, workspace, params);
  }

  std::vector<double> captured;  // of each head, layer by layer

 private:
  void witness(const StepShape& step, double scale) {
    const SpanSelection& selection = step.selections[0];
    for (uint32_t head = 0; head < step.n_heads; ++head) {
      const uint32_t kv_head = head / (step.n_heads / step.kv.n_kv_heads);
      const auto mass = [&](const uint8_t* page, uint32_t token) {
        const auto* keys = reinterpret_cast<const float*>(real(page) + step.kv.key_offset(kv_head));
        double score = 0;
        for (uint32_t c = 0; c < step.kv.head_dim; ++c)
          score +=
              double{q_[size_t{head} * step.kv.head_dim + c]} * double{keys[step.kv.key_element(c, token)]};
        return std::exp(scale * score);
      };
      double total = 0, inside = 0;
      for (const kernels::KvPageRef& page : all_)
        for (uint32_t t = 0; t < static_cast<uint32_t>(page.n_tokens); ++t) total += mass(page.data, t);
      for (uint32_t i = 0; i < selection.fixed.n_pages; ++i)
        for (uint32_t t = 0; t < static_cast<uint32_t>(selection.fixed.pages[i].n_tokens); ++t)
          inside += mass(selection.fixed.pages[i].data, t);
      const SelectedHead& selected = selection.heads[kv_head];
      for (size_t i = 0; i < selected.granules.size(); ++i)
        for (uint32_t t = 0; t < step.kv.page_tokens; ++t) {
          const size_t granule = t / kernels::kGranule_tokens;
          const size_t at = i * (step.kv.page_tokens / kernels::kGranule_tokens) + granule;
          const uint8_t tokens = selected.token_masks.empty() ? 0xff : selected.token_masks[at];
          if ((selected.granules[i].mask >> granule & 1) != 0 &&
              (tokens >> t % kernels::kGranule_tokens & 1) != 0)
            inside += mass(selected.granules[i].page, t);
        }
      captured.push_back(inside / total);
    }
  }

  std::vector<kernels::KvPageRef> all_;
  std::vector<float> q_;
};

class AuditTest : public testing::EngineTest {
 protected:
  static constexpr size_t kPrompt = 1500;

  static testing::TinyModelOptions model() { return long_model(6); }
  static SessionOptions with(std::string_view policy, double importance = 0.2) {
    SessionOptions options;
    options.policy.name = policy;
    options.policy.importance = importance;
    options.kv_type = kernels::KvType::f32;
    return options;
  }
  void step(Session& s, size_t position, bool audit) {
    EvaluateOptions options;
    options.audit = audit;
    const std::vector<int32_t> all = tokens(position + 1);
    const Status status = s.evaluate(std::span(all).subspan(position), options);
    ASSERT_TRUE(status.ok()) << status.message();
  }
  std::shared_ptr<Session> begin(const SessionOptions& options) {
    auto s = session(options);
    const Status status = s->evaluate(tokens(kPrompt), {});
    EXPECT_TRUE(status.ok()) << status.message();
    return s;
  }
  std::vector<HeadAttention> attention(Session& s) {
    std::vector<HeadAttention> heads(size_t{model_->config().n_layers} * model_->config().n_heads);
    EXPECT_TRUE(s.copy_attention(heads).ok());
    return heads;
  }
};

TEST_F(AuditTest, TheCapturedShareIsThatOfExactAttention) {
  Witness* witness = nullptr;
  EngineOptions options;
  options.create_device = [&](ThreadPool& pool, const kernels::CpuTable& kernels) -> std::unique_ptr<Device> {
    auto device = std::make_unique<Witness>(create_cpu_device(pool, kernels), testing::SimDevice::Options());
    witness = device.get();
    return device;
  };
  start(model(), options);
  for (const char* policy : {"leoam", "quest", "window", "h2o"}) {
    auto s = begin(with(policy));
    for (size_t i = 0; i < 3; ++i) {
      witness->captured.clear();
      step(*s, kPrompt + i, true);
      const std::vector<HeadAttention> heads = attention(*s);
      const size_t n_dense = heads.size() - witness->captured.size();
      ASSERT_GT(witness->captured.size(), 0u);
      for (size_t h = 0; h < heads.size(); ++h) {
        const double expected = h < n_dense ? 1 : witness->captured[h - n_dense];
        ASSERT_NEAR(double{heads[h].captured}, expected, 1e-4) << policy << " " << h;
        ASSERT_GE(heads[h].captured, heads[h].coverage - 1e-5f) << policy << " " << h;
        ASSERT_EQ(heads[h].attended_share < 0.5f, h >= n_dense);
        // Each head to the token.
        if (policy == std::string_view("h2o") && h >= n_dense) {
          ASSERT_NEAR(double{heads[h].attended_share}, 0.2, 1e-3);
        }
      }
    }
    const SelectionStatistics statistics = s->selection_statistics();
    EXPECT_EQ(statistics.n_audited, statistics.n_selections);
    EXPECT_GE(statistics.captured, statistics.coverage - 1e-3);
  }
}

TEST_F(AuditTest, AnAuditChangesNoLogitsAndDoesNotDependOnBudgets) {
  start(model());
  std::vector<float> expected;
  uint64_t kv_bytes = 0;
  {
    auto plain = begin(with("leoam"));
    step(*plain, kPrompt, false);
    expected = logits(*plain);
    for (const HeadAttention& head : attention(*plain))
      EXPECT_EQ(head.captured, head.attended_share < 1 ? -1.0f : 1.0f);
    EXPECT_EQ(plain->selection_statistics().n_audited, 0u);
    kv_bytes = plain->kv_bytes();
  }
  std::vector<HeadAttention> in_ram;
  for (const bool in_files : {false, true}) {
    EngineOptions options;
    if (in_files) options.host_kv_budget_bytes = kv_bytes / 2;
    start(model(), options);
    auto s = begin(with("leoam"));
    step(*s, kPrompt, true);
    EXPECT_EQ(logits(*s), expected);
    const std::vector<HeadAttention> heads = attention(*s);
    if (!in_files) in_ram = heads;
    for (size_t h = 0; h < heads.size(); ++h) {
      EXPECT_NEAR(heads[h].captured, in_ram[h].captured, 1e-5);
      EXPECT_EQ(heads[h].coverage, in_ram[h].coverage);
    }
    EXPECT_EQ(engine_->statistics().disk_read_bytes > 0, in_files);
  }
}

TEST_F(AuditTest, WhereEverythingIsAttendedToAllIsCaptured) {
  start(model());
  for (const SessionOptions& options : {with("exact"), with("leoam", 1)}) {
    auto s = begin(options);
    step(*s, kPrompt, true);
    for (const HeadAttention& head : attention(*s)) {
      EXPECT_EQ(head.captured, 1);
      EXPECT_EQ(head.coverage, 1);
      EXPECT_EQ(head.attended_share, 1);
    }
  }
  std::vector<HeadAttention> few(3);
  EXPECT_EQ(session()->copy_attention(few).kind(), ErrorKind::invalid_argument);
}

TEST_F(AuditTest, LayersTellWhatTheyTookAndWhatMovedForThem) {
  start(model());
  const uint64_t kv_bytes = begin(with("exact"))->kv_bytes();
  for (const char* policy : {"exact", "leoam"}) {
    for (const bool in_files : {false, true}) {
      EngineOptions options;
      if (in_files) options.host_kv_budget_bytes = kv_bytes / 3;
      start(model(), options);
      std::vector<LayerTimes> layers(model_->config().n_layers);
      EXPECT_EQ(session()->copy_layer_times(std::span(layers).first(1)).kind(), ErrorKind::invalid_argument);
      ASSERT_TRUE(session()->copy_layer_times(layers).ok());
      EXPECT_EQ(layers.back().end_us, 0u);
      auto s = begin(with(policy));
      const uint64_t before = engine_->statistics().stall_us;
      step(*s, kPrompt, false);
      const uint64_t stalled_us = engine_->statistics().stall_us - before;
      ASSERT_TRUE(s->copy_layer_times(layers).ok());
      uint64_t end_us = 0, waiting_us = 0, moved_bytes = 0;
      for (const LayerTimes& layer : layers) {
        EXPECT_GE(layer.begin_us, end_us);
        EXPECT_LE(layer.computing_us + layer.waiting_us, layer.end_us - layer.begin_us);
        EXPECT_LE(layer.sent_us, layer.arrived_us);
        EXPECT_LE(layer.arrived_us, static_cast<int64_t>(layer.end_us));
        end_us = layer.end_us;
        waiting_us += layer.waiting_us;
        moved_bytes += layer.demand_bytes + layer.ahead_bytes;
      }
      EXPECT_GT(end_us, 0u);
      EXPECT_LE(waiting_us, stalled_us);
      EXPECT_EQ(moved_bytes > 0, in_files) << policy;
    }
  }
}

}  // namespace
}  // namespace leoam
