// Selector: what a sequence needs for not attending to everything: its policy, and the abstracts of its
// pages.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/kv/layer_abstracts.h"
#include "runtime/kv/page.h"
#include "runtime/kv/policy/policy.h"

namespace leoam {

// Totals since the sequence began, of steps of layers that selected.
struct SelectionStatistics {
  uint64_t n_selections = 0;       // layers of steps
  uint64_t n_attended_tokens = 0;  // mean over the KV heads, fixed ones included
  uint64_t n_context_tokens = 0;
  uint64_t n_chunks_evaluated = 0;  // all KV heads
  uint64_t n_pages_needed = 0;      // by any head, fixed ones included
};

// What one layer's selection is made in, one layer after the other; kept, so that a token takes nothing from
// the heap once it has grown.
struct SelectionBuffers {
  std::vector<kernels::KvPageRef> fixed;
  std::vector<bool> needed;        // [n_pages]
  std::vector<PageHandle> chosen;  // pages that were pinned
  Selection selection;
  std::vector<std::vector<kernels::KvGranules>> granules;  // [n_kv_heads]
  std::vector<SelectedHead> heads;
  std::vector<PageAbstract> abstracts;  // being made
};

// Thread rule: one thread at a time; copies are independent of each other.
class Selector {
 public:
  // `windows` as in KvShape. Null for the policy exact. Fails as create_policy does.
  static Result<std::unique_ptr<Selector>> create(const PolicyOptions& options, const PolicyMeans& means,
                                                  const kernels::KvLayout& layout,
                                                  const std::vector<uint32_t>& windows);
  Selector(const Selector& other);
  Selector& operator=(const Selector&) = delete;

  const PolicyOptions& options() const { return options_; }
  Policy& policy() { return *policy_; }
  // Whether a step of n_step_tokens, the last of which is the context's n_tokens-th, attends to a selection.
  bool selects(uint32_t layer, uint64_t n_tokens, uint32_t n_step_tokens) const;
  // A layer that ever selects has abstracts.
  bool has_abstracts(uint32_t layer) const { return !given_up_ && layers_[layer] != nullptr; }
  LayerAbstracts& abstracts(uint32_t layer) { return *layers_[layer]; }
  // Abstracts do not fit the host budget: every step attends to everything from now on. Gives back their
  // room.
  void give_up();
  bool has_given_up() const { return given_up_; }
  // Forgets what it knows of a layer's pages from n_pages on.
  void truncate(uint32_t layer, uint32_t n_pages);

  SelectionStatistics statistics;
  SelectionBuffers buffers;

 private:
  Selector(const PolicyOptions& options, std::unique_ptr<Policy> policy)
      : options_(options), policy_(std::move(policy)) {}

  PolicyOptions options_;
  std::unique_ptr<Policy> policy_;
  std::vector<std::unique_ptr<LayerAbstracts>> layers_;
  bool given_up_ = false;
};

}  // namespace leoam
