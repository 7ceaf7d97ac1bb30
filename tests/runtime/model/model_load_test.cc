// Loading whole files onto a device: weights arrive, progress is told, cancelling and failures end it
// cleanly.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <thread>

#include "kernels/cpu_table.h"
#include "runtime/device/cpu/cpu_device.h"
#include "runtime/model/model.h"
#include "tests/support/process_memory.h"
#include "tests/support/sanitized.h"
#include "tests/support/temp_file.h"
#include "tests/support/tiny_model.h"

namespace leoam::testing {
namespace {

using kernels::WeightType;

constexpr WeightType kTypes[] = {WeightType::f32,  WeightType::f16,  WeightType::bf16, WeightType::q4_0,
                                 WeightType::q4_1, WeightType::q5_0, WeightType::q5_1, WeightType::q8_0,
                                 WeightType::q2_k, WeightType::q3_k, WeightType::q4_k, WeightType::q5_k,
                                 WeightType::q6_k};
constexpr const char* kArchitectures[] = {"llama", "qwen2", "qwen3", "gemma3"};

// The cpu device, which refuses a chosen matrix.
class PickyDevice final : public Device {
 public:
  explicit PickyDevice(Device& inner) : inner_(inner) {}
  int creations_left = -1;  // then out of memory; -1: no limit
  bool refuses_rows = false;

  const DeviceInfo& info() const override { return inner_.info(); }
  Result<std::unique_ptr<DeviceBuffer>> allocate(size_t bytes) override { return inner_.allocate(bytes); }
  Result<DeviceMatrix> create_matrix(WeightType type, uint32_t n_rows, uint32_t n_cols) override {
    if (creations_left == 0) return Status(ErrorKind::out_of_memory, "no room");
    if (creations_left > 0) --creations_left;
    return inner_.create_matrix(type, n_rows, n_cols);
  }
  uint32_t row_granule() const override { return inner_.row_granule(); }
  Status pack_rows(DeviceMatrix& matrix, uint32_t begin, uint32_t end,
                   std::span<const uint8_t> src) override {
    if (refuses_rows) return Status(ErrorKind::device_lost, "gone");
    return inner_.pack_rows(matrix, begin, end, src);
  }
  Result<std::unique_ptr<DeviceWorkspace>> create_workspace(const WorkspaceShape& shape) override {
    return inner_.create_workspace(shape);
  }
  Status embed(const StepShape&, DeviceWorkspace&, const DeviceMatrix&, const int32_t*, float) override {
    return {};
  }
  Status attention_input(const StepShape&, DeviceWorkspace&, const AttentionInputParams&) override {
    return {};
  }
  Status project_query(const StepShape&, DeviceWorkspace&, const AttentionInputParams&, float*) override {
    return {};
  }
  Result<const float*> queries(const StepShape&, DeviceWorkspace&) override { return nullptr; }
  Status attend_selected(const StepShape&, DeviceWorkspace&, const AttentionParams&,
                         std::span<AttentionSums>) override {
    return {};
  }
  Status attention(const StepShape&, DeviceWorkspace&, const AttentionParams&) override { return {}; }
  Status attention_mass(const StepShape&, DeviceWorkspace&, const AttentionMassParams&) override {
    return {};
  }
  Status summarize(const kernels::KvLayout&, std::span<const PageAbstract>) override { return {}; }
  Status compact(const kernels::KvLayout&, std::span<PageCompaction>) override { return {}; }
  Status feed_forward(const StepShape&, DeviceWorkspace&, const FeedForwardParams&) override { return {}; }
  Status logits(const StepShape&, DeviceWorkspace&, const float*, const DeviceMatrix&,
                std::span<const uint32_t>, float, float*) override {
    return {};
  }

 private:
  Device& inner_;
};

class ModelLoad : public ::testing::Test {
 protected:
  Result<std::unique_ptr<Model>> load(const std::string& path, const LoadProgress& progress = nullptr,
                                      const CancelFlag* cancel = nullptr) {
    return Model::load(path, {}, device_, *pool_, progress, cancel);
  }
  std::unique_ptr<Model> load_good(const GgufFile& file) {
    auto model = load(TempFile(file.bytes()).path());
    EXPECT_TRUE(model.ok()) << model.status().message();
    return model.ok() ? std::move(model).value() : nullptr;
  }
  Status load_bad(const GgufFile& file) { return load(TempFile(file.bytes()).path()).status().clone(); }

  const kernels::CpuTable& kernels_ = kernels::cpu_table(kernels::best_cpu_level());
  std::unique_ptr<ThreadPool> pool_ = ThreadPool::create(3).value();
  std::unique_ptr<Device> cpu_ = create_cpu_device(*pool_, kernels_);
  PickyDevice device_{*cpu_};

  // Every row of the matrix is what the file's bytes mean.
  void expect_rows(const DeviceMatrix& matrix, const GgufTensorRecord& record) {
    ASSERT_TRUE(matrix.present()) << record.name;
    ASSERT_EQ(matrix.packed.n_cols, record.dims[0]) << record.name;
    ASSERT_EQ(matrix.packed.n_rows, record.dims[1]) << record.name;
    const uint32_t n_cols = matrix.packed.n_cols;
    const size_t row_bytes = record.data.size() / record.dims[1];
    std::vector<float> expected(n_cols);
    std::vector<float> found(n_cols);
    for (uint32_t row = 0; row < matrix.packed.n_rows; ++row) {
      kernels::dequantize(matrix.packed.type, record.data.data() + row * row_bytes, n_cols, expected.data());
      kernels_.matmul->unpack_row(matrix.packed, row, found.data());
      for (uint32_t i = 0; i < n_cols; ++i)
        ASSERT_NEAR(found[i], expected[i], 1e-6f + 1e-5f * std::fabs(expected[i]))
            << record.name << " " << row;
    }
  }
};

TEST_F(ModelLoad, EveryArchitectureInEveryType) {
  for (const char* architecture : kArchitectures)
    for (const WeightType type : kTypes) {
      TinyModelOptions options;
      options.architecture = architecture;
      options.matrix_type = type;
      GgufFile file = tiny_model(options);
      const auto model = load_good(file);
      ASSERT_NE(model, nullptr);
      expect_rows(model->embedding(), file.tensor("token_embd.weight"));
      for (uint32_t i = 0; i < 2; ++i) {
        const LayerWeights& layer = model->layer(i);
        const std::string prefix = "blk." + std::to_string(i) + ".";
        expect_rows(layer.q, file.tensor(prefix + "attn_q.weight"));
        expect_rows(layer.k, file.tensor(prefix + "attn_k.weight"));
        expect_rows(layer.v, file.tensor(prefix + "attn_v.weight"));
        expect_rows(layer.o, file.tensor(prefix + "attn_output.weight"));
        expect_rows(layer.gate, file.tensor(prefix + "ffn_gate.weight"));
        expect_rows(layer.up, file.tensor(prefix + "ffn_up.weight"));
        expect_rows(layer.down, file.tensor(prefix + "ffn_down.weight"));
        const bool gemma = options.architecture == "gemma3";
        const bool normed = gemma || options.architecture == "qwen3";
        EXPECT_EQ(layer.q_bias.empty(), options.architecture != "qwen2");
        EXPECT_EQ(layer.q_norm.empty(), !normed);
        EXPECT_EQ(layer.attention_post_norm.empty(), !gemma);
        EXPECT_EQ(layer.ffn_post_norm.empty(), !gemma);
        EXPECT_EQ(layer.ffn_norm.size(), model->config().n_embd);
      }
      EXPECT_EQ(&model->head(), &model->embedding());
      EXPECT_EQ(model->tokenizer(), nullptr);
      EXPECT_EQ(model->chat_template(), nullptr);
      EXPECT_TRUE(model->chat_template_status().ok());
      EXPECT_GT(model->device_bytes(), 0u);
    }
}

TEST_F(ModelLoad, VectorsOfEveryFloatType) {
  for (const WeightType type : {WeightType::f32, WeightType::f16, WeightType::bf16}) {
    GgufFile file = tiny_model();
    GgufTensorRecord& norm = file.tensor("output_norm.weight");
    norm.type = static_cast<uint32_t>(type);
    norm.data = random_weights(type, 64, 1.0f, 7);
    std::vector<float> expected(64);
    kernels::dequantize(type, norm.data.data(), 64, expected.data());
    const auto model = load_good(file);
    ASSERT_NE(model, nullptr);
    EXPECT_EQ(model->output_norm(), expected);
  }
}

TEST_F(ModelLoad, SeparateHeadTokenizerAndTemplate) {
  for (const TinyTokenizer kind : {TinyTokenizer::byte_level, TinyTokenizer::sentencepiece}) {
    TinyModelOptions options;
    options.tied_output = false;
    options.tokenizer = kind;
    options.chat_template = true;
    GgufFile file = tiny_model(options);
    const auto model = load_good(file);
    ASSERT_NE(model, nullptr);
    EXPECT_NE(&model->head(), &model->embedding());
    expect_rows(model->head(), file.tensor("output.weight"));
    ASSERT_NE(model->tokenizer(), nullptr);
    EXPECT_EQ(model->tokenizer()->n_vocab(), 320u);
    EXPECT_NE(model->chat_template(), nullptr) << model->chat_template_status().message();
  }
}

TEST_F(ModelLoad, AnUnreadableTemplateIsNoFailure) {
  GgufFile file = tiny_model();
  file.set("tokenizer.chat_template", "{% for %}");
  const auto model = load_good(file);
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(model->chat_template(), nullptr);
  EXPECT_FALSE(model->chat_template_status().ok());
  EXPECT_NE(model->chat_template_status().message().find("tokenizer.chat_template"), std::string::npos);
}

TEST_F(ModelLoad, HeaderAloneAgrees) {
  const TempFile file(tiny_model().bytes());
  const auto header = Model::read_header(file.path(), {});
  ASSERT_TRUE(header.ok()) << header.status().message();
  const auto model = load(file.path());
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(header->n_parameters, (*model)->header().n_parameters);
  EXPECT_EQ(header->metadata, (*model)->header().metadata);
}

// 20 MiB of embedding, so that there are many pieces.
GgufFile large_model() {
  TinyModelOptions options;
  options.n_vocab = 20480;
  options.n_embd = 256;
  options.head_dim = 64;
  return tiny_model(options);
}

TEST_F(ModelLoad, ProgressIsToldEvery4Mib) {
  const GgufFile large = large_model();
  const TempFile file(large.bytes());
  const std::thread::id caller = std::this_thread::get_id();
  uint64_t last = 0;
  uint64_t total = 0;
  uint64_t widest = 0;
  bool first = true;
  const auto model = load(file.path(), [&](uint64_t done_bytes, uint64_t total_bytes) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    EXPECT_TRUE(!first || done_bytes == 0);
    first = false;
    EXPECT_GE(done_bytes, last);
    widest = std::max(widest, done_bytes - last);
    last = done_bytes;
    total = total_bytes;
  });
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(last, total);
  EXPECT_EQ(total, (*model)->header().weight_bytes);
  EXPECT_LE(widest, 4u << 20);
}

TEST_F(ModelLoad, StagingIsBounded) {
  const TempFile file(large_model().bytes());
  const PeakMemory memory;
  const auto model = load(file.path());
  ASSERT_TRUE(model.ok());
  EXPECT_LT(memory.extra_bytes(), static_cast<int64_t>((*model)->device_bytes()) + (8 << 20));
}

TEST_F(ModelLoad, CancelledBeforeItStarts) {
  CancelFlag cancel;
  cancel.cancel();
  const TempFile file(tiny_model().bytes());
  EXPECT_EQ(load(file.path(), nullptr, &cancel).status().kind(), ErrorKind::cancelled);
}

TEST_F(ModelLoad, CancelledInTheMiddle) {
  const TempFile file(large_model().bytes());
  CancelFlag cancel;
  std::chrono::steady_clock::time_point cancelled_at;
  uint64_t done = 0;
  const auto model = load(
      file.path(),
      [&](uint64_t done_bytes, uint64_t) {
        if (done_bytes == 0 || cancel.cancelled()) return;
        cancelled_at = std::chrono::steady_clock::now();
        cancel.cancel();
        done = done_bytes;
      },
      &cancel);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - cancelled_at;
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.status().kind(), ErrorKind::cancelled);
  EXPECT_GT(done, 0u);
  EXPECT_LT(took.count(), kSlowdown * 0.1);
  // The same file loads afterwards.
  cancel.reset();
  EXPECT_TRUE(load(file.path(), nullptr, &cancel).ok());
}

TEST_F(ModelLoad, FileThatShrinksMeanwhile) {
  const std::vector<uint8_t> bytes = large_model().bytes();
  const TempFile file(bytes);
  const auto model = load(file.path(), [&](uint64_t done_bytes, uint64_t) {
    if (done_bytes != 0) return;
    EXPECT_EQ(truncate(file.path().c_str(), static_cast<off_t>(bytes.size() / 2)), 0);
  });
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.status().kind(), ErrorKind::corrupt);
  EXPECT_NE(model.status().message().find("the file ends at offset"), std::string::npos)
      << model.status().message();
}

TEST_F(ModelLoad, FileThatGrowsOrIsTouchedMeanwhile) {
  const std::vector<uint8_t> bytes = tiny_model().bytes();
  for (const off_t growth : {0, 1}) {
    const TempFile file(bytes);
    const auto model = load(file.path(), [&](uint64_t done_bytes, uint64_t) {
      if (done_bytes != 0) return;
      // Setting the size is a modification, even to what it was.
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      EXPECT_EQ(truncate(file.path().c_str(), static_cast<off_t>(bytes.size()) + growth), 0);
    });
    ASSERT_FALSE(model.ok());
    EXPECT_EQ(model.status().kind(), ErrorKind::corrupt);
    EXPECT_NE(model.status().message().find("since it was opened"), std::string::npos)
        << model.status().message();
  }
}

TEST_F(ModelLoad, NoRegularFile) {
  const TempFile file;
  EXPECT_EQ(load(file.folder() + "/absent.gguf").status().kind(), ErrorKind::not_found);
  EXPECT_EQ(load(file.path() + "/below").status().kind(), ErrorKind::not_found);
  EXPECT_EQ(load("").status().kind(), ErrorKind::not_found);
  EXPECT_EQ(load(file.folder()).status().kind(), ErrorKind::unsupported);
  EXPECT_EQ(load("/dev/zero").status().kind(), ErrorKind::unsupported);
  EXPECT_EQ(load(std::string("a\0b", 3)).status().kind(), ErrorKind::invalid_argument);
  const std::string fifo = file.folder() + "/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(load(fifo).status().kind(), ErrorKind::unsupported);
  const std::string loop = file.folder() + "/loop";
  ASSERT_EQ(symlink(loop.c_str(), loop.c_str()), 0);
  EXPECT_EQ(load(loop).status().kind(), ErrorKind::io);
  EXPECT_EQ(Model::read_header(fifo, {}).status().kind(), ErrorKind::unsupported);
}

TEST_F(ModelLoad, ErrorsNameTheFile) {
  GgufFile file = tiny_model();
  file.remove_tensor("output_norm.weight");
  const TempFile on_disk(file.bytes());
  const std::string message = load(on_disk.path()).status().message();
  EXPECT_NE(message.find(on_disk.path()), std::string::npos);
  EXPECT_EQ(Model::read_header(on_disk.path(), {}).status().message(), message);
}

TEST_F(ModelLoad, NormsMustBeFinite) {
  for (const float bad : {std::nanf(""), INFINITY}) {
    GgufFile file = tiny_model();
    std::memcpy(file.tensor("blk.1.ffn_norm.weight").data.data() + 12, &bad, sizeof(bad));
    const Status status = load_bad(file);
    EXPECT_EQ(status.kind(), ErrorKind::corrupt);
    EXPECT_NE(status.message().find("blk.1.ffn_norm.weight: value 3"), std::string::npos) << status.message();
  }
}

TEST_F(ModelLoad, DeviceFailuresAreReported) {
  const GgufFile file = tiny_model();
  for (const int n : {0, 1, 7}) {
    device_.creations_left = n;
    EXPECT_EQ(load_bad(file).kind(), ErrorKind::out_of_memory);
  }
  device_.creations_left = -1;
  device_.refuses_rows = true;
  const Status status = load_bad(file);
  EXPECT_EQ(status.kind(), ErrorKind::device_lost);
  EXPECT_NE(status.message().find(".weight: gone"), std::string::npos) << status.message();
}

TEST_F(ModelLoad, TwoAtOnce) {
  const TempFile file(large_model().bytes());
  std::unique_ptr<Model> other;
  std::thread thread([&] { other = load(file.path()).value(); });
  const auto model = load(file.path());
  thread.join();
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(std::memcmp((*model)->embedding().packed.data, other->embedding().packed.data,
                        (*model)->embedding().storage->bytes()),
            0);
}

}  // namespace
}  // namespace leoam::testing
