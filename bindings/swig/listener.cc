#include "listener.h"

#include <algorithm>
#include <cstring>

namespace leoam_shim {
namespace {

// A callback that is running keeps its listener, which may be retired inside it.
class Entered {
 public:
  explicit Entered(void* user_data) : listener_(static_cast<Listener*>(user_data)) { listener_->enter(); }
  Entered(const Entered&) = delete;
  Entered& operator=(const Entered&) = delete;
  ~Entered() { listener_->leave(); }
  Listener* operator->() const { return listener_; }

 private:
  Listener* listener_;
};

int32_t on_progress(uint64_t done, uint64_t total, void* user_data) {
  return Entered(user_data)->on_progress(done, total);
}

int32_t on_event(const leoam_event* event, void* user_data) {
  return Entered(user_data)->on_event(*event);
}

int32_t on_sampling(float* values, uint64_t n_vocab, void* user_data) {
  Logits logits(0, values, values, n_vocab);
  return Entered(user_data)->on_sampling(logits);
}

int32_t on_logits(uint64_t position, const float* values, uint64_t n_vocab, void* user_data) {
  Logits logits(position, values, nullptr, n_vocab);
  return Entered(user_data)->on_logits(logits);
}

int32_t on_key(uint8_t* key, uint64_t size, void* user_data) {
  KeyRoom room(key, size);
  return Entered(user_data)->on_key(room);
}

int32_t on_finding(const char* text, uint64_t text_size, void* user_data) {
  return Entered(user_data)->on_finding({text, text_size});
}

void on_log(leoam_log_level level, const char* text, uint64_t text_size, void* user_data) {
  Entered(user_data)->on_log(level, {text, text_size});
}

}  // namespace

void Logits::read(FloatBuffer out) const {
  const uint64_t count = std::min(count_, out.size);
  if (count > 0) std::memcpy(out.data, values_, count * sizeof(float));
}

void Logits::write(Floats values) {
  const uint64_t count = std::min(count_, values.size);
  if (writable_ != nullptr && count > 0) std::memcpy(writable_, values.data, count * sizeof(float));
}

bool KeyRoom::write(Key key) {
  if (key.size != size_ || key.data == nullptr) return false;
  std::memcpy(data_, key.data, key.size);
  return true;
}

int32_t Listener::on_progress(uint64_t /*done*/, uint64_t /*total*/) {
  return LEOAM_CONTINUE;
}
int32_t Listener::on_event(const leoam_event& /*event*/) {
  return LEOAM_CONTINUE;
}
int32_t Listener::on_sampling(Logits& /*logits*/) {
  return LEOAM_CONTINUE;
}
int32_t Listener::on_logits(Logits& /*logits*/) {
  return LEOAM_CONTINUE;
}
int32_t Listener::on_key(KeyRoom& /*key*/) {
  return LEOAM_STOP;
}
int32_t Listener::on_finding(leoam_string /*text*/) {
  return LEOAM_CONTINUE;
}
void Listener::on_log(int32_t /*level*/, leoam_string /*text*/) {}

void Listener::retire() {
  leave();
}

leoam_progress_function progress_of(const Listener* listener) {
  return Listener::wants(listener, Listener::PROGRESS) ? on_progress : nullptr;
}
leoam_event_function events_of(const Listener* listener) {
  return Listener::wants(listener, Listener::EVENTS) ? on_event : nullptr;
}
leoam_sampler_function sampling_of(const Listener* listener) {
  return Listener::wants(listener, Listener::SAMPLING) ? on_sampling : nullptr;
}
leoam_logits_function logits_of(const Listener* listener) {
  return Listener::wants(listener, Listener::LOGITS) ? on_logits : nullptr;
}
leoam_key_function key_of(const Listener* listener) {
  return Listener::wants(listener, Listener::KEY) ? on_key : nullptr;
}
leoam_finding_function findings_of(const Listener* listener) {
  return Listener::wants(listener, Listener::FINDINGS) ? on_finding : nullptr;
}
leoam_log_function log_of(const Listener* listener) {
  return Listener::wants(listener, Listener::LOG) ? on_log : nullptr;
}

}  // namespace leoam_shim
