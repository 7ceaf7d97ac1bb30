// A session file is damaged anywhere, cut or extended: the engine goes on with the same logits, or says that
// it is corrupt.
#include <gtest/gtest.h>

#include <random>

#include "tests/support/engine_scenario.h"
#include "tests/support/sanitized.h"
#include "tests/support/session_scenario.h"

namespace leoam::testing {
namespace {

constexpr auto& kFolder = EngineScenario::kFolder;

class EngineDamageTest : public ::testing::TestWithParam<int> {
 protected:
  EngineDamageTest() {
    EXPECT_EQ("", scenario_.run(
                      GetParam(), disk_, kFolder, [](const Status&) {}, &journal_));
    whole_ = disk_->contents(path_);
  }

  // One more or one less than before, somewhere.
  std::string damage(std::mt19937& random) {
    const uint64_t blocks = whole_.size() / kIoBlock_bytes;
    const uint64_t block = random() % blocks * kIoBlock_bytes;
    switch (random() % 6) {
      case 0:
      case 1: {
        const uint64_t bit = random() % (whole_.size() * 8);
        disk_->flip_bit(path_, bit);
        return fmt::format("bit {}", bit);
      }
      case 2: {
        const uint64_t bytes = random() % whole_.size();
        disk_->truncate(path_, bytes);
        return fmt::format("cut at {}", bytes);
      }
      case 3: {
        const uint64_t bytes = whole_.size() + 1 + random() % (2 * kIoBlock_bytes);
        disk_->extend(path_, bytes, static_cast<uint8_t>(random()));
        return fmt::format("extended to {}", bytes);
      }
      case 4: {
        const uint64_t other = random() % blocks * kIoBlock_bytes;
        disk_->swap_ranges(path_, block, other, kIoBlock_bytes);
        return fmt::format("blocks {} and {} swapped", block, other);
      }
      default: {
        const uint64_t other = random() % blocks * kIoBlock_bytes;
        disk_->copy_range(path_, block, other, kIoBlock_bytes);
        return fmt::format("block {} copied to {}", block, other);
      }
    }
  }

  EngineScenario scenario_;
  const std::shared_ptr<SimulatedDisk> disk_ = EngineScenario::empty_disk();
  EngineJournal journal_;
  const std::string path_ = EngineScenario::session_path(kFolder);
  std::vector<uint8_t> whole_;
};

TEST_P(EngineDamageTest, changes_no_logit) {
  std::mt19937 random(static_cast<uint32_t>(GetParam()));
  const int n_cases = 50 / kSampling * fault_rounds();
  int n_refused = 0;
  for (int i = 0; i < n_cases; ++i) {
    disk_->set_contents(path_, whole_);
    std::string what = damage(random);
    // A second place, often of a page.
    if (i % 2 == 0) {
      const uint64_t bytes = disk_->contents(path_).size();
      if (bytes > 0) disk_->flip_bit(path_, random() % (bytes * 8));
      what += " and a bit";
    }
    Status refused;
    const std::string wrong = scenario_.check_recovery(disk_, kFolder, journal_.state(), &refused);
    if (refused.kind() == ErrorKind::corrupt) {
      EXPECT_FALSE(refused.message().empty());
      ++n_refused;
      continue;
    }
    ASSERT_EQ("", wrong) << what;
  }
  EXPECT_LT(n_refused, n_cases / 2);
  std::printf("%s: damaged %d times, refused %d times\n", EngineScenario::name(GetParam()), n_cases,
              n_refused);
}

// The scenarios that leave a file.
INSTANTIATE_TEST_SUITE_P(Scenarios, EngineDamageTest, ::testing::Values(1, 2, 3),
                         [](const auto& which) { return EngineScenario::name(which.param); });

}  // namespace
}  // namespace leoam::testing
