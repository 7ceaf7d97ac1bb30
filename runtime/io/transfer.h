// What every back end does with a transfer.
#pragma once

#include <cstdint>

#include "runtime/io/io_queue.h"

namespace leoam {

// Fails with invalid_argument unless everything is a multiple of kIoBlock_bytes.
Status check_transfer(uint64_t offset_bytes, const void* data, uint64_t bytes);

// Carries a request out on the calling thread; its outcome is the request's status.
Status transfer(const IoRequest& request);

}  // namespace leoam
