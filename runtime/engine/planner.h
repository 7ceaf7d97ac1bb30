// Planner: what a model and a context will need and how fast they will be, before anything is loaded.
#pragma once

#include <cstdint>

#include "kernels/kv_layout.h"
#include "runtime/engine/calibration.h"
#include "runtime/model/model.h"

namespace leoam {

struct PlanRequest {
  uint64_t context_tokens = 0;  // 0: the model's own
  kernels::KvType kv_type = kernels::KvType::f16;
  bool choose_kv_type = false;  // plan_kv_type in place of kv_type
  uint32_t page_tokens = 32;
  uint64_t host_kv_budget_bytes = 0;  // 0: not bounded
  uint64_t disk_kv_budget_bytes = 0;  // 0: no disk tier
  uint32_t piece_tokens = 0;          // of prefill; 0: plan_piece_tokens
  bool saved = false;                 // in a session file at the end
};

// Of one session that has an engine for itself. Bytes beyond 2^64 are UINT64_MAX.
struct Plan {
  uint64_t context_tokens = 0;
  kernels::KvType kv_type = kernels::KvType::f16;
  uint64_t weight_bytes = 0;    // in memory
  uint64_t kv_token_bytes = 0;  // a token, all layers (sliding layers only while their window is not full)
  uint64_t kv_bytes = 0;        // at context_tokens, whole pages
  uint64_t workspace_bytes = 0;
  uint64_t total_bytes = 0;     // weights, workspace and KV in RAM
  uint64_t fitting_tokens = 0;  // the longest context of which all KV stays in RAM
  bool fits = false;            // so does context_tokens'

  bool fits_with_disk = false;            // RAM and disk together hold the context
  uint64_t fitting_with_disk_tokens = 0;  // the longest of which they do
  // All that KV causes: pages, tables, staging; the most during the prefill.
  uint64_t host_kv_bytes = 0;
  uint64_t disk_kv_bytes = 0;       // files, with the room they grow by; at most the budget
  uint64_t session_file_bytes = 0;  // of disk_kv_bytes
  uint64_t disk_written_bytes = 0;  // at most, by the time the context is filled (and saved)
  uint64_t token_read_bytes = 0;    // from disk for the next token
  uint32_t piece_tokens = 0;        // of prefill

  // 0 without rates. Prefill: from the first token to the last, in pieces.
  double prefill_tokens_per_second = 0;
  double decode_tokens_per_second = 0;  // at context_tokens
  double reopen_s = 0;                  // a saved session, until the first pass can start
};

// Tokens of a prefill piece when nobody asks for a number. 256, unless the context does not fit RAM: then the
// smallest of 256, 512, 1024 and 2048 whose last piece computes at least as long as it reads older pages,
// else the one of them with the fastest prefill. `rates` null: 256.
uint32_t plan_piece_tokens(const ModelHeader& header, const PlanRequest& request, const Rates* rates);

// What KV is kept as when nobody says it: f16 or int8. The one with which a token at the end of the context
// is expected first, of two within 3 % f16; without `rates`, f16 where all of its KV stays in RAM.
kernels::KvType plan_kv_type(const ModelHeader& header, const PlanRequest& request, const Rates* rates);

// `rates` may be null. Contexts are at most INT32_MAX tokens: what is beyond fits nowhere.
Plan make_plan(const ModelHeader& header, const PlanRequest& request, const Rates* rates);

}  // namespace leoam
