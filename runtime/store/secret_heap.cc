#include "runtime/store/secret_heap.h"

#include <openssl/crypto.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <new>

namespace leoam {

namespace {

constexpr size_t kChunk_bytes = size_t{256} << 10;
constexpr size_t kLeastBlock_bytes = 32;
constexpr size_t kMostBlock_bytes = size_t{64} << 10;
constexpr size_t kClasses = 12;  // 32 bytes to 64 KiB

// Before each block. A free block's first bytes are the next free one.
struct Head {
  size_t bytes;  // of the block without this head, a power of two; or of a mapping of its own with it
  size_t is_mapping;
};
static_assert(sizeof(Head) == 16);

// Before the blocks of each chunk, which are linked.
struct Chunk {
  Chunk* next;
  size_t unused;
};

// Trivial, so that it needs no constructor and no destructor, and works before and after those of others.
struct Heap {
  std::mutex mutex;
  std::array<void*, kClasses> free_blocks;
  Chunk* chunks;
  uint8_t* next;
  uint8_t* end;
};
constinit Heap heap = {};

void* map_secret(size_t bytes) {
  void* mapping = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return nullptr;
  (void)mlock(mapping, bytes);
  (void)madvise(mapping, bytes, MADV_DONTDUMP);
  return mapping;
}

size_t class_of(size_t block_bytes) {
  return static_cast<size_t>(std::countr_zero(block_bytes) - std::countr_zero(kLeastBlock_bytes));
}

Head* head_of(void* data) {
  return static_cast<Head*>(data) - 1;
}

size_t capacity(void* data) {
  const Head* head = head_of(data);
  return head->is_mapping ? head->bytes - sizeof(Head) : head->bytes;
}

void* allocate_mapping(size_t bytes) {
  void* mapping = map_secret(bytes + sizeof(Head));
  if (!mapping) return nullptr;
  return new (mapping) Head{bytes + sizeof(Head), 1} + 1;
}

// The caller holds the lock.
void* cut_block(size_t block_bytes) {
  const size_t bytes = sizeof(Head) + block_bytes;
  if (static_cast<size_t>(heap.end - heap.next) < bytes) {
    auto* chunk = static_cast<Chunk*>(map_secret(kChunk_bytes));
    if (!chunk) return nullptr;
    chunk->next = heap.chunks;
    heap.chunks = chunk;
    heap.next = reinterpret_cast<uint8_t*>(chunk + 1);
    heap.end = reinterpret_cast<uint8_t*>(chunk) + kChunk_bytes;
  }
  Head* head = new (heap.next) Head{block_bytes, 0};
  heap.next += bytes;
  return head + 1;
}

}  // namespace

void* SecretHeap::allocate(size_t bytes) {
  if (bytes > SIZE_MAX / 2) return nullptr;
  if (bytes > kMostBlock_bytes) return allocate_mapping(bytes);
  const size_t block_bytes = std::bit_ceil(std::max(bytes, kLeastBlock_bytes));
  const std::lock_guard lock(heap.mutex);
  void*& first = heap.free_blocks[class_of(block_bytes)];
  if (!first) return cut_block(block_bytes);
  void* data = first;
  std::memcpy(&first, data, sizeof first);
  return data;
}

void* SecretHeap::reallocate(void* data, size_t bytes) {
  if (!data) return allocate(bytes);
  if (bytes <= capacity(data)) return data;
  void* moved = allocate(bytes);
  if (!moved) return nullptr;
  std::memcpy(moved, data, capacity(data));
  free(data);
  return moved;
}

void SecretHeap::free(void* data) {
  if (!data) return;
  Head* head = head_of(data);
  if (head->is_mapping) {
    const size_t bytes = head->bytes;
    OPENSSL_cleanse(head, bytes);
    (void)munmap(head, bytes);
    return;
  }
  OPENSSL_cleanse(data, head->bytes);
  const std::lock_guard lock(heap.mutex);
  void*& first = heap.free_blocks[class_of(head->bytes)];
  std::memcpy(data, &first, sizeof first);
  first = data;
}

void SecretHeap::release_all() {
  const std::lock_guard lock(heap.mutex);
  while (Chunk* chunk = heap.chunks) {
    heap.chunks = chunk->next;
    OPENSSL_cleanse(chunk, kChunk_bytes);
    (void)munmap(chunk, kChunk_bytes);
  }
  heap.free_blocks = {};
  heap.next = heap.end = nullptr;
}

}  // namespace leoam
