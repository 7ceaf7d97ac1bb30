// Every back end of the file seam, for tests that all of them must pass.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/io/file_system.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/temp_folder.h"

namespace leoam {

// Memory as transfers need it, filled with bytes that depend on `seed` and the place.
class Blocks {
 public:
  explicit Blocks(size_t n, uint32_t seed = 0)
      : bytes_(n * kIoBlock_bytes), data_(static_cast<uint8_t*>(std::aligned_alloc(kIoBlock_bytes, bytes_))) {
    uint32_t state = seed * 2654435761u + 1;
    for (size_t i = 0; i < bytes_; ++i) {
      state = state * 1664525u + 1013904223u;
      data_.get()[i] = seed == 0 ? 0 : static_cast<uint8_t>(state >> 24);
    }
  }
  uint8_t* data() const { return data_.get(); }
  size_t bytes() const { return bytes_; }
  std::span<uint8_t> span() const { return {data(), bytes_}; }
  std::span<uint8_t> span(size_t first_block, size_t n) const {
    return {data() + first_block * kIoBlock_bytes, n * kIoBlock_bytes};
  }
  bool operator==(const Blocks& other) const {
    return bytes_ == other.bytes_ && std::memcmp(data(), other.data(), bytes_) == 0;
  }

 private:
  struct Free {
    void operator()(uint8_t* data) const { std::free(data); }
  };
  size_t bytes_;
  std::unique_ptr<uint8_t, Free> data_;
};

struct BackEnd {
  const char* name;
  FileSystemOptions options;
  bool simulated = false;
};

inline std::vector<BackEnd> all_back_ends() {
  return {{"UringDirect", {true, true, true}},    {"UringBuffered", {true, false, true}},
          {"ThreadsDirect", {false, true, true}}, {"ThreadsBuffered", {false, false, true}},
          {"NoUnnamed", {true, true, false}},     {"SimulatedDisk", {}, true}};
}

inline std::string back_end_name(const ::testing::TestParamInfo<BackEnd>& info) {
  return info.param.name;
}

class BackEndTest : public ::testing::TestWithParam<BackEnd> {
 protected:
  void SetUp() override {
    if (GetParam().simulated) {
      files_ = std::make_unique<testing::SimulatedDisk>();
      folder_ = "/sessions";
      ASSERT_TRUE(files_->make_private_folder(folder_).ok());
      return;
    }
    files_ = create_file_system(GetParam().options);
    real_folder_.emplace();
    folder_ = real_folder_->path();
  }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::unique_ptr<WritableFile> create(const std::string& name) { return opened(name, OpenMode::create); }
  std::unique_ptr<WritableFile> opened(const std::string& name, OpenMode mode) {
    auto file = files_->open(path(name), mode);
    EXPECT_TRUE(file.ok()) << file.status().message();
    return file.ok() ? std::move(*file) : nullptr;
  }
  std::unique_ptr<WritableFile> unnamed() {
    auto file = files_->create_unnamed(folder_);
    EXPECT_TRUE(file.ok()) << file.status().message();
    return file.ok() ? std::move(*file) : nullptr;
  }

  std::optional<testing::TempFolder> real_folder_;
  std::unique_ptr<FileSystem> files_;
  std::string folder_;
};

}  // namespace leoam

#define EXPECT_OK(expression)                                         \
  do {                                                                \
    const ::leoam::Status expect_ok_status = (expression);            \
    EXPECT_TRUE(expect_ok_status.ok()) << expect_ok_status.message(); \
  } while (false)
#define EXPECT_KIND(expression, expected)                                \
  do {                                                                   \
    const ::leoam::Status expect_kind_status = (expression);             \
    EXPECT_STREQ(::leoam::error_kind_name(expect_kind_status.kind()),    \
                 ::leoam::error_kind_name(::leoam::ErrorKind::expected)) \
        << expect_kind_status.message();                                 \
  } while (false)
