// What the tests of all kernels share: a run for every CPU level of this machine, and buffers that end where
// their values end, so that a sanitizer sees any access behind them.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <new>
#include <random>
#include <string>

#include "kernels/cpu_table.h"

namespace leoam::kernels {

// Half of the distance between 1 and the next float: the relative error of one rounding.
constexpr double kEpsilon = 0x1p-24;

template <class T>
class ExactBuffer {
 public:
  explicit ExactBuffer(size_t n) : n_(n), data_(static_cast<T*>(::operator new(n * sizeof(T), kAlign))) {
    std::memset(static_cast<void*>(data_), 0xff, n * sizeof(T));
  }
  ExactBuffer(std::initializer_list<T> values) : ExactBuffer(values.size()) {
    size_t i = 0;
    for (const T& value : values) data_[i++] = value;
  }
  ~ExactBuffer() { ::operator delete(data_, kAlign); }
  ExactBuffer(const ExactBuffer&) = delete;
  ExactBuffer& operator=(const ExactBuffer&) = delete;

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return n_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }

 private:
  static constexpr std::align_val_t kAlign{64};
  size_t n_;
  T* data_;
};

class KernelTest : public testing::TestWithParam<CpuLevel> {
 protected:
  void SetUp() override {
    if (GetParam() > best_cpu_level()) GTEST_SKIP() << "this CPU has no " << cpu_level_name(GetParam());
  }
  const CpuTable& table() const { return cpu_table(GetParam()); }

  float uniform(float low, float high) { return std::uniform_real_distribution<float>(low, high)(random_); }
  void fill(ExactBuffer<float>& buffer, float low, float high) {
    for (size_t i = 0; i < buffer.size(); ++i) buffer[i] = uniform(low, high);
  }

  std::mt19937 random_{12345};
};

inline std::string level_of(const testing::TestParamInfo<CpuLevel>& info) {
  return cpu_level_name(info.param);
}

#define LEOAM_KERNEL_SUITE(Suite)         \
  INSTANTIATE_TEST_SUITE_P(Levels, Suite, \
                           testing::Values(CpuLevel::scalar, CpuLevel::avx2, CpuLevel::avx512), level_of)

}  // namespace leoam::kernels
