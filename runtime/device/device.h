// The device seam: where weights and KV pages lie and where a forward pass is computed. Back ends: cpu
// (here), sim (tests: the CPU with an address space of its own). A device knows buffers and coarse
// operations; it does not know models, tiers or files.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "kernels/attention/attention.h"
#include "kernels/chunk_bounds/chunk_bounds.h"
#include "kernels/key_codes/key_codes.h"
#include "kernels/kv_layout.h"
#include "kernels/matmul/matmul.h"
#include "kernels/page_codec/page_codec_layout.h"
#include "kernels/rope/rope.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"
#include "runtime/device/device_link.h"

namespace leoam {

// Memory of a device. Owner: whoever holds it; freed with it; must not outlive its Device.
class DeviceBuffer {
 public:
  virtual ~DeviceBuffer() = default;
  virtual uint8_t* data() = 0;  // an address in the device's own space, 64-byte aligned
  virtual size_t bytes() const = 0;
};

// A weight matrix in the device's own layout.
struct DeviceMatrix {
  kernels::PackedMatrix packed;
  std::unique_ptr<DeviceBuffer> storage;
  bool present() const { return storage != nullptr; }
};

enum class GatedActivation : int32_t { swiglu, geglu };

// Spans of at most this many tokens are attended to token by token, longer ones by tiles. The bytes of a
// token's results depend on which of the two its span is, and on nothing else of the step.
constexpr uint32_t kNarrowSpan_tokens = 4;

// Consecutive tokens of a span, from its first on, that may attend to pages of their own.
constexpr uint32_t kQueryBlock_tokens = 32;
static_assert(kQueryBlock_tokens % kernels::kPrefillTile_tokens == 0);

// A run of tokens of one sequence in a step: consecutive positions, one entry of the batch.
struct SequenceSpan {
  uint32_t token_begin = 0;  // index into the step's tokens
  uint32_t n_tokens = 0;
  int32_t first_position = 0;
};

// Where one layer's keys and values of one sequence lie: pages in ascending positions. For attention_input
// the last pages, which have room for the span's tokens; for attention all pages, or a part of them.
struct LayerPages {
  const kernels::KvPageRef* pages = nullptr;
  uint32_t n_pages = 0;
  // In place of pages, for attention of a span of more than kNarrowSpan_tokens: those of each block of its
  // tokens and each KV head, [n_blocks][n_kv_heads], any in ascending positions.
  const LayerPages* lists = nullptr;
  uint32_t n_lists = 0;
  // Of a list, in the last call: of what is not in it; records in RAM.
  std::span<const kernels::AttentionEstimate> estimates;
};

// What one KV head of a layer attends to besides the fixed pages.
struct SelectedHead {
  std::span<const kernels::KvGranules> granules;
  std::span<const uint8_t> token_masks;  // of them, as in AttentionGranulesParams; empty: all tokens; in RAM
  std::span<const kernels::AttentionEstimate> estimates;  // of what was not selected; records in RAM
  std::span<const kernels::AttentionRest> rests;          // likewise; blocks and weights in RAM
  const float* log_units = nullptr;                       // of the rests' weights, [group]; in RAM
};

// For a span of one token that does not attend to everything.
struct SpanSelection {
  bool selects = false;
  LayerPages fixed;                     // attended to as a whole by all heads
  std::span<const SelectedHead> heads;  // [n_kv_heads]; before anything was chosen: none
};

// What is known of the attention of a span that selects. Valid until the next operation.
struct AttentionSums {
  const float* q = nullptr;        // [n_heads][head_dim], in RAM
  const float* maximum = nullptr;  // [n_heads]: of the scores of what was attended to, nothing estimated
  const float* sum = nullptr;      // [n_heads]: of exp(score - maximum)
};

// The abstract of one full page, to be made from its bytes.
struct PageAbstract {
  const uint8_t* page = nullptr;
  uint8_t* codes = nullptr;    // a block, laid out by key_code_layout; null: none wanted
  uint32_t slot = 0;           // of the page in the block
  uint8_t* records = nullptr;  // the page's of KV head 0, laid out by ChunkLayout
  size_t head_stride = 0;      // bytes from a head's record to the next head's
  kernels::PageCodec codec = kernels::PageCodec::plain;  // of the page
  const uint32_t* channels = nullptr;                    // with codes: [n_kv_heads][n_coded], each ascending
  uint32_t n_coded = 0;
};

// One full plain page of f16 or f32, to be made compact.
struct PageCompaction {
  const uint8_t* from = nullptr;
  uint8_t* to = nullptr;  // page_bytes(layout, codec)
  kernels::PageCodec codec = kernels::PageCodec::k8v8;
  bool encoded = false;  // out; false: the page must stay plain, and `to` is unspecified
};

// x -> norm -> q, k, v (+ bias, per-head norm) -> rope -> q in the workspace, k and v into the pages.
struct AttentionInputParams {
  const float* norm = nullptr;  // [n_embd]
  const DeviceMatrix* q = nullptr;
  const DeviceMatrix* k = nullptr;
  const DeviceMatrix* v = nullptr;
  const float* q_bias = nullptr;  // [n_heads * head_dim] or nullptr
  const float* k_bias = nullptr;  // [n_kv_heads * head_dim] or nullptr
  const float* v_bias = nullptr;
  const float* q_norm = nullptr;  // [head_dim] or nullptr
  const float* k_norm = nullptr;
  kernels::RopePairing pairing = kernels::RopePairing::halves;
  uint32_t n_rot = 0;
  const float* rope_cos = nullptr;  // [n_tokens][n_rot / 2] of the step
  const float* rope_sin = nullptr;
};

// q over pages -> output projection (+ bias) -> post norm -> added to x.
//
// The pages of a step may be handed over in several calls, one after the other, in ascending positions, cut
// at multiples of kernels::kAttentionCut_tokens; a span without pages in a call has none there. The result
// has the bytes that one call with all pages gives.
struct AttentionParams {
  bool first = true;  // of the calls of one layer
  bool last = true;
  float scale = 0;
  int32_t window = 0;
  const DeviceMatrix* o = nullptr;
  const float* o_bias = nullptr;
  const float* post_norm = nullptr;   // [n_embd] or nullptr
  std::span<AttentionSums> selected;  // out: one a span, of those that select
  bool keeps_sums = false;            // attention_mass comes next
};

// What each token of some pages of a span got of the attention of the span's queries: added to masses in RAM,
// as kernels::AttentionMassFunction says.
struct AttentionMassParams {
  uint32_t span = 0;
  float scale = 0;
  std::span<const kernels::AttentionMassPage> pages;
  size_t mass_stride = 0;  // floats from a KV head's masses to the next one's
};

// x -> norm -> act(gate) * up -> down -> post norm -> added to x.
struct FeedForwardParams {
  const float* norm = nullptr;
  const DeviceMatrix* gate = nullptr;
  const DeviceMatrix* up = nullptr;
  const DeviceMatrix* down = nullptr;
  const float* post_norm = nullptr;
  GatedActivation activation = GatedActivation::swiglu;
};

// What all operations of one step share. Owner: the engine; arrays outlive the step.
struct StepShape {
  uint32_t n_embd = 0;
  uint32_t n_heads = 0;
  uint32_t n_ff = 0;
  float norm_eps = 0;
  kernels::KvLayout kv;
  uint32_t n_tokens = 0;
  std::span<const SequenceSpan> spans;
  std::span<const LayerPages> pages;  // of the current layer, one entry a span; none where a span selects
  std::span<const SpanSelection> selections;  // one a span; empty: none selects
  const CancelFlag* cancel =
      nullptr;  // looked at between work items; a cancelled operation's results are void
};

// Scratch of the operations for steps of up to max_tokens; holds the residual stream x [max_tokens][n_embd].
class DeviceWorkspace {
 public:
  virtual ~DeviceWorkspace() = default;
  virtual float* x() = 0;
  virtual size_t bytes() const = 0;
};

struct DeviceInfo {
  std::string name;           // "cpu"
  std::string detail;         // "avx512, 2 threads"
  uint64_t memory_bytes = 0;  // of its own; 0: it computes in RAM
};

// Thread rule: operations of one device are called by one thread at a time (the step's); create_*, pack_rows
// and unpack may be called beside them.
class Device {
 public:
  virtual ~Device() = default;
  virtual const DeviceInfo& info() const = 0;

  // Null: the device computes in RAM, and an address of its buffers is one of this process.
  virtual DeviceLink* link() { return nullptr; }

  // Contents are zero. Fails with out_of_memory.
  virtual Result<std::unique_ptr<DeviceBuffer>> allocate(size_t bytes) = 0;

  // Room for a matrix, to be filled by pack_rows.
  virtual Result<DeviceMatrix> create_matrix(kernels::WeightType type, uint32_t n_rows, uint32_t n_cols) = 0;
  // pack_rows ranges start at multiples of it.
  virtual uint32_t row_granule() const = 0;
  // Rows [row_begin, row_end) in file layout -> the device's layout. Disjoint ranges may be packed at once by
  // several threads.
  virtual Status pack_rows(DeviceMatrix& matrix, uint32_t row_begin, uint32_t row_end,
                           std::span<const uint8_t> src) = 0;

  struct WorkspaceShape {
    uint32_t n_embd, n_heads, n_ff, max_tokens;
    kernels::KvLayout kv;
  };
  virtual Result<std::unique_ptr<DeviceWorkspace>> create_workspace(const WorkspaceShape& shape) = 0;

  // The operations of a forward pass, in their order; when one returns, nothing uses its pages any more. x is
  // the workspace's residual stream. They fail with out_of_memory or device_lost; a cancelled step is not a
  // failure here.
  virtual Status embed(const StepShape& step, DeviceWorkspace& workspace, const DeviceMatrix& embedding,
                       const int32_t* tokens, float scale) = 0;
  virtual Status attention_input(const StepShape& step, DeviceWorkspace& workspace,
                                 const AttentionInputParams& params) = 0;
  // x -> norm -> q -> rope of a layer whose turn comes later, x being what it is now: q [n_tokens][n_heads *
  // head_dim] in RAM, 64-byte aligned, is a guess of what its attention_input will make. Changes nothing
  // else; keys and values of `params` are not looked at.
  virtual Status project_query(const StepShape& step, DeviceWorkspace& workspace,
                               const AttentionInputParams& params, float* q) = 0;
  // Between attention_input and attention: the queries of the step, [n_tokens][n_heads * head_dim] in RAM,
  // valid until the next operation.
  virtual Result<const float*> queries(const StepShape& step, DeviceWorkspace& workspace) = 0;
  // Only for spans that select, before attention, once or more: attends to their fixed pages and to the
  // granules that are chosen by now. out: one a span.
  virtual Status attend_selected(const StepShape& step, DeviceWorkspace& workspace,
                                 const AttentionParams& params, std::span<AttentionSums> out) = 0;
  virtual Status attention(const StepShape& step, DeviceWorkspace& workspace,
                           const AttentionParams& params) = 0;
  // After attention with keeps_sums, before the next operation of another kind: of pages that the span has
  // attended to, each once. Done when it returns.
  virtual Status attention_mass(const StepShape& step, DeviceWorkspace& workspace,
                                const AttentionMassParams& params) = 0;
  virtual Status feed_forward(const StepShape& step, DeviceWorkspace& workspace,
                              const FeedForwardParams& params) = 0;
  // Codes and records into RAM, of a compact page those of its decoded numbers; done when it returns.
  virtual Status summarize(const kernels::KvLayout& layout, std::span<const PageAbstract> pages) = 0;
  // Plain pages of the layout into compact ones, both in the device's memory; done when it returns.
  virtual Status compact(const kernels::KvLayout& layout, std::span<PageCompaction> pages) = 0;
  // Rows of x named by `rows` -> norm -> head -> logits [rows.size()][n_vocab], multiplied by logit_scale.
  virtual Status logits(const StepShape& step, DeviceWorkspace& workspace, const float* norm,
                        const DeviceMatrix& head, std::span<const uint32_t> rows, float logit_scale,
                        float* logits) = 0;
};

}  // namespace leoam
