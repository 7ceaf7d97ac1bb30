// Planner: what a model and a context will need and how fast they will be, before anything is loaded.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/page_codec/page_codec_layout.h"
#include "runtime/engine/calibration.h"
#include "runtime/model/model.h"

namespace leoam {

// Divergence (KL) from plain pages of what is drawn with a codec, in the order of PageCodec: of SmolLM2 135M,
// at most (tests/bench/results/kv_types.md).
inline constexpr std::array<double, kernels::kPageCodecs> kCodecDivergence = {0, 2e-5, 4e-4, 4e-3};
// A tenth of what activations of 8 bits cost.
inline constexpr double kMostKvDivergence = 5e-4;

struct PlanRequest {
  uint64_t context_tokens = 0;  // 0: the model's own
  kernels::KvType kv_type = kernels::KvType::f16;
  kernels::PageCodec page_codec = kernels::PageCodec::plain;
  bool choose_kv_type = false;                    // f16 and plan_page_codec in place of these
  double most_kv_divergence = kMostKvDivergence;  // of codecs that may be chosen
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
  kernels::PageCodec page_codec = kernels::PageCodec::plain;
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

// What old pages of f16 become when nobody says it, and why.
struct CodecChoice {
  kernels::PageCodec codec = kernels::PageCodec::plain;
  uint64_t n_tokens = 0;
  uint64_t host_kv_budget_bytes = 0;
  double disk_read_bytes_per_second = 0;  // 0: no rates were known
  // Expected of the next token with each codec, in the order of PageCodec; 0 where it was not looked at.
  std::array<double, kernels::kPageCodecs> decode_s = {};
  std::array<uint64_t, kernels::kPageCodecs> read_bytes = {};
};

// Of the codecs with at most request.most_kv_divergence, the one with which a token at the end of the context
// is expected first; of those within 3 % of it, the one that loses least. Without `rates`, plain where all KV
// stays in RAM so, else the smallest.
CodecChoice plan_page_codec(const ModelHeader& header, const PlanRequest& request, const Rates* rates);

// `rates` may be null. Contexts are at most INT32_MAX tokens: what is beyond fits nowhere.
Plan make_plan(const ModelHeader& header, const PlanRequest& request, const Rates* rates);

}  // namespace leoam
