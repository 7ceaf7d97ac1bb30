// Session: one sequence of tokens with its KV cache.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/cancel.h"
#include "runtime/base/status.h"
#include "runtime/engine/change_lock.h"
#include "runtime/engine/planner.h"
#include "runtime/engine/statistics.h"
#include "runtime/kv/sequence_kv.h"
#include "runtime/model/model.h"
#include "runtime/store/session_file.h"

namespace leoam {

class Engine;
class Forward;
class Generation;
class Request;
class RequestImpl;
class Scheduler;
struct RequestOptions;

struct SessionOptions {
  PolicyOptions policy;
  kernels::KvType kv_type = kernels::KvType::f16;
  // What pages far behind the newest tokens become (LayerCompaction); plain with int8.
  kernels::PageCodec page_codec = kernels::PageCodec::plain;
  // kv_type is f16, and page_codec the engine's choice, plan_page_codec with the budgets and the rates that
  // are known at the time: anew as the context grows and budgets change, for the pages that come then.
  bool choose_kv_type = false;
  double most_kv_divergence = kMostKvDivergence;  // of what may be chosen
  uint32_t page_tokens = 32;                      // 16, 32, 64 or 128
  uint32_t context_tokens = 0;  // most tokens the session may hold; 0: the model's trained context
  // Prefill piece; 0: the engine's choice, plan_piece_tokens with the budgets and the rates of the machine
  // that are known now (measured earlier; a session measures nothing). Logits agree between piece sizes
  // within 1e-3 in log-probability, and are byte-identical for one size.
  uint32_t piece_tokens = 0;
};

struct EvaluateOptions {
  // Called in order for every position whose logits are wanted, on the calling thread. `logits` [n_vocab] is
  // valid during the call. Returns false to stop (then evaluate fails with cancelled; whole pieces done
  // before stay).
  std::function<bool(uint64_t position, std::span<const float> logits)> on_logits;
  bool all_logits = false;  // every position; else only the last one
  // Steps that attend to a selection compute what share of the attention it has captured, from all KV: slow,
  // and without a change of any logits.
  bool audit = false;
  std::function<bool(uint64_t done_tokens, uint64_t total_tokens)> on_progress;  // false stops
  const CancelFlag* cancel = nullptr;
};

// Of save and suspend.
struct MoveOptions {
  KvProgress on_progress;  // on the calling thread; may be null
  const CancelFlag* cancel = nullptr;
};

// The newest tokens may be without KV yet: a drawn token gets it with the next pass.
//
// Thread rule: one driver at a time. Calls that change the session fail with busy while another call or a
// request uses it.
class Session : public std::enable_shared_from_this<Session> {
 public:
  ~Session();

  const Model& model() const { return *model_; }
  const SessionOptions& options() const { return options_; }
  // Tokens of the sequence. Safe from any thread.
  uint64_t n_tokens() const { return n_tokens_.load(std::memory_order_acquire); }
  // Bytes of KV pages held. Safe from any thread.
  uint64_t kv_bytes() const { return kv_bytes_.load(std::memory_order_relaxed); }
  // Of them, in RAM: now, or while a pass runs as of an earlier time, which the end of that pass brings up to
  // date. Takes a look at every page. Safe from any thread.
  uint64_t resident_kv_bytes();
  // What old pages become now. Safe from any thread.
  kernels::PageCodec page_codec() const { return page_codec_.load(std::memory_order_relaxed); }
  // Why, where it is the engine's choice. Safe from any thread.
  CodecChoice codec_choice() const;
  // Copies tokens [begin, begin + out.size()). Fails with invalid_argument out of range, busy.
  Status copy_tokens(uint64_t begin, std::span<int32_t> out);

  // Appends tokens and computes their KV, on the calling thread, in pieces. Fails with invalid_argument (a
  // token id, the context), no_space (the budget), cancelled, busy. After no_space and cancelled the session
  // keeps the whole pieces done before, and n_tokens() says how many.
  Status evaluate(std::span<const int32_t> tokens, const EvaluateOptions& options);

  // Drops all tokens from n_tokens on. Fails with invalid_argument beyond the end, busy; for models with
  // sliding layers, unsupported when the window before n_tokens is no longer in place (0 always works). The
  // newest tokens may be without KV afterwards, as a drawn one is.
  Status truncate(uint64_t n_tokens);

  // A new session with the same tokens, KV and logits; pages are shared until one of the two writes them.
  // Fails with busy.
  Result<std::shared_ptr<Session>> fork();

  // Makes the session durable in a file: the first time in a new one at `path` (`key` null: plaintext),
  // later, with an empty path, in the same one, where only what is new is written. Fails with
  // invalid_argument (no path yet, or another one), busy, no_space, io, cancelled; then the last save stands.
  Status save(const std::string& path, const SecretKey* key, const MoveOptions& options);
  // All KV leaves RAM, to come back when it is needed. Fails with busy, no_space, io, cancelled.
  Status suspend(const MoveOptions& options);
  // As of the last pass; zeros with the policy exact. Safe from any thread.
  SelectionStatistics selection_statistics() const;
  // [n_layers][n_heads]: of the newest step, the certain share of a head's attention that lies in what it
  // attends to. Fails with busy, invalid_argument (the size).
  Status copy_coverage(std::span<float> out);
  // Likewise, more of it.
  Status copy_attention(std::span<HeadAttention> out);
  // [n_layers]: of the newest step, which other sequences may have shared; zeros before the first. Fails
  // likewise.
  Status copy_layer_times(std::span<LayerTimes> out);
  // Of the file that the session has, as of the last save; not_found without one. Safe from any thread.
  Result<SessionFileInfo> file_info() const;

  // Logits of the newest token [n_vocab]. Fails with invalid_argument when there are none (the session is
  // empty, was truncated, or its newest token was drawn and has no KV yet), busy.
  Status copy_logits(std::span<float> out);

  // Starts a generation: the prompt is appended, then tokens are drawn. Fails with invalid_argument (a token
  // id, an option, the context; an empty prompt where there are no logits), busy.
  Result<std::shared_ptr<Request>> submit(RequestOptions options);

 private:
  friend class Engine;
  friend class Generation;
  friend class RequestImpl;
  friend class Scheduler;
  Session() = default;

  // Marks the session as in use for a scope; false when it is already.
  bool enter() { return !in_use_.exchange(true, std::memory_order_acquire); }
  void leave() { in_use_.store(false, std::memory_order_release); }
  // Tokens without KV that a session with a selector may have: steps of one token that selected are to be
  // repeated one by one.
  static constexpr uint32_t kMostPending_selecting = 1;
  static Status busy() {
    return Status(ErrorKind::busy, "the session is in use by another call or a request");
  }

  // How many tokens a cut at n_tokens leaves with KV that the passes in starts_pass_ can make again.
  uint64_t repeatable_tokens(uint64_t n_tokens) const;
  // Checks ids and the context, then adds tokens without KV.
  Status append_pending(std::span<const int32_t> tokens);
  // Between passes: while all KV is of whole pieces, takes that of the next ones from a live session that has
  // computed them, as far as there are such. The last token is left.
  void share_pieces();
  // How many tokens from the first on `other`, whose change_ is held, has computed in the passes that this
  // session would run.
  uint64_t common_prefix(const Session& other) const;
  bool has_selecting_pieces(uint64_t end) const { return selects_from_ != 0 && selects_from_ < end; }
  // `kv` has n_tokens of this session, in whole pieces.
  void take_prefix(std::unique_ptr<SequenceKv> kv, uint64_t selects_from);
  Status evaluate_pieces(size_t first_wanted, const EvaluateOptions& options);
  // One pass of the next n tokens. Fails as a pass does.
  Status compute_piece(Forward& forward, uint32_t n, const CancelFlag* cancel);
  Status deliver_logits(Forward& forward, const EvaluateOptions& options, uint64_t first_position,
                        uint32_t first_row, uint32_t n_rows);
  // Lets other threads see the counts.
  float newest_coverage() const;
  void publish();
  void set_codec(kernels::PageCodec codec);
  // Before a pass, under change_.
  void choose_codec();
  // Tokens without KV that the next pass takes, at most `most`.
  uint32_t next_pass_tokens(uint32_t most) const;
  // The reserved tokens were computed in one pass, in such times. Under change_.
  void commit_pass(std::span<const LayerTimes> times);
  // An empty session becomes what the file has.
  Status adopt(std::shared_ptr<SessionFile> file);
  SessionIdentity identity() const;
  Status save_to_file(const MoveOptions& options);
  void publish_file_info();
  // Computes damaged KV pages again, by the passes that made them. Fails as a pass does.
  Status repair(const CancelFlag* cancel);
  Status repair_once(uint64_t damaged_token, const CancelFlag* cancel);
  // Computes the first long pass again, which shows how much channels count.
  Status weigh_again(const CancelFlag* cancel);
  // Passes of a copy, as they were, until it has `end` tokens.
  Status compute_again(SequenceKv* copy, uint64_t end, const CancelFlag* cancel);

  Engine* engine_ = nullptr;
  std::shared_ptr<const Model> model_;
  SessionOptions options_;
  std::atomic<bool> in_use_{false};
  std::atomic<uint64_t> n_tokens_{0};
  std::atomic<uint64_t> kv_bytes_{0};
  std::atomic<uint64_t> resident_kv_bytes_{0};
  std::atomic<bool> resident_wanted_{false};  // somebody asked during a pass
  // The driver holds it while it changes kv_, starts_pass_, selects_from_ or a token that has KV: a pass, a
  // cut. Others read those when they get it without waiting. Who waits for one holds no other.
  ChangeLock change_;
  std::unique_ptr<SequenceKv> kv_;
  std::vector<int32_t> tokens_;    // capacity: context_tokens
  std::vector<bool> starts_pass_;  // one a token with KV: whether a pass began with it
  // With it the first piece began that attended to a selection; 0: none did.
  uint64_t selects_from_ = 0;
  // Of an opened session whose KV was lost, one a token of its log: it is computed again by passes that begin
  // and end as those did that made it. Likewise of one that a cut in a selecting piece has left without KV.
  std::vector<bool> logged_starts_;
  std::shared_ptr<SessionFile> file_;
  std::weak_ptr<SessionFile> given_up_;  // of a first save that failed; pages may still need it
  std::atomic<kernels::PageCodec> page_codec_{kernels::PageCodec::plain};
  mutable std::mutex codec_choice_mutex_;
  CodecChoice codec_choice_;
  mutable std::mutex selection_statistics_mutex_;
  SelectionStatistics selection_statistics_;
  mutable std::mutex file_info_mutex_;
  std::optional<SessionFileInfo> file_info_;  // of file_, as of its last commit
  std::vector<LayerTimes> layer_times_;       // [n_layers], of the newest step
  std::vector<float> logits_;                 // [n_vocab], of the newest token when has_logits_
  bool has_logits_ = false;
};

}  // namespace leoam
