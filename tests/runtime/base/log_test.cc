#include "runtime/base/log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace leoam {
namespace {

struct Record {
  LogLevel level;
  std::string text;
};

void keep(void* user_data, LogLevel level, std::string_view text) {
  static_cast<std::vector<Record>*>(user_data)->push_back({level, std::string(text)});
}

TEST(LogSink, DropsEverythingWithoutAFunction) {
  LogSink sink;
  EXPECT_FALSE(sink.wants(LogLevel::error));
  sink.write(LogLevel::error, "nobody listens");
}

TEST(LogSink, PassesItsLevelAndWhatIsMoreSevere) {
  std::vector<Record> records;
  LogSink sink(keep, &records, LogLevel::info);
  EXPECT_TRUE(sink.wants(LogLevel::info));
  EXPECT_FALSE(sink.wants(LogLevel::debug));
  sink.write(LogLevel::debug, "no");
  sink.write(LogLevel::info, "yes");
  sink.write(LogLevel::error, "also");
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].text, "yes");
  EXPECT_EQ(records[1].level, LogLevel::error);
}

TEST(LogSink, SerialisesCalls) {
  struct Shared {
    std::atomic<int> inside{0};
    std::atomic<bool> overlapped{false};
    int calls = 0;
  } shared;
  LogSink sink(
      [](void* user_data, LogLevel, std::string_view) {
        auto* seen = static_cast<Shared*>(user_data);
        if (seen->inside.fetch_add(1) != 0) seen->overlapped = true;
        ++seen->calls;
        seen->inside.fetch_sub(1);
      },
      &shared, LogLevel::debug);
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 4; ++writer)
    writers.emplace_back([&sink] {
      for (int i = 0; i < 500; ++i) sink.write(LogLevel::warning, "x");
    });
  for (std::thread& writer : writers) writer.join();
  EXPECT_FALSE(shared.overlapped);
  EXPECT_EQ(shared.calls, 2000);
}

}  // namespace
}  // namespace leoam
