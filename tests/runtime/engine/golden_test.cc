// The engine against tests/golden/logits: exact where weights are floats, as far away as 8-bit activations
// must be where they are quantised, and no further than the peer engine on real files.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "runtime/engine/engine.h"
#include "tests/support/sanitized.h"

namespace leoam {
namespace {

namespace fs = std::filesystem;
using kernels::CpuLevel;
using kernels::KvType;

fs::path source_folder() {
  const char* folder = std::getenv("LEOAM_SOURCE_DIR");
  return folder ? folder : ".";
}

fs::path golden_folder() {
  return source_folder() / "tests/golden/logits";
}

fs::path real_models_folder() {
  const char* folder = std::getenv("LEOAM_MODELS");
  return folder ? fs::path(folder) : source_folder() / "models";
}

// Sums of differences as tests/golden/figures.py defines them.
struct Figures {
  double nll_relative = 0;
  double next_rms = 0;
  double best_equal = 1;
  double top_rms = 0;
  double top_max = 0;
};

Figures figures_of(const nlohmann::json& json) {
  return {json.at("nll_relative"), json.at("next_rms"), json.at("best_equal"), json.at("top_rms"),
          json.at("top_max")};
}

std::ostream& operator<<(std::ostream& out, const Figures& f) {
  return out << "nll_relative " << f.nll_relative << ", next_rms " << f.next_rms << ", best_equal "
             << f.best_equal << ", top_rms " << f.top_rms << ", top_max " << f.top_max;
}

struct Row {
  std::vector<int32_t> top;
  std::vector<double> logprob;
};

struct Golden {
  std::string model;
  std::vector<int32_t> tokens;
  std::vector<int32_t> best;
  std::vector<double> next_logprob;
  std::map<uint64_t, Row> rows;
  nlohmann::json json;

  static Golden read(const std::string& name) {
    std::ifstream file(golden_folder() / (name + ".json"));
    Golden golden;
    if (!file) throw std::runtime_error("no golden " + name + " in " + golden_folder().string());
    golden.json = nlohmann::json::parse(file);
    golden.model = golden.json.at("model");
    golden.tokens = golden.json.at("tokens").get<std::vector<int32_t>>();
    golden.best = golden.json.at("best").get<std::vector<int32_t>>();
    golden.next_logprob = golden.json.at("next_logprob").get<std::vector<double>>();
    for (const nlohmann::json& row : golden.json.at("rows"))
      golden.rows[row.at("position")] = {row.at("top").get<std::vector<int32_t>>(),
                                         row.at("logprob").get<std::vector<double>>()};
    return golden;
  }

  // The pass is causal: the beginning of a golden is a golden.
  void shorten(size_t n_tokens) {
    if (n_tokens >= tokens.size()) return;
    tokens.resize(n_tokens);
    best.resize(n_tokens);
    next_logprob.resize(n_tokens - 1);
    rows.erase(rows.lower_bound(n_tokens), rows.end());
  }
};

// Takes the logits of one position after another and compares them with a golden.
class Comparison {
 public:
  explicit Comparison(const Golden& golden) : golden_(golden) {}

  void add(uint64_t position, std::span<const float> logits) {
    ASSERT_EQ(position, n_positions_) << "positions in order, each once";
    ++n_positions_;
    const auto best = std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (const float x : logits) sum += std::exp(double{x} - double{*best});
    const double log_sum = double{*best} + std::log(sum);
    same_best_ += best - logits.begin() == golden_.best[position];
    if (position < golden_.next_logprob.size()) {
      const double exact = golden_.next_logprob[position];
      const double ours = double{logits[static_cast<size_t>(golden_.tokens[position + 1])]} - log_sum;
      exact_nll_ -= exact;
      nll_ -= ours;
      next_squares_ += (ours - exact) * (ours - exact);
    }
    if (const auto row = golden_.rows.find(position); row != golden_.rows.end()) {
      for (size_t i = 0; i < row->second.top.size(); ++i) {
        const double ours = double{logits[static_cast<size_t>(row->second.top[i])]} - log_sum;
        const double difference = std::abs(ours - row->second.logprob[i]);
        top_squares_ += difference * difference;
        top_max_ = std::isnan(difference) ? difference : std::max(top_max_, difference);
        ++n_top_;
      }
    }
  }

  Figures figures() const {
    EXPECT_EQ(n_positions_, golden_.tokens.size());
    const auto n_next = static_cast<double>(golden_.next_logprob.size());
    return {nll_ / exact_nll_ - 1, std::sqrt(next_squares_ / n_next),
            static_cast<double>(same_best_) / static_cast<double>(n_positions_),
            std::sqrt(top_squares_ / static_cast<double>(n_top_)), top_max_};
  }

 private:
  const Golden& golden_;
  uint64_t n_positions_ = 0;
  int64_t same_best_ = 0;
  double exact_nll_ = 0, nll_ = 0, next_squares_ = 0, top_squares_ = 0, top_max_ = 0;
  uint64_t n_top_ = 0;
};

struct Way {
  int n_threads = 2;
  KvType kv = KvType::f32;
  uint32_t page_tokens = 32;
  uint32_t piece_tokens = 0;
  size_t prefill_tokens = SIZE_MAX;  // at once; the rest one by one, as decoding does
};

Figures run(CpuLevel level, const fs::path& path, const Golden& golden, const Way& way) {
  Comparison comparison(golden);
  EngineOptions engine_options;
  engine_options.n_threads = way.n_threads;
  engine_options.cpu_level = level;
  auto engine = Engine::create(engine_options);
  if (!engine) {
    ADD_FAILURE() << engine.status().message();
    return {};
  }
  auto model = (*engine)->load_model(path.string(), {}, nullptr, nullptr);
  if (!model) {
    ADD_FAILURE() << model.status().message();
    return {};
  }
  SessionOptions options;
  options.kv_type = way.kv;
  options.page_tokens = way.page_tokens;
  options.piece_tokens = way.piece_tokens;
  auto session = (*engine)->create_session(*model, options);
  if (!session) {
    ADD_FAILURE() << session.status().message();
    return {};
  }
  EvaluateOptions evaluate;
  evaluate.all_logits = true;
  evaluate.on_logits = [&](uint64_t position, std::span<const float> logits) {
    comparison.add(position, logits);
    return !::testing::Test::HasFatalFailure();
  };
  for (size_t begin = 0; begin < golden.tokens.size();) {
    const size_t n = begin == 0 ? std::min(way.prefill_tokens, golden.tokens.size()) : 1;
    const Status status = (*session)->evaluate(std::span(golden.tokens).subspan(begin, n), evaluate);
    if (!status.ok()) {
      ADD_FAILURE() << status.message();
      return {};
    }
    begin += n;
  }
  return comparison.figures();
}

// Under a sanitizer the best one alone: the tests of the kernels watch each.
std::vector<CpuLevel> levels() {
  if (testing::kSanitized) return {kernels::best_cpu_level()};
  std::vector<CpuLevel> all;
  for (const CpuLevel level : {CpuLevel::scalar, CpuLevel::avx2, CpuLevel::avx512})
    if (level <= kernels::best_cpu_level()) all.push_back(level);
  return all;
}

std::vector<std::string> random_models(const std::string& unwanted_prefix = "-") {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(golden_folder(), ignored))
    if (entry.path().extension() == ".gguf" && !entry.path().filename().string().starts_with(unwanted_prefix))
      names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(GoldenLogits, FolderIsComplete) {
  EXPECT_GE(random_models().size(), 24u) << golden_folder();
}

class RandomModel : public ::testing::TestWithParam<std::tuple<std::string, CpuLevel>> {
 protected:
  void SetUp() override {
    const auto& [name, level] = GetParam();
    path_ = golden_folder() / (name + ".gguf");
    golden_ = Golden::read(name);
    level_ = level;
  }

  void expect_right(const Way& way) {
    const Figures figures = run(level_, path_, golden_, way);
    if (golden_.json.contains("rounded")) {
      const Figures rounded = figures_of(golden_.json.at("rounded"));
      EXPECT_LE(figures.top_rms, 1.5 * rounded.top_rms) << figures << "\nrounded: " << rounded;
      EXPECT_LE(figures.next_rms, 1.5 * rounded.next_rms) << figures << "\nrounded: " << rounded;
      // Three standard deviations of a share near 0.95.
      const double noise = 3 * std::sqrt(0.05 / static_cast<double>(golden_.tokens.size()));
      EXPECT_GE(figures.best_equal, rounded.best_equal - noise) << figures << "\nrounded: " << rounded;
    } else {
      EXPECT_LE(figures.top_max, 1e-3) << figures;
      EXPECT_LE(std::abs(figures.nll_relative), 1e-5) << figures;
      EXPECT_GE(figures.best_equal, 0.99) << figures;
    }
  }

  fs::path path_;
  Golden golden_;
  CpuLevel level_ = CpuLevel::scalar;
};

TEST_P(RandomModel, PrefillAtOnce) {
  expect_right({});
}

TEST_P(RandomModel, PrefillInPieces) {
  expect_right({.page_tokens = 16, .piece_tokens = 48});
}

TEST_P(RandomModel, DecodeAfterPrefill) {
  expect_right({.prefill_tokens = 171});
}

TEST_P(RandomModel, DecodeFromNothing) {
  golden_.shorten(70);
  expect_right({.n_threads = 1, .page_tokens = 64, .prefill_tokens = 1});
}

// Only float weights tell the precision of the KV apart from their own.
class FloatModel : public RandomModel {};

TEST_P(FloatModel, HalfPrecisionKvIsNear) {
  const Figures figures = run(level_, path_, golden_, {.kv = KvType::f16});
  EXPECT_LE(figures.top_rms, 0.01) << figures;
  EXPECT_GT(figures.top_rms, 1e-6) << "the KV is not in half precision";
}

TEST_P(FloatModel, EightBitKvIsNear) {
  const Figures figures = run(level_, path_, golden_, {.kv = KvType::int8});
  // Keys of these models are steep and have no middle in common: the worst for 8 bits.
  EXPECT_LE(figures.top_rms, 0.1) << figures;
  EXPECT_GE(figures.best_equal, 0.95) << figures;
  EXPECT_GT(figures.top_rms, 1e-3) << "the KV is not in 8 bits";
}

std::string random_model_name(const ::testing::TestParamInfo<RandomModel::ParamType>& info) {
  return std::get<0>(info.param) + "_" + kernels::cpu_level_name(std::get<1>(info.param));
}

INSTANTIATE_TEST_SUITE_P(GoldenLogits, RandomModel,
                         ::testing::Combine(::testing::ValuesIn(random_models()),
                                            ::testing::ValuesIn(levels())),
                         random_model_name);
INSTANTIATE_TEST_SUITE_P(GoldenLogits, FloatModel,
                         ::testing::Combine(::testing::ValuesIn(random_models("type_")),
                                            ::testing::ValuesIn(levels())),
                         random_model_name);

class RealModel : public ::testing::TestWithParam<const char*> {};

// The mean of n differences with a standard deviation of next_rms has an error of its own, next_rms /
// sqrt(n): the drift of the mean can be told from zero only beyond three of them.
TEST_P(RealModel, IsNoFurtherFromTheExactPassThanThePeer) {
  Golden golden = Golden::read(GetParam());
  const fs::path path = real_models_folder() / golden.model;
  if (!fs::exists(path))
    GTEST_SKIP() << path << " is not there: scripts/models.sh brings it, LEOAM_MODELS names another folder";
#ifdef NDEBUG
  constexpr double kRoom = 1;
#else
  // Slow builds take the beginning, which the peer's figures, of the whole text, are not of.
  constexpr double kRoom = 1.5;
  golden.shorten(96);
#endif
  const Figures figures = run(kernels::best_cpu_level(), path, golden, {.kv = KvType::f16});
  const Figures peer = figures_of(golden.json.at("peer"));
  const Figures peer_flash = figures_of(golden.json.at("peer_flash"));
  std::cout << "ours: " << figures << "\npeer: " << peer << "\npeer, flash attention: " << peer_flash << "\n";
  const auto n = static_cast<double>(golden.next_logprob.size());
  const double mean_nll = golden.json.at("mean_nll");
  EXPECT_LE(std::abs(figures.nll_relative), 1e-4 + 3 * figures.next_rms / std::sqrt(n) / mean_nll);
  EXPECT_GE(figures.best_equal, std::max(peer.best_equal, peer_flash.best_equal) - 1 / n);
  EXPECT_LE(figures.next_rms, kRoom * std::min(peer.next_rms, peer_flash.next_rms));
  EXPECT_LE(figures.top_rms, kRoom * std::min(peer.top_rms, peer_flash.top_rms));
}

std::string real_model_name(const ::testing::TestParamInfo<const char*>& info) {
  return info.param;
}

INSTANTIATE_TEST_SUITE_P(GoldenLogits, RealModel,
                         ::testing::Values("smollm2_135m_q4_1", "gemma3_270m_q4_k_m"), real_model_name);

}  // namespace
}  // namespace leoam
