// A cpu device and a pool of pages for the tests of the KV room.
#pragma once

#include <gtest/gtest.h>

#include "runtime/device/cpu/cpu_device.h"
#include "runtime/kv/page_pool.h"

namespace leoam::testing {

class KvTest : public ::testing::Test {
 protected:
  KvTest()
      : threads_(std::move(ThreadPool::create(1)).value()),
        device_(create_cpu_device(*threads_, kernels::cpu_table(kernels::CpuLevel::scalar))) {}

  std::unique_ptr<ThreadPool> threads_;
  std::unique_ptr<Device> device_;
};

}  // namespace leoam::testing
