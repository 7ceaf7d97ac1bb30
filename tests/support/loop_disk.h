// Small file systems of a test's own, mounted where nobody else sees them.
#pragma once

#include <cstdint>
#include <string>

namespace leoam::testing {

// In a child of its own (run_in_child) and as superuser: what is mounted goes with it. Each returns "" or why
// it cannot be done here.
std::string mount_tmpfs(const std::string& folder, const std::string& options);
// ext4 over a loop device with sectors of that size; `image` is created.
std::string mount_loop(const std::string& folder, const std::string& image, uint64_t image_bytes,
                       uint32_t sector_bytes);

}  // namespace leoam::testing
