// Statistics: plain numbers, copied out at any time from any thread; cheap enough for every frame.
#pragma once

#include <cstdint>

namespace leoam {

struct RequestStatistics {
  uint64_t prompt_tokens = 0;     // tokens of the prompt
  uint64_t prefilled_tokens = 0;  // of them, computed so far
  uint64_t generated_tokens = 0;
  uint64_t time_to_first_token_us = 0;  // from submission; 0 before it
  uint64_t prefill_us = 0;              // time inside prefill steps
  uint64_t decode_us = 0;               // time inside decode steps
  uint64_t kv_bytes_read = 0;           // KV bytes that attention read
  uint64_t weight_bytes_read = 0;       // weight bytes that the steps read (shared ones counted once a step)
};

struct EngineStatistics {
  uint64_t host_kv_budget_bytes = 0;
  uint64_t host_kv_bytes = 0;       // in pages now
  uint64_t host_kv_peak_bytes = 0;  // at most so far
  uint64_t weight_bytes = 0;        // of all loaded models
  uint64_t workspace_bytes = 0;
  uint64_t steps = 0;
};

}  // namespace leoam
