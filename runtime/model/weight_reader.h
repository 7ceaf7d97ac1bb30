// WeightReader: brings planned tensors from a file to where they go, in parallel, through bounded staging
// memory.
#pragma once

#include <mutex>
#include <span>

#include "runtime/base/aligned_buffer.h"
#include "runtime/base/cancel.h"
#include "runtime/base/thread_pool.h"
#include "runtime/io/file.h"
#include "runtime/model/model.h"

namespace leoam {

// One tensor's way: from `offset_bytes` of the file into a matrix, or into a vector of its final size.
struct WeightTransfer {
  const char* name = "";  // for messages
  uint64_t offset_bytes = 0;
  kernels::WeightType type = kernels::WeightType::f32;
  uint32_t n_rows = 1;
  uint64_t row_bytes = 0;
  DeviceMatrix* matrix = nullptr;
  std::vector<float>* vector = nullptr;
};

// Two 64-bit sums of the rows' hashes.
struct WeightDigest {
  uint64_t low = 0;
  uint64_t high = 0;
};

// Fails with io, corrupt (a vector with a value that is not finite; the file shrank), cancelled,
// out_of_memory, or as Device::pack_rows. Destinations are void after a failure. Staging is at most 256
// KiB a thread, or one row granule of the widest matrix where that is more. `digest` gets a sum over all rows
// and their places that does not depend on how they were read.
Status read_weights(const File& file, std::span<const WeightTransfer> transfers, Device& device,
                    ThreadPool& pool, const LoadProgress& progress, const CancelFlag* cancel,
                    WeightDigest* digest);

}  // namespace leoam
