// With policy exact, the bytes of the logits do not depend on budgets, on the number of tiers, on the way to
// the disk, on where pages are, nor on a save and reopen, a suspend or a fork in between: drawn at random, on
// every model there is.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "runtime/engine/engine.h"
#include "tests/support/real_models.h"
#include "tests/support/sanitized.h"
#include "tests/support/sim_device.h"
#include "tests/support/temp_folder.h"

namespace leoam {
namespace {

namespace fs = std::filesystem;

fs::path golden_folder() {
  const char* folder = std::getenv("LEOAM_SOURCE_DIR");
  return fs::path(folder ? folder : ".") / "tests/golden/logits";
}

std::vector<std::string> random_models() {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(golden_folder()))
    if (entry.path().extension() == ".gguf") names.push_back(entry.path().stem());
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<int32_t> golden_tokens(const std::string& name) {
  std::ifstream file(golden_folder() / (name + ".json"));
  return nlohmann::json::parse(file).at("tokens").get<std::vector<int32_t>>();
}

// How a sequence of tokens is given: pieces of a prompt, then single tokens.
struct Given {
  std::vector<int32_t> tokens;
  size_t n_prompt;
  SessionOptions options;
};

using Rows = std::vector<std::vector<float>>;

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(engine_() % n); }
  template <class T>
  T of(std::initializer_list<T> values) {
    return values.begin()[below(static_cast<uint32_t>(values.size()))];
  }

 private:
  std::mt19937 engine_;
};

class ExactnessTest : public ::testing::Test {
 protected:
  void start(const std::string& path, EngineOptions options) {
    session_.reset();
    model_.reset();
    options.n_threads = 2;
    options.state_folder = folder_.path();
    auto engine = Engine::create(options);
    ASSERT_TRUE(engine.ok()) << engine.status().message();
    engine_ = std::move(engine).value();
    auto model = engine_->load_model(path, {}, {}, nullptr);
    ASSERT_TRUE(model.ok()) << model.status().message();
    model_ = *model;
  }

  void take_logits(Rows* rows) {
    rows->emplace_back(model_->config().n_vocab);
    const Status status = session_->copy_logits(rows->back());
    ASSERT_TRUE(status.ok()) << status.message();
  }

  void evaluate(std::span<const int32_t> tokens) {
    const Status status = session_->evaluate(tokens, {});
    ASSERT_TRUE(status.ok()) << status.message();
  }

  // Everything in RAM, nothing in between.
  Rows plain(const std::string& path, const Given& given, uint64_t* kv_bytes) {
    start(path, {});
    session_ = engine_->create_session(model_, given.options).value();
    Rows rows;
    evaluate(std::span(given.tokens).first(given.n_prompt));
    take_logits(&rows);
    for (size_t i = given.n_prompt; i < given.tokens.size(); ++i) {
      evaluate(std::span(given.tokens).subspan(i, 1));
      take_logits(&rows);
    }
    *kv_bytes = session_->kv_bytes();
    return rows;
  }

  // The same with something drawn at random before every token.
  Rows disturbed(const std::string& path, const Given& given, uint64_t kv_bytes, Random& random) {
    EngineOptions options;
    // At least one layer in place, the tails of all, transfers and tables.
    const ModelConfig& config = model_->config();
    const kernels::KvLayout layout = {given.options.kv_type, config.n_kv_heads, config.head_dim,
                                      given.options.page_tokens};
    uint64_t least =
        kv_bytes / config.n_layers + (8 + config.n_layers) * layout.page_bytes() + (uint64_t{64} << 10);
    // Pages of a pass are plain, and so are the ends of a fork.
    if (given.options.page_codec != kernels::PageCodec::plain)
      least += (given.tokens.size() / layout.page_tokens + config.n_layers) * layout.page_bytes();
    const auto budget = [&] { return least + random.below(static_cast<uint32_t>(kv_bytes)); };
    options.host_kv_budget_bytes = budget();
    const bool three_tiers = random.below(3) == 0;
    if (three_tiers) {
      options.device_kv_budget_bytes = budget();
      options.create_device =
          testing::sim_device_factory({UINT64_MAX, random.of({uint64_t{0}, uint64_t{1} << 28}), 0});
    }
    options.plaintext_scratch = random.below(2) == 0;
    options.files.io_uring = random.below(3) != 0;
    options.files.direct = random.below(3) != 0;
    options.files.unnamed = random.below(3) != 0;
    options.replacement = random.of({ReplacementKind::most_recent, ReplacementKind::least_recent});
    start(path, options);
    session_ = engine_->create_session(model_, given.options).value();
    const SecretKey key = SecretKey::random().value();
    const bool encrypt = random.below(2) == 0;
    const std::string file = folder_.file("session" + std::to_string(n_files_++));
    bool saved = false;
    const auto ok = [](const Status& status) { ASSERT_TRUE(status.ok()) << status.message(); };
    const auto disturb = [&] {
      switch (random.below(8)) {
        case 0: {
          const Status status = three_tiers && random.below(2) == 0
                                    ? engine_->set_device_kv_budget(budget(), nullptr)
                                    : engine_->set_host_kv_budget(budget(), nullptr);
          EXPECT_TRUE(status.ok() || status.kind() == ErrorKind::no_space) << status.message();
          break;
        }
        case 1:
          ok(session_->suspend({}));
          break;
        case 2:
          ok(session_->save(saved ? std::string() : file, encrypt ? &key : nullptr, {}));
          saved = true;
          break;
        case 3: {
          if (!saved) break;
          ok(session_->save({}, nullptr, {}));
          session_.reset();
          if (random.below(2) == 0) start(path, options);
          auto again = engine_->open_session(model_, file, encrypt ? &key : nullptr, given.options);
          ASSERT_TRUE(again.ok()) << again.status().message();
          session_ = *again;
          break;
        }
        case 4: {
          auto fork = session_->fork();
          ASSERT_TRUE(fork.ok());
          if (random.below(2) == 0)
            evaluate(std::vector<int32_t>(1 + random.below(20), 1));  // of the one that goes
          session_ = *fork;
          saved = false;
          fs::remove(file);
          break;
        }
        default:
          break;
      }
    };
    Rows rows;
    evaluate(std::span(given.tokens).first(given.n_prompt));
    take_logits(&rows);
    for (size_t i = given.n_prompt; i < given.tokens.size() && !HasFatalFailure(); ++i) {
      disturb();
      if (HasFatalFailure()) break;
      evaluate(std::span(given.tokens).subspan(i, 1));
      take_logits(&rows);
    }
    return rows;
  }

  void check(const std::string& path, const Given& given, uint32_t n_rounds, uint32_t seed) {
    uint64_t kv_bytes = 0;
    const Rows expected = plain(path, given, &kv_bytes);
    for (uint32_t round = 0; round < n_rounds && !HasFatalFailure(); ++round) {
      Random random(seed + round);
      const Rows found = disturbed(path, given, kv_bytes, random);
      ASSERT_EQ(found.size(), expected.size()) << "seed " << seed + round;
      for (size_t i = 0; i < found.size(); ++i)
        ASSERT_TRUE(found[i] == expected[i]) << path << " row " << i << " seed " << seed + round;
    }
    session_.reset();
    model_.reset();
    engine_.reset();
  }

  testing::TempFolder folder_;
  std::unique_ptr<Engine> engine_;
  std::shared_ptr<const Model> model_;
  std::shared_ptr<Session> session_;
  int n_files_ = 0;
};

class RandomModelExactness : public ExactnessTest, public ::testing::WithParamInterface<std::string> {};

TEST_P(RandomModelExactness, BytesDoNotDependOnWhereTheKvIs) {
  Random random(static_cast<uint32_t>(std::hash<std::string>()(GetParam())));
  for (int i = 0; i < 3 && !HasFatalFailure(); ++i) {
    Given given;
    given.tokens = golden_tokens(GetParam());
    given.n_prompt = 1 + random.below(static_cast<uint32_t>(given.tokens.size() - 40));
    given.tokens.resize(given.n_prompt + 40);
    given.options.page_tokens = random.of({16u, 32u, 64u});
    given.options.piece_tokens = random.of({7u, 64u, 256u});
    given.options.kv_type = random.of({kernels::KvType::f16, kernels::KvType::f32, kernels::KvType::int8});
    if (given.options.kv_type != kernels::KvType::int8)
      given.options.page_codec = random.of({kernels::PageCodec::plain, kernels::PageCodec::k8v8,
                                            kernels::PageCodec::k8v4, kernels::PageCodec::k4v4});
    check((golden_folder() / (GetParam() + ".gguf")).string(), given, 3, random.below(1u << 30));
  }
}

INSTANTIATE_TEST_SUITE_P(Models, RandomModelExactness, ::testing::ValuesIn(random_models()),
                         [](const auto& model) { return model.param; });

// Passes of a real model take tens of seconds where a sanitizer watches them.
constexpr uint32_t rounds(uint32_t n) {
  return testing::kSanitized ? 1 : n;
}

TEST_F(ExactnessTest, SmolLm2) {
  LEOAM_REAL_MODEL_OR_SKIP(path, testing::kSmolLm2);
  Given given;
  given.tokens = golden_tokens("smollm2_135m_q4_1");
  given.n_prompt = 600;
  given.tokens.resize(620);
  check(path, given, rounds(3), 1);
  for (const kernels::PageCodec codec : kCompactCodecs) {
    if (testing::kSanitized && codec != kernels::PageCodec::k8v4) continue;
    given.options.page_codec = codec;
    check(path, given, rounds(2), 10 * static_cast<uint32_t>(codec));
  }
}

TEST_F(ExactnessTest, Gemma3) {
  LEOAM_REAL_MODEL_OR_SKIP(path, testing::kGemma3);
  Given given;
  given.tokens = golden_tokens("gemma3_270m_q4_k_m");
  given.n_prompt = 700;
  given.tokens.resize(708);
  check(path, given, rounds(2), 1);
}

}  // namespace
}  // namespace leoam
