// HandleTable: what stands behind the handles of the C interface. A handle is not an address: it holds a type
// tag, a slot and the slot's generation, so that stale, wrong-typed and foreign values are told apart from
// live ones.
//
// A call pins the object of its handle for its duration, so a release that comes meanwhile takes effect when
// the last call leaves. Pinning is lock-free and async-signal-safe. The table is the only state of the
// process that the library has; it is constant-initialised and needs no destructor, so loading and unloading
// do no work.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

namespace leoam::c_api {

enum class HandleType : uint8_t { instance = 1, cancel_flag = 2, model = 3, session = 4, request = 5 };

// What a handle refers to. Children hold their parents by shared_ptr, so parents outlive them.
class Object : public std::enable_shared_from_this<Object> {
 public:
  explicit Object(HandleType handle_type) : type(handle_type) {}
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object() = default;
  // The handle is dead, calls that were inside may still run: makes them end soon.
  virtual void on_release() {}

  const HandleType type;

 private:
  friend class HandleTable;
  std::shared_ptr<Object> self_;  // while the handle is open or pinned
};

class HandleTable {
 public:
  static constexpr uint32_t kSlots = 1u << 16;

  // nullptr when all slots are taken.
  void* open(std::shared_ptr<Object> object);

  // The object, pinned until `unpin` of the same handle; nullptr for anything but an open handle of this
  // type.
  Object* pin(const void* handle, HandleType type);
  void unpin(const void* handle);

  // Ends the handle: it is invalid from now on, and its object goes when the last pin does. False as for pin.
  bool close(const void* handle, HandleType type);

 private:
  struct Slot {
    // generation << 32 | open bit | number of pins
    std::atomic<uint64_t> word{0};
    Object* object = nullptr;
    uint32_t next_free = 0;
    HandleType type{};
  };
  struct Parts {
    uint32_t generation;
    uint32_t slot;
    HandleType type;
    bool ours;
  };
  Parts decode(const void* handle) const;
  void* encode(uint32_t generation, uint32_t slot, HandleType type) const;
  uint32_t salt() const;
  void reclaim(uint32_t slot);

  std::mutex mutex_;  // of the free list
  uint32_t first_free_ = kSlots;
  uint32_t n_fresh_ = 0;
  Slot slots_[kSlots];
};

HandleTable& handle_table();

// A pinned object of class T (whose kType is its tag); empty when the handle is not valid.
template <class T>
class Pinned {
 public:
  explicit Pinned(const void* handle)
      : handle_(handle), object_(static_cast<T*>(handle_table().pin(handle, T::kType))) {}
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  ~Pinned() {
    if (object_) handle_table().unpin(handle_);
  }
  explicit operator bool() const { return object_ != nullptr; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  T* get() const { return object_; }
  std::shared_ptr<T> share() const { return std::static_pointer_cast<T>(object_->shared_from_this()); }

 private:
  const void* handle_;
  T* object_;
};

}  // namespace leoam::c_api
