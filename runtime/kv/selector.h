// Selector: what a sequence needs for not attending to everything: its policy, the abstracts of its pages,
// and what their tokens got of attention where the policy counts that.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/kv/layer_abstracts.h"
#include "runtime/kv/layer_masses.h"
#include "runtime/kv/page.h"
#include "runtime/kv/policy/block_scores.h"
#include "runtime/kv/policy/policy.h"

namespace leoam {

// Of one query head in the newest step; as it is here where everything was attended to.
struct HeadAttention {
  float coverage = 1;        // certain share of the softmax mass in the selection
  float captured = 1;        // the true share; -1: the step was not audited
  float attended_share = 1;  // of the context
};

// Totals since the sequence began, of steps of layers that selected.
struct SelectionStatistics {
  uint64_t n_selections = 0;       // layers of steps
  uint64_t n_attended_tokens = 0;  // mean over the KV heads, fixed ones included
  uint64_t n_context_tokens = 0;
  uint64_t n_chunks_evaluated = 0;  // all KV heads
  uint64_t evaluating_us = 0;       // policies at work, abstracts that were waited for included
  uint64_t n_pages_needed = 0;      // by any head, fixed ones included
  uint64_t n_pages_fetched = 0;     // of KV and abstracts, one by one, where a layer was not in place
  uint64_t n_pages_guessed = 0;     // of them, those that the step before had selected too
  uint64_t n_widened = 0;           // selections that the coverage floor made larger
  double coverage = 0;              // sum over selections of the mean over their heads
  uint64_t n_audited = 0;           // selections of which the captured share is known
  double captured = 0;              // sum over these of the mean over their heads
  // Of blocks of prompts in the layers that select: tokens attended to, mean over the KV heads, and before
  // the block's end in all.
  uint64_t n_prefill_attended_tokens = 0;
  uint64_t n_prefill_context_tokens = 0;
  // Of the newest step: the least of all layers and heads; 1 when nothing was selected.
  double least_coverage = 1;
};

// What one layer's selection is made in, one layer after the other; kept, so that a token takes nothing from
// the heap once it has grown.
struct SelectionBuffers {
  std::vector<kernels::KvPageRef> fixed;
  std::vector<bool> needed;        // [n_pages]
  std::vector<PageHandle> chosen;  // pages that were pinned
  std::vector<PageHandle> more;    // those that the coverage floor has added
  std::vector<PageHandle> read;    // all that was read
  std::vector<float> inside;       // [n_heads]
  std::vector<double> total;       // [n_heads]: log of what all of the layer sums to; empty: no audit
  Selection selection;
  Selection guess;                                         // of a layer to come
  std::vector<std::vector<kernels::KvGranules>> granules;  // [n_kv_heads]
  std::vector<SelectedHead> heads;
  std::vector<PageAbstract> abstracts;  // being made
  std::vector<kernels::AttentionMassPage> mass_pages;
};

// Thread rule: one thread at a time; copies are independent of each other.
class Selector {
 public:
  // `windows` as in KvShape. Null for the policy exact. Fails as create_policy does.
  static Result<std::unique_ptr<Selector>> create(Tiers& tiers, const PolicyOptions& options,
                                                  const PolicyMeans& means, const kernels::KvLayout& layout,
                                                  const std::vector<uint32_t>& windows);
  Selector(const Selector& other);
  Selector& operator=(const Selector&) = delete;

  const PolicyOptions& options() const { return options_; }
  Policy& policy() { return *policy_; }
  BlockScores& block_scores() { return block_scores_; }
  // Whether a step of n_step_tokens, the last of which is the context's n_tokens-th, attends to a selection.
  bool selects(uint32_t layer, uint64_t n_tokens, uint32_t n_step_tokens) const;
  // Whether a piece of n_step_tokens behind n_tokens of them attends to a selection, in layers with
  // abstracts.
  bool selects_blocks(uint64_t n_tokens, uint64_t n_step_tokens) const;
  // A layer that ever selects has abstracts.
  bool has_abstracts(uint32_t layer) const { return !given_up_ && layers_[layer] != nullptr; }
  LayerAbstracts& abstracts(uint32_t layer) { return *layers_[layer]; }
  bool counts_masses() const { return !masses_.empty(); }
  // Null where none are counted.
  LayerMasses* masses(uint32_t layer) {
    return counts_masses() && !given_up_ ? masses_[layer].get() : nullptr;
  }
  // Abstracts or masses do not fit the host budget: every step attends to everything from now on. Gives back
  // their room.
  void give_up();
  bool has_given_up() const { return given_up_; }
  // A step of n_step_tokens behind n_tokens; statistics of the newest step begin anew. end_step: its tokens
  // count from now on.
  void begin_step(uint64_t n_tokens, uint32_t n_step_tokens);
  void end_step();
  // Forgets what it knows of a layer's tokens from n_tokens on.
  void truncate(uint32_t layer, uint64_t n_tokens);

  LayerShares shares;  // of steps of one token
  SelectionStatistics statistics;
  SelectionBuffers buffers;
  bool abstracts_lost = false;  // some were found damaged and are to be made again
  bool audits = false;          // steps compute the captured share too, from all of a layer's KV
  // [n_layers][n_heads]: of the newest step; empty before a selection.
  std::vector<HeadAttention> heads;
  // [n_layers]: what a layer's fixed pages summed to in its newest selection, [n_heads]; empty before.
  struct FixedSums {
    std::vector<float> maximum;
    std::vector<float> sum;
  };
  std::vector<FixedSums> fixed_sums;

 private:
  Selector(const PolicyOptions& options, const PolicyMeans& means, std::unique_ptr<Policy> policy)
      : options_(options), means_(means), policy_(std::move(policy)), block_scores_(means) {}

  PolicyOptions options_;
  PolicyMeans means_;
  std::unique_ptr<Policy> policy_;
  BlockScores block_scores_;
  std::vector<std::unique_ptr<LayerAbstracts>> layers_;
  std::vector<std::unique_ptr<LayerMasses>> masses_;  // [n_layers], or none
  bool given_up_ = false;
  bool one_token_ = false;  // the step
};

}  // namespace leoam
