// The cpu device: every operation runs on the instance's thread pool with the kernels of one CPU level.
#pragma once

#include <memory>

#include "kernels/cpu_table.h"
#include "runtime/base/thread_pool.h"
#include "runtime/device/device.h"

namespace leoam {

// `pool` must outlive the device.
std::unique_ptr<Device> create_cpu_device(ThreadPool& pool, const kernels::CpuTable& kernels);

}  // namespace leoam
