// Session: one sequence of tokens with its KV cache.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "runtime/base/cancel.h"
#include "runtime/base/status.h"
#include "runtime/engine/statistics.h"
#include "runtime/kv/sequence_kv.h"
#include "runtime/model/model.h"

namespace leoam {

class Engine;
class Request;
struct RequestOptions;

struct SessionOptions {
  std::string policy = "exact";  // unsupported for any other name
  kernels::KvType kv_type = kernels::KvType::f16;
  uint32_t page_tokens = 32;    // 16, 32, 64 or 128
  uint32_t context_tokens = 0;  // most tokens the session may hold; 0: the model's trained context
  uint32_t piece_tokens = 0;    // prefill piece; 0: the engine's choice. Logits agree between piece sizes
                              // within 1e-3 in log-probability, and are byte-identical for one size
};

struct EvaluateOptions {
  // Called in order for every position whose logits are wanted, on the calling thread. `logits` [n_vocab] is
  // valid during the call. Returns false to stop (then evaluate fails with cancelled and nothing was
  // appended).
  std::function<bool(uint64_t position, std::span<const float> logits)> on_logits;
  bool all_logits = false;  // every position; else only the last one
  std::function<bool(uint64_t done_tokens, uint64_t total_tokens)> on_progress;  // false stops
  const CancelFlag* cancel = nullptr;
};

// Thread rule: one driver at a time. Calls that change the session fail with busy while another call or a
// request uses it.
class Session : public std::enable_shared_from_this<Session> {
 public:
  ~Session();

  const Model& model() const { return *model_; }
  // Tokens whose KV is in place. Safe from any thread.
  uint64_t n_tokens() const { return n_committed_.load(std::memory_order_acquire); }
  uint64_t kv_bytes() const { return kv_bytes_.load(std::memory_order_relaxed); }
  const SessionOptions& options() const { return options_; }
  // Copies tokens [begin, begin + out.size()); fails with invalid_argument out of range, busy.
  Status copy_tokens(uint64_t begin, std::span<int32_t> out) const;

  // Appends tokens and computes their KV, on the calling thread, in pieces. All or nothing: on failure the
  // session is as before. Fails with invalid_argument (token id), no_space (budget or context), cancelled,
  // busy.
  Status evaluate(std::span<const int32_t> tokens, const EvaluateOptions& options);

  // Drops all tokens from n_tokens on. Fails with invalid_argument beyond the end, busy; for models with
  // sliding layers, unsupported when the window before n_tokens is no longer in place (n_tokens == 0 always
  // works).
  Status truncate(uint64_t n_tokens);

  // Logits of the newest token [n_vocab]; invalid_argument when the session is empty or was truncated since.
  Status copy_logits(std::span<float> out) const;

  // Starts a generation: the prompt is appended, then tokens are drawn. Fails with invalid_argument, busy,
  // no_space (the prompt cannot fit). An empty prompt needs a session with logits.
  Result<std::shared_ptr<Request>> submit(RequestOptions options);

 private:
  friend class Engine;
  friend class Request;
  friend class Scheduler;
  Session() = default;

  Engine* engine_ = nullptr;
  std::shared_ptr<const Model> model_;
  SessionOptions options_;
  std::atomic<bool> in_use_{false};
  std::atomic<uint64_t> n_committed_{0};
  std::atomic<uint64_t> kv_bytes_{0};
  std::unique_ptr<SequenceKv> kv_;
  std::vector<int32_t> tokens_;
  std::vector<float> logits_;  // of the newest token; empty when there is none
};

}  // namespace leoam
