// Queries that are projected ahead of a layer's turn are those that its turn makes of the same x.
#include <gtest/gtest.h>

#include "runtime/device/cpu/cpu_device.h"
#include "runtime/model/model.h"
#include "tests/support/temp_file.h"
#include "tests/support/tiny_model.h"

namespace leoam {
namespace {

TEST(ProjectQuery, IsTheLayersQuery) {
  const std::unique_ptr<ThreadPool> pool = ThreadPool::create(2).value();
  const std::unique_ptr<Device> device =
      create_cpu_device(*pool, kernels::cpu_table(kernels::best_cpu_level()));
  for (const char* architecture : {"llama", "qwen2", "qwen3", "gemma3"}) {
    testing::TinyModelOptions options;
    options.architecture = architecture;
    const testing::TempFile file(testing::tiny_model(options).bytes());
    const auto model = Model::load(file.path(), {}, *device, *pool, nullptr, nullptr).value();
    const ModelConfig& config = model->config();
    const kernels::KvLayout layout = {kernels::KvType::f16, config.n_kv_heads, config.head_dim, 32};
    for (const uint32_t n_tokens : {1u, 3u}) {
      const auto workspace =
          device->create_workspace({config.n_embd, config.n_heads, config.n_ff, n_tokens, layout}).value();
      // Sequences of one token each, all of them on pages of their own.
      std::vector<AlignedBuffer> memory;
      std::vector<kernels::KvPageRef> refs;
      std::vector<SequenceSpan> spans;
      for (uint32_t i = 0; i < n_tokens; ++i) {
        memory.push_back(AlignedBuffer::allocate(layout.page_bytes()).value());
        refs.push_back({memory[i].data(), 0, 1});
        spans.push_back({i, 1, 0});
      }
      std::vector<LayerPages> pages;
      std::vector<SpanSelection> selections;
      for (uint32_t i = 0; i < n_tokens; ++i) {
        pages.push_back({&refs[i], 1});
        selections.push_back({true, pages[i], {}});
      }
      StepShape step;
      step.n_embd = config.n_embd;
      step.n_heads = config.n_heads;
      step.n_ff = config.n_ff;
      step.norm_eps = config.norm_eps;
      step.kv = layout;
      step.n_tokens = n_tokens;
      step.spans = spans;
      step.pages = pages;
      const std::vector<int32_t> tokens = {7, 70, 170};
      ASSERT_TRUE(device->embed(step, *workspace, model->embedding(), tokens.data(), 1).ok());
      const LayerWeights& weights = model->layer(1);
      AttentionInputParams params;
      params.norm = weights.attention_norm.data();
      params.q = &weights.q;
      params.k = &weights.k;
      params.v = &weights.v;
      params.q_bias = weights.q_bias.empty() ? nullptr : weights.q_bias.data();
      params.q_norm = weights.q_norm.empty() ? nullptr : weights.q_norm.data();
      params.pairing = config.architecture->rope_pairing;
      params.n_rot = config.rope.n_rot;
      const std::vector<float> cosines(size_t{n_tokens} * params.n_rot / 2, 0.6f);
      const std::vector<float> sines(cosines.size(), 0.8f);
      params.rope_cos = cosines.data();
      params.rope_sin = sines.data();
      const size_t width = size_t{config.n_heads} * config.head_dim;
      AlignedBuffer guess = AlignedBuffer::allocate(n_tokens * width * sizeof(float)).value();
      ASSERT_TRUE(device->attention_input(step, *workspace, params).ok());
      ASSERT_TRUE(device->project_query(step, *workspace, params, guess.as<float>()).ok());
      // And again: it has changed nothing that attention needs.
      step.pages = {};
      step.selections = selections;
      AttentionParams attention;
      attention.scale = 1;
      std::vector<AttentionSums> sums(n_tokens);
      ASSERT_TRUE(device->attend_selected(step, *workspace, attention, sums).ok());
      for (uint32_t i = 0; i < n_tokens; ++i)
        for (size_t k = 0; k < width; ++k)
          ASSERT_EQ(guess.as<float>()[i * width + k], sums[i].q[k]) << architecture << i << " " << k;
    }
  }
}

}  // namespace
}  // namespace leoam
