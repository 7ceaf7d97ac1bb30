// listener.h: the one class that a language derives from to be called back.
#pragma once

#include <leoam/leoam.h>

#include <atomic>
#include <cstdint>

#include "buffers.h"

namespace leoam_shim {

// Logits of one position during a callback. What only tells them ignores write().
class Logits {
 public:
  Logits(uint64_t position, const float* values, float* writable, uint64_t count)
      : position_(position), values_(values), writable_(writable), count_(count) {}
  uint64_t position() const { return position_; }
  uint64_t count() const { return count_; }
  // Both copy as many values as the shorter side has.
  void read(FloatBuffer out) const;
  void write(Floats values);

 private:
  uint64_t position_;
  const float* values_;
  float* writable_;
  uint64_t count_;
};

// Room for a key during a callback.
class KeyRoom {
 public:
  KeyRoom(uint8_t* data, uint64_t size) : data_(data), size_(size) {}
  uint64_t size() const { return size_; }
  // False, and nothing is written, unless `key` has exactly this size.
  bool write(Key key);

 private:
  uint8_t* data_;
  uint64_t size_;
};

// Functions return LEOAM_CONTINUE or LEOAM_STOP and let no exception out. Those that were not asked for in
// `wants` are never called. Arguments are valid during the call.
//
// A listener belongs to the language until retire(): from then on the last callback that is still running
// deletes it, or retire() itself does. The language keeps its own half alive for as long.
class Listener {
 public:
  enum Wants : uint32_t {
    PROGRESS = 1,
    EVENTS = 2,
    SAMPLING = 4,
    LOGITS = 8,
    KEY = 16,
    FINDINGS = 32,
    LOG = 64,
  };

  explicit Listener(uint32_t wants) : wants_(wants) {}
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  virtual ~Listener() = default;

  virtual int32_t on_progress(uint64_t done, uint64_t total);
  virtual int32_t on_event(const leoam_event& event);
  virtual int32_t on_sampling(Logits& logits);
  virtual int32_t on_logits(Logits& logits);
  virtual int32_t on_key(KeyRoom& key);
  virtual int32_t on_finding(leoam_string text);
  virtual void on_log(int32_t level, leoam_string text);

  // No call that was given the listener may start a callback any more.
  void retire();

  // Whether the C function that leads here is to be set. Of the shim, as are enter() and leave().
  static bool wants(const Listener* listener, Wants what) {
    return listener != nullptr && (listener->wants_ & what) != 0;
  }
  void enter() { references_.fetch_add(1, std::memory_order_relaxed); }
  void leave() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  uint32_t wants_;
  std::atomic<uint32_t> references_{1};
};

// The C functions whose user_data is a Listener, or nullptr when it does not want them.
leoam_progress_function progress_of(const Listener* listener);
leoam_event_function events_of(const Listener* listener);
leoam_sampler_function sampling_of(const Listener* listener);
leoam_logits_function logits_of(const Listener* listener);
leoam_key_function key_of(const Listener* listener);
leoam_finding_function findings_of(const Listener* listener);
leoam_log_function log_of(const Listener* listener);

}  // namespace leoam_shim
