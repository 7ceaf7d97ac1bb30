#include "runtime/base/aligned_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

#include "tests/support/sanitized.h"

namespace leoam {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

class AlignedBufferSizes : public ::testing::TestWithParam<size_t> {};

TEST_P(AlignedBufferSizes, IsAlignedZeroAndWritable) {
  Result<AlignedBuffer> buffer = AlignedBuffer::allocate(GetParam());
  ASSERT_TRUE(buffer.ok()) << buffer.status().message();
  ASSERT_EQ(buffer->bytes(), GetParam());
  const size_t unit = GetParam() < kHugePage_bytes ? AlignedBuffer::kAlignment : kHugePage_bytes;
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % unit, 0u);
  EXPECT_TRUE(
      std::all_of(buffer->data(), buffer->data() + GetParam(), [](uint8_t byte) { return byte == 0; }));
  std::memset(buffer->data(), 0xab, GetParam());
  EXPECT_EQ(buffer->data()[GetParam() - 1], 0xab);
}

// Around one line, one page of memory, and the size from which the operating system is asked directly.
INSTANTIATE_TEST_SUITE_P(Edges, AlignedBufferSizes,
                         ::testing::Values(1, 63, 64, 65, 4095, 4097, 2 * kMiB - 1, 2 * kMiB, 2 * kMiB + 1,
                                           5 * kMiB + 3));

TEST(AlignedBuffer, ZeroBytesIsAnEmptyBuffer) {
  const Result<AlignedBuffer> buffer = AlignedBuffer::allocate(0);
  ASSERT_TRUE(buffer.ok());
  EXPECT_EQ(buffer->bytes(), 0u);
  EXPECT_EQ(buffer->data(), nullptr);
}

TEST(AlignedBuffer, AnAbsurdSizeIsOutOfMemory) {
  for (const size_t bytes : {SIZE_MAX, SIZE_MAX - 63, SIZE_MAX / 2, size_t{1} << 60}) {
    const Result<AlignedBuffer> buffer = AlignedBuffer::allocate(bytes);
    ASSERT_FALSE(buffer.ok()) << bytes;
    EXPECT_EQ(buffer.status().kind(), ErrorKind::out_of_memory);
    EXPECT_NE(buffer.status().message().find(std::to_string(bytes)), std::string::npos);
  }
}

TEST(AlignedBuffer, MovingPassesOwnership) {
  AlignedBuffer first = std::move(AlignedBuffer::allocate(100)).value();
  const uint8_t* data = first.data();
  AlignedBuffer second(std::move(first));
  EXPECT_EQ(second.data(), data);
  AlignedBuffer third = std::move(AlignedBuffer::allocate(3 * kMiB)).value();
  third = std::move(second);
  EXPECT_EQ(third.data(), data);
  EXPECT_EQ(third.bytes(), 100u);
}

TEST(AlignedBuffer, TypedViewSharesTheBytes) {
  AlignedBuffer buffer = std::move(AlignedBuffer::allocate(8)).value();
  buffer.as<uint32_t>()[1] = 1;
  EXPECT_EQ(std::as_const(buffer).as<uint8_t>()[4], 1);
}

// Resident memory of this process, in bytes.
size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  size_t total_pages = 0;
  size_t resident_pages = 0;
  statm >> total_pages >> resident_pages;
  return resident_pages * 4096;
}

TEST(AlignedBuffer, UntouchedPagesCostNothingAndReleaseGivesThemBack) {
  if (testing::kSanitized) GTEST_SKIP() << "a sanitizer holds released memory back";
  const size_t before_bytes = resident_bytes();
  {
    AlignedBuffer buffer = std::move(AlignedBuffer::allocate(256 * kMiB)).value();
    EXPECT_LT(resident_bytes(), before_bytes + 16 * kMiB);
    std::memset(buffer.data(), 1, 64 * kMiB);
    EXPECT_GT(resident_bytes(), before_bytes + 48 * kMiB);
  }
  EXPECT_LT(resident_bytes(), before_bytes + 16 * kMiB);
}

}  // namespace
}  // namespace leoam
