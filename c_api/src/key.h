// The key of a session file as the caller gives it.
#pragma once

#include <optional>

#include "c_api/src/callback_list.h"
#include "c_api/src/guard.h"
#include "runtime/store/key.h"

namespace leoam::c_api {

// The fields that leoam_save_options and leoam_session_file_options share.
struct KeySource {
  const uint8_t* key;
  uint64_t key_size;
  leoam_key_function on_key;
  void* user_data;
};

template <class Options>
KeySource key_source(const Options& c) {
  return {c.key, c.key_size, c.on_key, c.user_data};
}

// Whether there is a key to be had. Fails with invalid_argument for a half one and for two.
Result<bool> has_key(const KeySource& source);

// The key, asked for once; empty when there is none. Fails as has_key, and with cancelled, out_of_memory.
Result<std::optional<SecretKey>> read_key(const KeySource& source, CallbackList& list);

}  // namespace leoam::c_api
