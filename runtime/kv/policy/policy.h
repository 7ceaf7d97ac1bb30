// Policy: which KV the newest token of a sequence attends to in a layer. A new policy is one file with a
// class, and one line in policies.cc.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/cpu_table.h"
#include "runtime/base/thread_pool.h"
#include "runtime/kv/abstract_reader.h"
#include "runtime/kv/layer_masses.h"
#include "runtime/kv/policy/layer_shares.h"

namespace leoam {

// Pages [begin, end).
struct PageRange {
  uint32_t begin = 0;
  uint32_t end = 0;
};

struct PolicyOptions {
  std::string name = "exact";
  // Tokens that a layer attends to, sinks and window counted: budget_tokens, or else this share of the
  // context.
  double importance = 0.1;
  uint32_t budget_tokens = 0;
  // Channels of a key that have codes; 0: half of them.
  uint32_t n_channels = 0;
  // Codes are read of at most so many times the tokens that are selected: those whose chunks may weigh most.
  double breadth = 12;
  // Granules are taken from at most so many pages as the tokens that are selected would fill, those with most
  // mass over all heads: a disk or a link moves pages, computing reads granules. 0: from all.
  double page_spread = 0;
  // More is selected while less than this share of some head's attention is certain to be in the selection.
  double coverage_floor = 0;
  // Blocks of a prompt's queries attend to a selection too, in pieces with so many tokens before them or
  // more. 0: prompts attend to everything. Of leoam and quest.
  uint64_t sparse_prefill_tokens = 0;
  uint32_t n_dense_layers = 2;  // the first layers attend to everything
  uint32_t n_sink_tokens = 32;
  uint32_t n_window_tokens = 128;  // the newest, at most a quarter of what may be attended to
  bool estimates = true;           // what is not selected counts by means

  bool operator==(const PolicyOptions&) const = default;
  uint32_t channels_of(uint32_t head_dim) const {
    return std::min(n_channels == 0 ? (head_dim + 1) / 2 : n_channels, head_dim);
  }
  uint64_t budget(uint64_t n_tokens) const {
    return budget_tokens > 0 ? budget_tokens
                             : static_cast<uint64_t>(importance * static_cast<double>(n_tokens));
  }
  // A small budget is not for the newest tokens alone.
  uint64_t window_tokens(uint64_t n_tokens) const {
    return std::min<uint64_t>(n_window_tokens, budget(n_tokens) / 4);
  }
  uint64_t n_fixed_tokens(uint64_t n_tokens) const { return n_sink_tokens + window_tokens(n_tokens); }
  // Some of so many tokens are not attended to.
  bool leaves_out(uint64_t n_tokens) const {
    return std::max(budget(n_tokens), n_fixed_tokens(n_tokens)) < n_tokens;
  }
  // What is chosen from, of so many tokens: between sinks and window.
  PageRange candidates(uint64_t n_tokens, uint32_t page_tokens) const {
    const uint32_t begin = (n_sink_tokens + page_tokens - 1) / page_tokens;
    const uint64_t before_window = n_tokens - std::min(n_tokens, window_tokens(n_tokens));
    return {begin, std::max(begin, static_cast<uint32_t>(before_window / page_tokens))};
  }
};

// Granules of a page of one KV head.
struct PageGranules {
  uint32_t page = 0;
  uint32_t mask = 0;  // bit i: tokens [8 i, 8 i + 8)
};

struct Selection {
  struct Head {
    std::vector<PageGranules> granules;  // ascending pages
    // Of policies that choose single tokens, as in kernels::AttentionGranulesParams; empty: all of these.
    std::vector<uint8_t> token_masks;
    std::vector<kernels::AttentionEstimate> estimates;
    std::vector<kernels::AttentionRest> rests;
    std::vector<float> log_units;  // [group], of the rests' weights
    uint64_t n_tokens = 0;
  };
  std::vector<Head> heads;  // [n_kv_heads]
  // [n_heads]: log of what sum exp(score) over all candidates that are not selected is at most.
  std::vector<float> outside;
  uint64_t n_chunks_evaluated = 0;
};

// What a policy chooses for: candidates are the full pages [first_page, end_page), which lie between the
// fixed ones.
struct SelectionQuery {
  uint32_t n_heads = 0;
  float scale = 0;
  AttentionSums fixed;
  uint32_t first_page = 0;
  uint32_t end_page = 0;
  uint64_t budget_tokens = 0;
  uint64_t n_granules = 0;        // what of it is left to be chosen for each KV head on average
  LayerShares* shares = nullptr;  // of the sequence's steps, where the policy divides among layers too
  bool is_guess = false;          // for a layer to come: takes nothing of the step's budget
  uint64_t n_tokens = 0;          // of the context
  // Where the policy counts them; it may evict tokens.
  LayerMasses* masses = nullptr;
};

// What policies compute with.
struct PolicyMeans {
  ThreadPool& pool;
  const kernels::CpuTable& kernels;
};

// Of one sequence. Thread rule: one thread at a time.
class Policy {
 public:
  virtual ~Policy() = default;
  virtual std::unique_ptr<Policy> clone() const = 0;
  // Whether it wants to know what each token got of the attention so far.
  virtual bool counts_masses() const { return false; }
  // Whether what is selected depends on the query.
  virtual bool follows_query() const { return true; }
  // out->heads has an entry for each KV head, out->outside for each query head, of an earlier call. What is
  // referred to is held by `reader`. Fails as AbstractReader::hold does, and with out_of_memory.
  virtual Status select(const SelectionQuery& query, AbstractReader& reader, Selection* out) = 0;
  // Directly after select: `inside` [n_heads] is the log of sum exp(score) over the fixed tokens and those
  // selected. Selects more, until for every head inside / (inside + outside) is at least `floor`. Fails
  // likewise.
  virtual Status widen(std::span<const float> inside, double floor, AbstractReader& reader,
                       Selection* out) = 0;
};

// The names of all policies, exact first.
std::span<const std::string_view> policy_names();
// Null for exact. Fails with unsupported (the name), invalid_argument.
Result<std::unique_ptr<Policy>> create_policy(const PolicyOptions& options, const PolicyMeans& means);

}  // namespace leoam
