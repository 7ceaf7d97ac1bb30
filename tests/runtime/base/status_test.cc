#include "runtime/base/status.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <type_traits>

namespace leoam {
namespace {

Status fail_if(bool fail) {
  if (fail) return error(ErrorKind::io, "read of {} bytes failed", 7);
  return {};
}

Status returns_early(bool fail, bool* reached) {
  LEOAM_RETURN_IF_ERROR(fail_if(fail));
  *reached = true;
  return {};
}

Result<std::unique_ptr<int>> make_number(int number) {
  if (number < 0) return error(ErrorKind::invalid_argument, "number: expected 0 or more, found {}", number);
  return std::make_unique<int>(number);
}

Result<int> sum_of(int a, int b) {
  LEOAM_ASSIGN_OR_RETURN(const std::unique_ptr<int> first, make_number(a));
  LEOAM_ASSIGN_OR_RETURN(const std::unique_ptr<int> second, make_number(b));
  return *first + *second;
}

TEST(Status, SuccessHoldsNothing) {
  const Status status;
  EXPECT_TRUE(status.ok());
  EXPECT_TRUE(static_cast<bool>(status));
  EXPECT_EQ(status.kind(), ErrorKind::ok);
  EXPECT_TRUE(status.message().empty());
  EXPECT_EQ(status.needed_bytes(), 0u);
  static_assert(sizeof(Status) == sizeof(void*));
  static_assert(!std::is_copy_constructible_v<Status>);
}

TEST(Status, ErrorFormatsItsMessage) {
  const Status status = error(ErrorKind::corrupt, "tensor {}: offset {}", "a.weight", 12);
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(status.kind(), ErrorKind::corrupt);
  EXPECT_EQ(status.message(), "tensor a.weight: offset 12");
}

TEST(Status, NoSpaceCarriesBytes) {
  const Status status = Status::no_space("KV pool", 4096, 512);
  EXPECT_EQ(status.kind(), ErrorKind::no_space);
  EXPECT_EQ(status.needed_bytes(), 4096u);
  EXPECT_EQ(status.available_bytes(), 512u);
}

TEST(Status, ContextComesBeforeTheMessageAndKeepsTheRest) {
  const Status status = Status::no_space("pages", 10, 3).with_context("session 1").with_context("load");
  EXPECT_EQ(status.message(), "load: session 1: pages");
  EXPECT_EQ(status.kind(), ErrorKind::no_space);
  EXPECT_EQ(status.needed_bytes(), 10u);
  EXPECT_TRUE(Status().with_context("nothing").ok());
}

TEST(Status, CloneIsIndependent) {
  Status original = error(ErrorKind::busy, "taken");
  const Status copy = original.clone();
  original = std::move(original).with_context("file");
  EXPECT_EQ(copy.message(), "taken");
  EXPECT_EQ(original.message(), "file: taken");
  EXPECT_TRUE(Status().clone().ok());
}

TEST(Status, ReturnIfErrorLeavesTheFunction) {
  bool reached = false;
  EXPECT_EQ(returns_early(true, &reached).message(), "read of 7 bytes failed");
  EXPECT_FALSE(reached);
  EXPECT_TRUE(returns_early(false, &reached).ok());
  EXPECT_TRUE(reached);
}

TEST(Status, EveryKindHasItsOwnName) {
  std::set<std::string> names;
  for (int kind = 0; kind <= static_cast<int>(ErrorKind::internal); ++kind)
    names.insert(error_kind_name(static_cast<ErrorKind>(kind)));
  EXPECT_EQ(names.size(), static_cast<size_t>(ErrorKind::internal) + 1);
  EXPECT_EQ(names.count("unknown"), 0u);
  EXPECT_STREQ(error_kind_name(static_cast<ErrorKind>(999)), "unknown");
}

TEST(Result, HoldsAValueOrAFailure) {
  Result<std::unique_ptr<int>> value = make_number(3);
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(**value, 3);
  EXPECT_EQ(*std::move(value).value(), 3);
  const Result<std::unique_ptr<int>> failure = make_number(-1);
  EXPECT_FALSE(failure.ok());
  EXPECT_EQ(failure.status().kind(), ErrorKind::invalid_argument);
}

TEST(Result, AssignOrReturnMovesValuesAndForwardsFailures) {
  const Result<int> sum = sum_of(2, 5);
  ASSERT_TRUE(sum.ok());
  EXPECT_EQ(*sum, 7);
  EXPECT_EQ(sum_of(2, -5).status().message(), "number: expected 0 or more, found -5");
}

}  // namespace
}  // namespace leoam
