#include <poll.h>

#include <algorithm>
#include <vector>

#include "library.h"
#include "shim.h"

namespace leoam_shim {

leoam_request* session_submit(leoam_session* session, leoam_request_options& options,
                              const leoam_sampler_options& sampler, Tokens prompt, leoam_string stop,
                              Tokens stop_sizes, Listener* listener, leoam_error& error) {
  return guarded(error, [&]() -> leoam_request* {
    std::vector<leoam_string> texts;
    if (!split(stop, stop_sizes, [&](leoam_string text) { texts.push_back(text); })) {
      fail(error, LEOAM_ERROR_INVALID_ARGUMENT, "the sizes are not those of the texts");
      return nullptr;
    }
    options.prompt = prompt.data;
    options.n_prompt = prompt.size;
    options.sampler = &sampler;
    options.stop = texts.data();
    options.n_stop = texts.size();
    options.on_event = events_of(listener);
    options.on_logits = sampling_of(listener);
    options.user_data = listener;
    leoam_request* request = nullptr;
    library->session_submit(session, &options, &request, &error);
    return request;
  });
}

void request_poll(leoam_request* request, leoam_event& event, leoam_error& error) {
  library->request_poll(request, &event, &error);
}

bool request_await_event(leoam_request* request, uint64_t timeout_us, leoam_error& error) {
  int32_t fd = -1;
  if (library->request_get_event_fd(request, &fd, &error) != LEOAM_OK) return false;
  // Rounded up: a wait that ends early would be a loop that does not sleep.
  const uint64_t milliseconds = std::min<uint64_t>(timeout_us / 1000 + (timeout_us % 1000 != 0), 1'000'000);
  pollfd waiting{fd, POLLIN, 0};
  return ::poll(&waiting, 1, static_cast<int>(milliseconds)) > 0;
}

bool request_step(leoam_request* request, uint64_t budget_us, leoam_error& error) {
  int32_t finished = 0;
  library->request_step(request, budget_us, &finished, &error);
  return finished != 0;
}

void request_cancel(leoam_request* request) {
  library->request_cancel(request);
}

void request_wait(leoam_request* request, uint64_t timeout_us, leoam_error& error) {
  library->request_wait(request, timeout_us, &error);
}

void request_detach(leoam_request* request, leoam_error& error) {
  library->request_detach(request, &error);
}

leoam_finish_reason request_get_result(leoam_request* request, leoam_error& error) {
  leoam_finish_reason reason = LEOAM_FINISH_NONE;
  library->request_get_result(request, &reason, &error);
  return reason;
}

void request_get_statistics(leoam_request* request, leoam_request_statistics& statistics,
                            leoam_error& error) {
  library->request_get_statistics(request, &statistics, &error);
}

void request_release(leoam_request* request) {
  library->request_release(request);
}

}  // namespace leoam_shim
