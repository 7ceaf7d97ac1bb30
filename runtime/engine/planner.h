// Planner: what a model and a context will need, before anything is loaded.
#pragma once

#include <cstdint>

#include "kernels/kv_layout.h"
#include "runtime/model/model.h"

namespace leoam {

struct PlanRequest {
  uint64_t context_tokens = 0;  // 0: the model's own
  kernels::KvType kv_type = kernels::KvType::f16;
  uint32_t page_tokens = 32;
  uint64_t host_kv_budget_bytes = 0;  // 0: not bounded
};

struct Plan {
  uint64_t context_tokens = 0;
  uint64_t weight_bytes = 0;    // in memory
  uint64_t kv_token_bytes = 0;  // a token, all layers (sliding layers only while their window is not full)
  uint64_t kv_bytes = 0;        // at context_tokens, whole pages
  uint64_t workspace_bytes = 0;
  uint64_t total_bytes = 0;
  uint64_t fitting_tokens = 0;  // how long a context the KV budget holds
  bool fits = false;            // kv_bytes <= budget
};

Plan make_plan(const ModelHeader& header, const PlanRequest& request);

}  // namespace leoam
