#include "runtime/engine/calibration.h"

#include <fstream>
#include <sstream>

#include "tests/runtime/engine/engine_fixture.h"
#include "tests/support/sanitized.h"

namespace leoam {
namespace {

Rates made_up_rates() {
  Rates rates;
  for (size_t i = 0; i < kRateClasses; ++i) rates.matrices[i] = {1e10 + static_cast<double>(i), 4e11};
  rates.attention.fill({3e-11, 5e-12});
  rates.int8_attention = {4e-11, 8e-12};
  rates.prefill_attention_operations_per_second = 2e11;
  rates.layer_s = 1e-5;
  rates.disk_read_bytes_per_second = 1e9;
  rates.disk_few_read_bytes_per_second = 5e8;
  rates.disk_write_bytes_per_second = 2e9;
  return rates;
}

TEST(CalibrationTextTest, WhatIsKeptIsWhatWasMeasured) {
  const std::string text = encode_rates(made_up_rates(), "a machine");
  const auto rates = decode_rates(text, "a machine");
  ASSERT_TRUE(rates.ok()) << rates.status().message();
  EXPECT_EQ(encode_rates(*rates, "a machine"), text);
  EXPECT_DOUBLE_EQ(rates->attention[0].byte_head_s, 5e-12);
  EXPECT_DOUBLE_EQ(rates->matrix(kernels::WeightType::q6_k).prefill_operations_per_second, 4e11);
}

TEST(CalibrationTextTest, AnotherMachineIsRefused) {
  const std::string text = encode_rates(made_up_rates(), "a machine");
  EXPECT_EQ(decode_rates(text, "a machine, 3 threads").status().kind(), ErrorKind::version);
}

TEST(CalibrationTextTest, EveryDamageIsFound) {
  const std::string text = encode_rates(made_up_rates(), "a machine");
  for (size_t n = 0; n < text.size(); ++n)
    EXPECT_EQ(decode_rates(text.substr(0, n), "a machine").status().kind(), ErrorKind::corrupt) << n;
  for (size_t at = 0; at < text.size(); ++at) {
    for (const int bit : {0, 4, 7}) {
      std::string changed = text;
      changed[at] = static_cast<char>(changed[at] ^ 1 << bit);
      EXPECT_EQ(decode_rates(changed, "a machine").status().kind(), ErrorKind::corrupt) << at << ' ' << bit;
    }
  }
  EXPECT_EQ(decode_rates(text + text, "a machine").status().kind(), ErrorKind::corrupt);
}

// With a checksum that fits.
TEST(CalibrationTextTest, ValuesThatNoMachineHasAreRefused) {
  for (const double value : {0.0, -1.0, HUGE_VAL, std::nan(""), 1e300}) {
    Rates rates = made_up_rates();
    rates.prefill_attention_operations_per_second = value;
    EXPECT_EQ(decode_rates(encode_rates(rates, "m"), "m").status().kind(), ErrorKind::corrupt) << value;
  }
  Rates no_disk = made_up_rates();
  no_disk.disk_read_bytes_per_second = no_disk.disk_write_bytes_per_second = 0;
  EXPECT_TRUE(decode_rates(encode_rates(no_disk, "m"), "m").ok());
}

class CalibrationTest : public testing::EngineTest {
 protected:
  std::string path() { return engine_->state_folder() + "/calibration"; }
  std::string kept() {
    std::stringstream text;
    text << std::ifstream(path(), std::ios::binary).rdbuf();
    return text.str();
  }
  // Rates that cannot have been measured, as if another time had.
  void keep_made_up_rates(const std::string& suffix) {
    std::string text = encode_rates(made_up_rates(), machine_line_) + suffix;
    text.resize(std::max<size_t>(text.size(), kIoBlock_bytes));
    std::ofstream(path(), std::ios::binary | std::ios::trunc) << text;
  }
  // Measures once, and finds out what this machine is called.
  void measure_once() {
    start();
    const auto rates = engine_->calibration(nullptr);
    ASSERT_TRUE(rates.ok()) << rates.status().message();
    const std::string text = kept();
    const size_t begin = text.find("machine ") + 8;
    machine_line_ = text.substr(begin, text.find('\n', begin) - begin);
    const auto again = decode_rates(text.substr(0, text.find('\0')), machine_line_);
    ASSERT_TRUE(again.ok()) << again.status().message();
    EXPECT_GT(again->disk_read_bytes_per_second, 0);
  }
  std::string machine_line_;
};

TEST_F(CalibrationTest, IsMeasuredOnceAndKept) {
  measure_once();
  keep_made_up_rates("");
  start();
  const auto rates = engine_->calibration(nullptr);
  ASSERT_TRUE(rates.ok());
  EXPECT_DOUBLE_EQ(rates->layer_s, 1e-5);

  // Of other threads: another machine.
  EngineOptions options;
  options.n_threads = 1;
  start(with_tokenizer(), options);
  const auto others = engine_->calibration(nullptr);
  ASSERT_TRUE(others.ok());
  EXPECT_NE(others->layer_s, 1e-5);
}

TEST_F(CalibrationTest, ADamagedFileIsMeasuredAgain) {
  if (testing::kThreadSanitized) GTEST_SKIP() << "it measures for minutes";
  measure_once();
  keep_made_up_rates("x");
  start();
  const auto rates = engine_->calibration(nullptr);
  ASSERT_TRUE(rates.ok());
  EXPECT_NE(rates->layer_s, 1e-5);
  EXPECT_EQ(kept().find("sum "), kept().rfind("sum "));
}

TEST_F(CalibrationTest, WithoutAFolderThereIsNoDiskAndNoFailure) {
  if (testing::kThreadSanitized) GTEST_SKIP() << "it measures for minutes";
  EngineOptions options;
  options.state_folder = "/proc/nothing";
  start(with_tokenizer(), options);
  const auto rates = engine_->calibration(nullptr);
  ASSERT_TRUE(rates.ok()) << rates.status().message();
  EXPECT_EQ(rates->disk_read_bytes_per_second, 0);
  EXPECT_GT(rates->matrices[0].decode_bytes_per_second, 0);
}

TEST_F(CalibrationTest, IsCancelled) {
  start();
  CancelFlag cancel;
  cancel.cancel();
  EXPECT_EQ(engine_->calibration(&cancel).status().kind(), ErrorKind::cancelled);
  EXPECT_TRUE(kept().empty());
}

}  // namespace
}  // namespace leoam
