#include "runtime/engine/planner.h"

#include <filesystem>
#include <fstream>

#include "runtime/device/cpu/cpu_device.h"
#include "tests/runtime/engine/engine_fixture.h"

namespace leoam {
namespace {

using kernels::PageCodec;

Rates made_up_rates() {
  Rates rates;
  for (Rates::Matrix& matrix : rates.matrices) matrix = {1e10, 4e11};
  rates.attention.fill({3e-11, 5e-12});
  rates.int8_attention = {4e-11, 8e-12};
  rates.prefill_attention_operations_per_second = 2e11;
  rates.layer_s = 1e-5;
  rates.disk_read_bytes_per_second = 1e9;
  rates.disk_few_read_bytes_per_second = 5e8;
  rates.disk_write_bytes_per_second = 2e9;
  return rates;
}

// A header of the largest fields that a file may have.
ModelHeader absurd_header() {
  ModelHeader header;
  header.config.architecture = find_architecture("llama");
  header.config.n_layers = 1024;
  header.config.n_embd = 1u << 17;
  header.config.n_heads = header.config.n_kv_heads = 1024;
  header.config.head_dim = 1024;
  header.config.n_ff = header.config.n_vocab = 1u << 20;
  header.config.context_tokens = INT32_MAX;
  header.weight_bytes = header.n_parameters = UINT64_MAX;
  header.quantization = "no type";
  return header;
}

class PlannerTest : public testing::EngineTest {
 protected:
  static constexpr uint64_t kDisk_bytes = uint64_t{1} << 30;
  static constexpr uint32_t kContext = 3000;

  static testing::TinyModelOptions tiny(const char* architecture) {
    testing::TinyModelOptions options;
    options.architecture = architecture;
    options.n_layers = 7;
    return options;
  }
  Plan plan(PlanRequest request) const { return make_plan(model_->header(), request, nullptr); }
};

TEST_F(PlannerTest, PlannedBytesAreWhatASessionTakes) {
  for (const char* architecture : {"llama", "gemma3"}) {
    start(tiny(architecture));
    for (const uint32_t n : {1u, 32u, 33u, 300u, 512u}) {
      PlanRequest request;
      request.context_tokens = n;
      const Plan planned = plan(request);
      auto s = session();
      ASSERT_TRUE(s->evaluate(tokens(n), {}).ok());
      EXPECT_LE(s->kv_bytes(), planned.kv_bytes) << architecture << ' ' << n;
      EXPECT_GE(s->kv_bytes() * 2, planned.kv_bytes) << architecture << ' ' << n;
      if (std::string(architecture) == "llama") {
        EXPECT_EQ(s->kv_bytes(), planned.kv_bytes);
      }
    }
  }
}

// What the tiers count at the end of a prefill, at budgets from everything in RAM to a twentieth.
TEST_F(PlannerTest, PlannedTiersAreWhatTheTiersTake) {
  SessionOptions context;
  context.context_tokens = 2 * kContext;
  start(tiny("llama"));
  PlanRequest request;
  request.context_tokens = kContext;
  const uint64_t all = plan(request).kv_bytes;
  for (const uint64_t budget : {4 * all, all + all / 5, all * 3 / 4, all / 2, all / 3}) {
    EngineOptions options;
    options.host_kv_budget_bytes = budget;
    options.disk_kv_budget_bytes = kDisk_bytes;
    start(tiny("llama"), options);
    request.host_kv_budget_bytes = budget;
    request.disk_kv_budget_bytes = kDisk_bytes;
    const Plan planned = plan(request);
    EXPECT_TRUE(planned.fits_with_disk) << budget;
    auto s = session(context);
    const Status status = s->evaluate(tokens(kContext), {});
    ASSERT_TRUE(status.ok()) << status.message();
    const EngineStatistics filled = engine_->statistics();
    const auto near = [budget](uint64_t a, uint64_t b, const char* what) {
      EXPECT_NEAR(static_cast<double>(a), static_cast<double>(b), 0.05 * static_cast<double>(std::max(a, b)))
          << what << " at " << budget;
    };
    near(planned.host_kv_bytes, filled.host_kv_peak_bytes, "RAM");
    // How much of what RAM could still hold is written by now is a matter of time.
    EXPECT_LE(filled.disk_written_bytes, planned.disk_written_bytes) << budget;
    EXPECT_GE(filled.disk_written_bytes + budget, planned.disk_written_bytes) << budget;
    if (!planned.fits) {
      EXPECT_LE(filled.disk_kv_bytes, planned.disk_kv_bytes) << budget;
      EXPECT_GE(filled.disk_kv_bytes + budget, planned.disk_kv_bytes) << budget;
    }
    // Which pages a token finds in RAM depends on when writes ended: several tokens, and their mean.
    constexpr uint64_t kTokens = 6;
    for (uint64_t i = 0; i < kTokens; ++i) ASSERT_TRUE(s->evaluate(tokens(1), {}).ok());
    const uint64_t read = engine_->statistics().disk_read_bytes - filled.disk_read_bytes;
    EXPECT_NEAR(static_cast<double>(planned.token_read_bytes), static_cast<double>(read) / kTokens,
                0.25 * static_cast<double>(all))
        << budget;
    if (planned.fits) {
      EXPECT_EQ(planned.token_read_bytes, 0) << budget;
      EXPECT_EQ(read, 0) << budget;
    } else {
      EXPECT_GT(planned.token_read_bytes, 0) << budget;
    }
  }
}

TEST_F(PlannerTest, TheFittingContextFitsAndOneMorePageDoesNot) {
  start();
  for (const uint64_t disk : {uint64_t{0}, uint64_t{1} << 20}) {
    PlanRequest request;
    request.host_kv_budget_bytes = 200'000;
    request.disk_kv_budget_bytes = disk;
    const Plan planned = plan(request);
    request.context_tokens = planned.fitting_tokens;
    EXPECT_TRUE(plan(request).fits);
    request.context_tokens = planned.fitting_tokens + 32;
    EXPECT_FALSE(plan(request).fits);
    request.context_tokens = planned.fitting_with_disk_tokens;
    EXPECT_TRUE(plan(request).fits_with_disk);
    request.context_tokens = planned.fitting_with_disk_tokens + 32;
    EXPECT_FALSE(plan(request).fits_with_disk);
    if (disk == 0) {
      EXPECT_EQ(planned.fitting_with_disk_tokens, planned.fitting_tokens);
    } else {
      EXPECT_GT(planned.fitting_with_disk_tokens, planned.fitting_tokens);
    }
  }
}

// What the planner promises can be filled and decoded; a tenth more cannot.
TEST_F(PlannerTest, AFittingContextCanBeFilled) {
  for (const uint64_t disk : {uint64_t{0}, uint64_t{3} << 20}) {
    EngineOptions options;
    options.host_kv_budget_bytes = 1'200'000;
    options.disk_kv_budget_bytes = disk == 0 ? 1 : disk;
    start(tiny("llama"), options);
    PlanRequest request;
    request.host_kv_budget_bytes = options.host_kv_budget_bytes;
    request.disk_kv_budget_bytes = disk;
    const Plan planned = plan(request);
    const uint64_t n = disk == 0 ? planned.fitting_tokens : planned.fitting_with_disk_tokens;
    ASSERT_GT(n, 300);
    SessionOptions context;
    context.context_tokens = static_cast<uint32_t>(2 * n);
    auto s = session(context);
    const Status status = s->evaluate(tokens(n), {});
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(s->evaluate(tokens(n / 10 + 64), {}).kind(), ErrorKind::no_space);
  }
}

TEST_F(PlannerTest, WithoutADiskNothingGoesThere) {
  start();
  PlanRequest request;
  request.context_tokens = 4096;
  request.host_kv_budget_bytes = 50'000;
  const Rates rates = made_up_rates();
  const Plan planned = make_plan(model_->header(), request, &rates);
  EXPECT_FALSE(planned.fits);
  EXPECT_FALSE(planned.fits_with_disk);
  EXPECT_EQ(planned.disk_kv_bytes, 0);
  EXPECT_EQ(planned.disk_written_bytes, 0);
  EXPECT_EQ(planned.token_read_bytes, 0);
  EXPECT_EQ(planned.decode_tokens_per_second, 0);
  EXPECT_LE(planned.host_kv_bytes, request.host_kv_budget_bytes);
}

TEST_F(PlannerTest, MoreRamIsNeverSlowerAndALongerContextNeverFaster) {
  start(tiny("gemma3"));
  const Rates rates = made_up_rates();
  PlanRequest request;
  request.disk_kv_budget_bytes = kDisk_bytes;
  request.piece_tokens = 256;
  for (const uint32_t n : {300u, 5000u, 50000u}) {
    request.context_tokens = n;
    Plan last;
    for (uint64_t budget = 1 << 20; budget < 1 << 28; budget *= 2) {
      request.host_kv_budget_bytes = budget;
      const Plan planned = make_plan(model_->header(), request, &rates);
      EXPECT_GE(planned.decode_tokens_per_second, last.decode_tokens_per_second) << n << ' ' << budget;
      EXPECT_GE(planned.prefill_tokens_per_second, last.prefill_tokens_per_second * 0.999)
          << n << ' ' << budget;
      EXPECT_GE(planned.fitting_tokens, last.fitting_tokens);
      EXPECT_GE(planned.fitting_with_disk_tokens, last.fitting_with_disk_tokens);
      last = planned;
    }
  }
  request.host_kv_budget_bytes = 4 << 20;
  Plan last = {};
  for (uint32_t n = 100; n < 40000; n += 777) {
    request.context_tokens = n;
    const Plan planned = make_plan(model_->header(), request, &rates);
    EXPECT_GE(planned.kv_bytes, last.kv_bytes);
    EXPECT_GE(planned.host_kv_bytes, last.host_kv_bytes);
    EXPECT_GE(planned.disk_kv_bytes, last.disk_kv_bytes);
    EXPECT_GE(planned.disk_written_bytes, last.disk_written_bytes);
    EXPECT_GE(planned.token_read_bytes, last.token_read_bytes);
    EXPECT_GE(planned.reopen_s, last.reopen_s * (planned.reopen_s > 0));
    if (last.decode_tokens_per_second > 0) {
      EXPECT_LE(planned.decode_tokens_per_second, last.decode_tokens_per_second);
    }
    last = planned;
  }
}

// One layer's arithmetic by hand.
TEST_F(PlannerTest, TheTimeOfATokenIsWeightsAndPagesAndLayers) {
  start();
  const ModelHeader& header = model_->header();
  const ModelConfig& config = header.config;
  const Rates rates = made_up_rates();
  PlanRequest request;
  request.context_tokens = 4096;
  const Plan planned = make_plan(header, request, &rates);
  const double width = config.n_heads * config.head_dim;
  const double kv_width = config.n_kv_heads * config.head_dim;
  const double values = config.n_layers * (config.n_embd * (2.0 * width + 2 * kv_width + 3.0 * config.n_ff)) +
                        double{1} * config.n_embd * config.n_vocab;
  const double weight_bytes =
      values * static_cast<double>(header.weight_bytes) / static_cast<double>(header.n_parameters);
  const double kv_bytes = 4096.0 * 4 * kv_width * config.n_layers;
  const double group = config.n_heads / config.n_kv_heads;
  const double seconds = weight_bytes / 1e10 + kv_bytes * (3e-11 + group * 5e-12) + config.n_layers * 1e-5;
  EXPECT_NEAR(planned.decode_tokens_per_second * seconds, 1, 1e-6);
}

TEST_F(PlannerTest, ASavedSessionIsWrittenAndTakesItsFile) {
  start(tiny("llama"));
  PlanRequest request;
  request.context_tokens = 1000;
  request.saved = true;
  const Plan planned = plan(request);
  SessionOptions context;
  context.context_tokens = 1000;
  auto s = session(context);
  ASSERT_TRUE(s->evaluate(tokens(1000), {}).ok());
  ASSERT_TRUE(s->save(state_.path() + "/a.session", nullptr, {}).ok());
  const auto info = s->file_info();
  ASSERT_TRUE(info.ok());
  EXPECT_GE(planned.session_file_bytes + (64 << 10), info->used_bytes);
  EXPECT_LE(planned.session_file_bytes, info->file_bytes + (uint64_t{1} << 20));
  EXPECT_EQ(planned.disk_kv_bytes, planned.session_file_bytes);
}

TEST_F(PlannerTest, PiecesGrowUntilTheirComputeHidesTheirReads) {
  start(tiny("llama"));
  PlanRequest request;
  request.context_tokens = 100'000;
  request.disk_kv_budget_bytes = kDisk_bytes;
  const auto piece = [&](double disk_bytes_per_second, double compute) {
    Rates rates = made_up_rates();
    rates.disk_read_bytes_per_second = rates.disk_few_read_bytes_per_second = disk_bytes_per_second;
    rates.prefill_attention_operations_per_second *= compute;
    for (Rates::Matrix& matrix : rates.matrices) matrix.prefill_operations_per_second *= compute;
    const Plan planned = make_plan(model_->header(), request, &rates);
    EXPECT_EQ(planned.piece_tokens, plan_piece_tokens(model_->header(), request, &rates));
    return planned.piece_tokens;
  };
  // Everything fits.
  request.host_kv_budget_bytes = kDisk_bytes;
  EXPECT_EQ(piece(1e6, 1), 256u);
  // Not everything: a fast disk, then slower ones, then one that nothing hides.
  request.host_kv_budget_bytes = 16 << 20;
  EXPECT_EQ(plan(request).piece_tokens, 256u) << "without rates";
  EXPECT_EQ(piece(1e12, 1), 256u);
  uint32_t last = 256;
  std::vector<uint32_t> seen = {last};
  for (double rate = 1e12; rate > 1e7; rate /= 1.2) {
    const uint32_t now = piece(rate, 1);
    EXPECT_GE(now, last) << rate;
    if (now != last) seen.push_back(now);
    last = now;
  }
  EXPECT_EQ(seen, (std::vector<uint32_t>{256, 512, 1024, 2048}));
  // Faster compute is as a slower disk.
  double rate = 1e12;
  while (piece(rate, 1) == 256) rate /= 1.2;
  EXPECT_EQ(piece(rate, 1), 512u);
  EXPECT_EQ(piece(rate * 4, 1), 256u);
  EXPECT_EQ(piece(rate * 4, 5), 512u);
  // What somebody asks for is taken.
  request.piece_tokens = 100;
  const Rates rates = made_up_rates();
  EXPECT_EQ(make_plan(model_->header(), request, &rates).piece_tokens, 100u);
}

TEST_F(PlannerTest, ALongPieceThatDoesNotFitIsNotChosen) {
  start(tiny("llama"));
  Rates slow = made_up_rates();
  slow.disk_read_bytes_per_second = slow.disk_few_read_bytes_per_second = 1e6;
  PlanRequest request;
  request.context_tokens = 20'000;
  request.disk_kv_budget_bytes = kDisk_bytes;
  uint32_t last = 0;
  for (uint64_t budget = 100'000; budget < 8 << 20; budget += budget / 8) {
    request.host_kv_budget_bytes = budget;
    request.piece_tokens = 0;
    const uint32_t chosen = plan_piece_tokens(model_->header(), request, &slow);
    request.piece_tokens = 256;
    if (!make_plan(model_->header(), request, nullptr).fits_with_disk) {
      EXPECT_EQ(chosen, 256u);
      continue;
    }
    request.piece_tokens = chosen;
    EXPECT_TRUE(make_plan(model_->header(), request, nullptr).fits_with_disk) << budget;
    EXPECT_GE(chosen, last);
    last = chosen;
  }
  EXPECT_EQ(last, 2048u);
}

TEST_F(PlannerTest, TheCodecIsTheFasterOne) {
  testing::TinyModelOptions model = tiny("llama");
  model.head_dim = 64;  // of fewer channels, pages of two codecs are as many blocks of a file
  start(model);
  PlanRequest request;
  request.context_tokens = 20'000;
  request.disk_kv_budget_bytes = kDisk_bytes;
  request.choose_kv_type = true;
  request.page_tokens = 128;
  const auto chosen = [&](const Rates* rates) {
    const Plan planned = make_plan(model_->header(), request, rates);
    const CodecChoice choice = plan_page_codec(model_->header(), request, rates);
    EXPECT_EQ(planned.page_codec, choice.codec);
    EXPECT_EQ(choice.n_tokens, request.context_tokens);
    PlanRequest same = request;
    same.choose_kv_type = false;
    double best = 0;
    for (size_t codec = 0; codec < kernels::kPageCodecs && rates; ++codec) {
      if (kCodecDivergence[codec] > request.most_kv_divergence) continue;
      same.page_codec = static_cast<PageCodec>(codec);
      const Plan of_codec = make_plan(model_->header(), same, rates);
      EXPECT_NEAR(of_codec.decode_tokens_per_second * choice.decode_s[codec], 1, 1e-6);
      EXPECT_EQ(of_codec.token_read_bytes, choice.read_bytes[codec]);
      best = std::max(best, of_codec.decode_tokens_per_second);
      if (same.page_codec == planned.page_codec) {
        EXPECT_EQ(of_codec.kv_bytes, planned.kv_bytes);
      }
    }
    EXPECT_GE(planned.decode_tokens_per_second * 1.03, best);
    return planned.page_codec;
  };
  Rates rates = made_up_rates();
  // In RAM: as fast as its attention is; of equals what loses nothing.
  request.host_kv_budget_bytes = kDisk_bytes;
  EXPECT_EQ(chosen(nullptr), PageCodec::plain);
  rates.attention.fill({9e-10, 0});
  rates.attention[0] = {3e-10, 0};
  EXPECT_EQ(chosen(&rates), PageCodec::plain);
  rates.attention[1] = {3e-10, 0};
  EXPECT_EQ(chosen(&rates), PageCodec::k8v8);
  // From a slow disk fewer bytes are faster, from a fast one they are not; as few as lose little enough.
  request.host_kv_budget_bytes = 4 << 20;
  EXPECT_EQ(chosen(nullptr), PageCodec::k8v4);
  rates.disk_read_bytes_per_second = rates.disk_few_read_bytes_per_second = 1e8;
  EXPECT_EQ(chosen(&rates), PageCodec::k8v4);
  request.most_kv_divergence = 0.01;
  EXPECT_EQ(chosen(&rates), PageCodec::k4v4);
  request.most_kv_divergence = 0;
  EXPECT_EQ(chosen(&rates), PageCodec::plain);
  request.most_kv_divergence = kMostKvDivergence;
  rates.disk_read_bytes_per_second = rates.disk_few_read_bytes_per_second = 1e12;
  EXPECT_EQ(chosen(&rates), PageCodec::k8v8);
}

TEST_F(PlannerTest, ASessionChangesItsCodecWithContextAndBudget) {
  EngineOptions options;
  options.disk_kv_budget_bytes = kDisk_bytes;
  options.host_kv_budget_bytes = 3 << 20;
  SessionOptions wish;
  wish.context_tokens = 20'000;
  wish.choose_kv_type = true;
  start(tiny("llama"), options);
  auto s = session(wish);
  EXPECT_EQ(s->codec_choice().n_tokens, 0u);
  ASSERT_TRUE(s->evaluate(tokens(300), {}).ok());
  EXPECT_EQ(s->page_codec(), PageCodec::plain) << "it fits";
  EXPECT_EQ(s->codec_choice().n_tokens, 300u);
  const uint64_t plain_bytes = s->kv_bytes() * 20;
  ASSERT_TRUE(s->evaluate(tokens(5700), {}).ok());
  EXPECT_EQ(s->page_codec(), PageCodec::k8v4);
  EXPECT_LT(s->kv_bytes(), plain_bytes * 2 / 3) << "pages that were plain are compact too";
  ASSERT_TRUE(engine_->set_host_kv_budget(kDisk_bytes, nullptr).ok());
  ASSERT_TRUE(s->evaluate(tokens(1), {}).ok());
  EXPECT_EQ(s->page_codec(), PageCodec::plain) << "at the next pass";
  EXPECT_LT(s->kv_bytes(), plain_bytes * 2 / 3) << "what is compact stays so";
}

// A session that leaves the size of pieces to the engine takes the planner's, and measures nothing for it.
TEST_F(PlannerTest, ASessionTakesThePlannedPieces) {
  EngineOptions options;
  options.host_kv_budget_bytes = 4 << 20;
  options.disk_kv_budget_bytes = kDisk_bytes;
  SessionOptions wish;
  wish.context_tokens = 20'000;
  const std::string path = state_.file("calibration");
  start(tiny("llama"), options);
  EXPECT_EQ(session(wish)->options().piece_tokens, 256u);
  EXPECT_FALSE(std::filesystem::exists(path)) << "measured";

  Rates slow = made_up_rates();
  slow.disk_read_bytes_per_second = slow.disk_few_read_bytes_per_second = 1e6;
  const std::unique_ptr<ThreadPool> pool = std::move(ThreadPool::create(2)).value();
  const auto device = create_cpu_device(*pool, kernels::cpu_table(kernels::best_cpu_level()));
  std::string text = encode_rates(slow, machine_line(*device));
  text.resize(kIoBlock_bytes);
  std::ofstream(path, std::ios::binary) << text;
  std::filesystem::permissions(path,
                               std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  options.cpu_level = kernels::best_cpu_level();
  start(tiny("llama"), options);
  EXPECT_EQ(session(wish)->options().piece_tokens, 2048u);
  wish.piece_tokens = 300;
  EXPECT_EQ(session(wish)->options().piece_tokens, 300u);
  wish.piece_tokens = 0;
  wish.context_tokens = 1000;
  EXPECT_EQ(session(wish)->options().piece_tokens, 256u) << "it fits";
  // A saved session keeps its own.
  wish.context_tokens = 20'000;
  auto s = session(wish);
  ASSERT_TRUE(s->evaluate(tokens(10), {}).ok());
  ASSERT_TRUE(s->save(state_.file("planned.leoam"), nullptr, {}).ok());
  s.reset();
  std::filesystem::remove(path);
  start(tiny("llama"), options);
  auto again = engine_->open_session(model_, state_.file("planned.leoam"), nullptr, wish);
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ((*again)->options().piece_tokens, 2048u);
}

TEST_F(PlannerTest, NothingOverflows) {
  const ModelHeader header = absurd_header();
  const Rates rates = made_up_rates();
  for (const uint64_t context : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 31, UINT64_MAX}) {
    for (const uint64_t budget : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 40, UINT64_MAX}) {
      for (const uint64_t disk : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 50, UINT64_MAX}) {
        PlanRequest request;
        request.context_tokens = context;
        request.host_kv_budget_bytes = budget;
        request.disk_kv_budget_bytes = disk;
        request.kv_type = kernels::KvType::f32;
        request.page_tokens = 128;
        request.piece_tokens = 4096;
        request.saved = true;
        const Plan planned = make_plan(header, request, &rates);
        EXPECT_GE(planned.total_bytes, planned.weight_bytes);
        EXPECT_GE(planned.decode_tokens_per_second, 0);
        EXPECT_TRUE(std::isfinite(planned.prefill_tokens_per_second));
        if (context > INT32_MAX) {
          EXPECT_FALSE(planned.fits);
          EXPECT_FALSE(planned.fits_with_disk);
        }
        if (budget != 0) {
          EXPECT_LE(planned.host_kv_bytes, budget);
        }
      }
    }
  }
}

}  // namespace
}  // namespace leoam
