#include "c_api/src/handle_table.h"

namespace leoam::c_api {

static_assert(sizeof(void*) == 8, "a handle needs 64 bits");
static_assert(std::atomic<uint64_t>::is_always_lock_free);

namespace {

constexpr uint64_t kOpen = uint64_t{1} << 31;
constexpr uint64_t kUseMask = 0xffffffff;
// Makes a handle an address that no user-space mapping has: reading through one faults at once.
constexpr uint64_t kMagic = 0xa7;

constinit HandleTable table;

}  // namespace

HandleTable& handle_table() {
  return table;
}

// Two copies of the library in one process lie at different addresses: a handle of one is stale in the other.
uint32_t HandleTable::salt() const {
  return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(this) >> 12) * 0x9e3779b1u;
}

HandleTable::Parts HandleTable::decode(const void* handle) const {
  const auto bits = reinterpret_cast<uintptr_t>(handle);
  return {static_cast<uint32_t>(bits >> 16) ^ salt(), static_cast<uint32_t>(bits & (kSlots - 1)),
          static_cast<HandleType>(bits >> 48 & 0xff), bits >> 56 == kMagic};
}

void* HandleTable::encode(uint32_t generation, uint32_t slot, HandleType type) const {
  const uint64_t bits = kMagic << 56 | static_cast<uint64_t>(type) << 48 |
                        static_cast<uint64_t>(generation ^ salt()) << 16 | slot;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): a handle is a number, nothing is behind it
  return reinterpret_cast<void*>(static_cast<uintptr_t>(bits));
}

void* HandleTable::open(std::shared_ptr<Object> object) {
  uint32_t index = 0;
  {
    const std::lock_guard lock(mutex_);
    if (first_free_ != kSlots) {
      index = first_free_;
      first_free_ = slots_[index].next_free;
    } else if (n_fresh_ < kSlots) {
      index = n_fresh_++;
    } else {
      return nullptr;
    }
  }
  Slot& slot = slots_[index];
  slot.type = object->type;
  slot.object = object.get();
  slot.object->self_ = std::move(object);
  const uint64_t generation = slot.word.load(std::memory_order_relaxed) >> 32;
  slot.word.store(generation << 32 | kOpen, std::memory_order_release);
  return encode(static_cast<uint32_t>(generation), index, slot.type);
}

Object* HandleTable::pin(const void* handle, HandleType type) {
  const Parts parts = decode(handle);
  if (!parts.ours || parts.type != type) return nullptr;
  Slot& slot = slots_[parts.slot];
  uint64_t word = slot.word.load(std::memory_order_acquire);
  do {
    if (word >> 32 != parts.generation || !(word & kOpen)) return nullptr;
  } while (
      !slot.word.compare_exchange_weak(word, word + 1, std::memory_order_acq_rel, std::memory_order_acquire));
  if (slot.type == type) return slot.object;
  unpin(handle);
  return nullptr;
}

void HandleTable::unpin(const void* handle) {
  const uint32_t index = decode(handle).slot;
  const uint64_t before = slots_[index].word.fetch_sub(1, std::memory_order_acq_rel);
  if (((before - 1) & kUseMask) == 0) reclaim(index);
}

bool HandleTable::close(const void* handle, HandleType type) {
  Object* object = pin(handle, type);
  if (!object) return false;
  Slot& slot = slots_[decode(handle).slot];
  const bool was_open = slot.word.fetch_and(~kOpen, std::memory_order_acq_rel) & kOpen;
  if (was_open) object->on_release();
  unpin(handle);
  return was_open;
}

// Runs once a generation: the word can reach "closed, no pins" only once, because nobody pins a closed slot.
void HandleTable::reclaim(uint32_t index) {
  Slot& slot = slots_[index];
  const std::shared_ptr<Object> last = std::move(slot.object->self_);
  slot.object = nullptr;
  const uint64_t generation = (slot.word.load(std::memory_order_relaxed) >> 32) + 1;
  slot.word.store(generation << 32, std::memory_order_release);
  const std::lock_guard lock(mutex_);
  slot.next_free = first_free_;
  first_free_ = index;
}

}  // namespace leoam::c_api
