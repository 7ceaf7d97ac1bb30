// SecretHeap: memory for key material that a library allocates by itself: locked where the system lets us,
// left out of core dumps, wiped when freed.
#pragma once

#include <cstddef>

namespace leoam {

// Blocks of memory that is never given back to the system before release_all(). Thread rule: all calls are
// thread-safe; none throws.
class SecretHeap {
 public:
  // Null when the system refuses memory. Aligned to 16 bytes.
  static void* allocate(size_t bytes);
  static void* reallocate(void* data, size_t bytes);
  static void free(void* data);
  // Nothing that was allocated may be used any more.
  static void release_all();
};

}  // namespace leoam
