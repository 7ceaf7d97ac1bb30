// Statistics: plain numbers, copied out at any time from any thread; cheap enough for every frame.
#pragma once

#include <cstdint>

namespace leoam {

struct RequestStatistics {
  uint64_t prompt_tokens = 0;     // tokens of the prompt
  uint64_t prefilled_tokens = 0;  // of them, computed so far; those that another session had computed are not
  uint64_t generated_tokens = 0;
  uint64_t time_to_first_token_us = 0;  // from submission; 0 before it
  uint64_t prefill_us = 0;              // time inside prefill steps
  uint64_t decode_us = 0;               // time inside decode steps
  uint64_t kv_bytes_read = 0;           // KV bytes that attention read
  uint64_t weight_bytes_read = 0;       // weight bytes that the steps read (shared ones counted once a step)
};

// One layer of one step. Times are in us since the step began; what a layer needs may have been sent for
// before.
struct LayerTimes {
  uint64_t begin_us = 0;
  uint64_t end_us = 0;
  uint64_t computing_us = 0;  // without waiting_us, nor pauses of the step
  uint64_t waiting_us = 0;    // for pages from slower tiers
  uint64_t demand_bytes = 0;  // of pages that were sent for when they were needed
  uint64_t ahead_bytes = 0;   // of those before
  int64_t sent_us = 0;        // the first of these was sent for; both 0: there were none
  int64_t arrived_us = 0;     // the last was there
};

struct EngineStatistics {
  uint64_t host_kv_budget_bytes = 0;
  uint64_t host_kv_bytes = 0;           // everything that KV causes now
  uint64_t host_kv_peak_bytes = 0;      // at most so far
  uint64_t device_kv_budget_bytes = 0;  // of a device with memory of its own
  uint64_t device_kv_bytes = 0;
  uint64_t device_kv_peak_bytes = 0;
  uint64_t raised_bytes = 0;   // copied from RAM to the device
  uint64_t lowered_bytes = 0;  // and back
  uint64_t disk_kv_budget_bytes = 0;
  uint64_t disk_kv_bytes = 0;         // of scratch and open session files
  uint64_t disk_written_bytes = 0;    // since the engine began
  uint64_t disk_write_cap_bytes = 0;  // UINT64_MAX: none
  uint64_t disk_read_bytes = 0;
  uint64_t disk_read_requests = 0;
  uint64_t kv_read_bytes = 0;      // of disk_read_bytes
  uint64_t record_read_bytes = 0;  // likewise, of abstracts
  uint64_t code_read_bytes = 0;    // likewise
  uint64_t stall_us = 0;           // passes waited for the disk that long
  uint64_t reading_us = 0;         // something was on its way from it that long
  uint64_t pages_hit = 0;          // asked for and where passes compute
  uint64_t pages_missed = 0;       // brought in when asked for
  uint64_t pages_ahead = 0;        // brought in before
  uint64_t pages_damaged = 0;      // had no whole copy
  uint64_t shared_tokens = 0;      // of prompts, whose KV another session had computed
  uint64_t recomputed_tokens = 0;  // to replace damaged pages
  uint64_t weight_bytes = 0;       // of all loaded models
  uint64_t workspace_bytes = 0;
  uint64_t steps = 0;
};

}  // namespace leoam
