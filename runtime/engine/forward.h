// Forward: one forward pass of a batch of token spans through a model, layer by layer, so that it can be
// paused between layers.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "runtime/base/aligned_buffer.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"
#include "runtime/device/device.h"
#include "runtime/engine/rope_table.h"
#include "runtime/engine/statistics.h"
#include "runtime/kv/block_selection.h"
#include "runtime/kv/layer_compaction.h"
#include "runtime/kv/layer_reader.h"
#include "runtime/kv/layer_selection.h"
#include "runtime/kv/layer_weighing.h"
#include "runtime/kv/sequence_kv.h"
#include "runtime/model/model.h"

namespace leoam {

using Deadline = std::chrono::steady_clock::time_point;
constexpr Deadline kNoDeadline = Deadline::max();

// One sequence's part of a step: its tokens [kv.n_tokens(), + n) are reserved in `kv`, which the caller
// commits or rolls back after the step.
struct StepSequence {
  SequenceKv* kv = nullptr;
  std::span<const int32_t> tokens;
};

// Thread rule: one thread at a time.
class Forward {
 public:
  // Steps of up to max_tokens tokens of sequences whose KV has this layout. Fails with out_of_memory.
  static Result<std::unique_ptr<Forward>> create(const Model& model, Device& device,
                                                 const kernels::KvLayout& layout, uint32_t max_tokens);

  const Model& model() const { return model_; }
  const kernels::KvLayout& layout() const { return shape_.kv; }
  uint32_t max_tokens() const { return max_tokens_; }
  uint64_t workspace_bytes() const { return workspace_->bytes(); }

  // Starts a step: sum of tokens in 1..max_tokens, ids already checked. `cancel` may be null, else it
  // outlives the step.
  Status begin(std::span<const StepSequence> sequences, const CancelFlag* cancel);
  // Works until the step is done (true) or the deadline has passed (false, the overrun being one operation of
  // one layer). Fails with cancelled, no_space, out_of_memory, io, device_lost, and with corrupt when a
  // sequence's KV is damaged; then the step is over.
  Result<bool> advance(Deadline deadline);
  // After a finished step, until the next begin: logits [rows.size()][n_vocab] of token rows of the step, in
  // the order of the sequences' tokens.
  Status logits(std::span<const uint32_t> rows, float* out);
  // Of the newest step, [n_layers].
  std::span<const LayerTimes> layer_times() const { return layer_times_; }

 private:
  Forward(const Model& model, Device& device) : model_(model), device_(device) {}
  Status run_operation();
  // An operation has ended: its time, and what has moved for it, go to its layer.
  void note_times();
  Status attention_input(uint32_t layer);
  AttentionInputParams input_params(uint32_t layer) const;
  // Of the sequences whose first long pass this is.
  Status weigh_channels(uint32_t layer);
  // What the layer, which is the next one, will probably select is on its way from now on.
  Status guess(uint32_t layer, float scale);
  Status attention(uint32_t layer);
  // For want of room; false: no sequence of the step selected.
  bool give_up_selecting();
  // They are made again when attention is tried again.
  bool lost_abstracts();
  // Of the sequences whose selections are audited: attends to everything, for its sums alone.
  Status audit(uint32_t layer, const AttentionParams& params);
  // Of the sequences that attend to a selection.
  Status select(uint32_t layer, const AttentionParams& params);
  // Of the pieces whose blocks of queries do.
  Status select_blocks(uint32_t layer, float scale);
  // Of the sequences whose policies count what tokens get of attention, which is done.
  Status count_masses(uint32_t layer, float scale);
  // Where a coverage floor asks for it.
  Status widen(const AttentionParams& params);
  Status feed_forward(uint32_t layer);

  const Model& model_;
  Device& device_;
  uint32_t max_tokens_ = 0;
  std::unique_ptr<DeviceWorkspace> workspace_;
  std::unique_ptr<RopeTable> rope_;
  std::unique_ptr<RopeTable> local_rope_;  // null when no layer slides

  StepShape shape_;
  uint32_t next_operation_ = 0;
  std::vector<SequenceKv*> sequences_;
  std::deque<LayerReader> readers_;              // one a sequence that attends to everything
  std::deque<BlockSelection> block_selections_;  // one a sequence whose blocks of queries do not
  std::deque<LayerSelection> layer_selections_;  // one a sequence whose token does not
  std::vector<SpanSelection> selections_;        // one a span; empty: none selects
  AlignedBuffer guessed_q_;                      // [n_tokens][n_heads][head_dim]
  std::vector<AttentionSums> sums_;              // likewise
  PassHolds holds_;
  std::vector<LayerTimes> layer_times_;
  uint64_t begun_us_ = 0;  // the step
  uint64_t noted_us_ = 0;  // its operations up to here
  std::vector<SequenceSpan> spans_;
  std::vector<LayerPages> pages_;
  std::vector<int32_t> tokens_;
  std::vector<float> cos_, sin_, local_cos_, local_sin_;  // [n_tokens][n_pairs]
};

// Forwards that no step uses now, kept so that a request does not start with allocating scratch memory.
//
// Thread rule: all calls are thread-safe.
class ForwardCache {
 public:
  explicit ForwardCache(Device& device) : device_(device) {}

  class Lease {
   public:
    Lease(ForwardCache& cache, std::unique_ptr<Forward> forward)
        : cache_(&cache), forward_(std::move(forward)) {}
    Lease(Lease&&) = default;
    Lease& operator=(Lease&&) = default;
    ~Lease() {
      if (forward_) cache_->give_back(std::move(forward_));
    }
    Forward* operator->() const { return forward_.get(); }
    Forward& operator*() const { return *forward_; }

   private:
    ForwardCache* cache_;
    std::unique_ptr<Forward> forward_;
  };

  // The model must stay until the lease is back.
  Result<Lease> acquire(const Model& model, const kernels::KvLayout& layout, uint32_t max_tokens);
  // Drops what is kept for a model that is about to go.
  void forget(const Model* model);
  uint64_t idle_bytes() const;

 private:
  void give_back(std::unique_ptr<Forward> forward);

  Device& device_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Forward>> idle_;
};

}  // namespace leoam
