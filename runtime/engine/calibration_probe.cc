// What calibration measures, on made-up weights and pages that are larger than the caches.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>
#include <vector>

#include "runtime/engine/calibration.h"
#include "runtime/engine/calibration_disk.h"

namespace leoam {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kBeyondCaches_bytes = uint64_t{64} << 20;
constexpr uint32_t kPiece_tokens = 256;
constexpr uint32_t kRuns = 7;
constexpr double kMostRuns_s = 0.1;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The middle one of some runs, in seconds; > 0. Of fewer, where the machine is slow or busy.
template <class Work>
Result<double> middle(const CancelFlag* cancel, const Work& work) {
  std::vector<double> runs;
  const Clock::time_point begin = Clock::now();
  while (runs.size() < kRuns && (runs.empty() || seconds_since(begin) < kMostRuns_s)) {
    LEOAM_RETURN_IF_ERROR(check_cancelled(cancel));
    const Clock::time_point start = Clock::now();
    LEOAM_RETURN_IF_ERROR(work());
    runs.push_back(seconds_since(start));
  }
  LEOAM_RETURN_IF_ERROR(check_cancelled(cancel));
  std::sort(runs.begin(), runs.end());
  return std::max(runs[runs.size() / 2], 1e-9);
}

Result<DeviceMatrix> make_matrix(Device& device, kernels::WeightType type, uint32_t n_rows, uint32_t n_cols) {
  const kernels::WeightTypeTraits& traits = *kernels::weight_type_traits(static_cast<int32_t>(type));
  LEOAM_ASSIGN_OR_RETURN(DeviceMatrix matrix, device.create_matrix(type, n_rows, n_cols));
  const std::vector<uint8_t> zeros(size_t{n_cols} / traits.block_values * traits.block_bytes * n_rows);
  LEOAM_RETURN_IF_ERROR(device.pack_rows(matrix, 0, n_rows, zeros));
  return matrix;
}

uint64_t file_bytes(const DeviceMatrix& matrix) {
  const kernels::WeightTypeTraits& traits =
      *kernels::weight_type_traits(static_cast<int32_t>(matrix.packed.type));
  return uint64_t{matrix.packed.n_rows} * (matrix.packed.n_cols / traits.block_values) * traits.block_bytes;
}

// Layers of one shape, and steps through them.
class Layers {
 public:
  struct Shape {
    uint32_t n_embd, n_heads, n_kv_heads, n_ff;
    kernels::WeightType type;
    kernels::KvType kv_type = kernels::KvType::f16;
  };

  Layers(Device& device, const Shape& shape, const CancelFlag* cancel)
      : device_(device), shape_(shape), norm_(shape.n_embd, 1.0f), turn_(size_t{kPiece_tokens} * kHead / 2) {
    step_.n_embd = shape.n_embd;
    step_.n_heads = shape.n_heads;
    step_.n_ff = shape.n_ff;
    step_.norm_eps = 1e-5f;
    step_.kv = {shape.kv_type, shape.n_kv_heads, kHead, kPage_tokens};
    step_.spans = {&span_, 1};
    step_.pages = {&pages_, 1};
    step_.cancel = cancel;
  }

  Status prepare() {
    LEOAM_ASSIGN_OR_RETURN(workspace_, device_.create_workspace({shape_.n_embd, shape_.n_heads, shape_.n_ff,
                                                                 kPiece_tokens, step_.kv}));
    LEOAM_ASSIGN_OR_RETURN(embedding_, make_matrix(device_, kernels::WeightType::f32, 64, shape_.n_embd));
    const uint32_t width = shape_.n_heads * kHead;
    const uint32_t kv_width = shape_.n_kv_heads * kHead;
    LEOAM_ASSIGN_OR_RETURN(q_, make_matrix(device_, shape_.type, width, shape_.n_embd));
    LEOAM_ASSIGN_OR_RETURN(k_, make_matrix(device_, shape_.type, kv_width, shape_.n_embd));
    LEOAM_ASSIGN_OR_RETURN(v_, make_matrix(device_, shape_.type, kv_width, shape_.n_embd));
    LEOAM_ASSIGN_OR_RETURN(o_, make_matrix(device_, shape_.type, shape_.n_embd, width));
    return {};
  }

  // Feed-forward parts of `bytes` together, at least two. They start with the values of the first.
  Status add_feed_forwards(uint64_t bytes) {
    for (uint64_t have = 0; have < bytes || feed_forwards_.size() < 2;) {
      LEOAM_RETURN_IF_ERROR(check_cancelled(step_.cancel));
      FeedForward part;
      LEOAM_ASSIGN_OR_RETURN(part.gate, make_matrix(device_, shape_.type, shape_.n_ff, shape_.n_embd));
      LEOAM_ASSIGN_OR_RETURN(part.up, make_matrix(device_, shape_.type, shape_.n_ff, shape_.n_embd));
      LEOAM_ASSIGN_OR_RETURN(part.down, make_matrix(device_, shape_.type, shape_.n_embd, shape_.n_ff));
      have += file_bytes(part.gate) + file_bytes(part.up) + file_bytes(part.down);
      feed_forwards_.push_back(std::move(part));
    }
    return {};
  }
  uint64_t feed_forward_bytes() const {
    uint64_t bytes = 0;
    for (const FeedForward& part : feed_forwards_)
      bytes += file_bytes(part.gate) + file_bytes(part.up) + file_bytes(part.down);
    return bytes;
  }
  double feed_forward_operations() const { return 6.0 * shape_.n_ff * shape_.n_embd; }

  // KV of n_tokens, written as a forward pass writes it: memory that was never written would not be read
  // either.
  Status add_pages(uint32_t n_tokens) {
    const size_t page_bytes = step_.kv.page_bytes();
    LEOAM_ASSIGN_OR_RETURN(kv_, device_.allocate(n_tokens / kPage_tokens * page_bytes));
    for (uint32_t i = 0; i < n_tokens / kPage_tokens; ++i)
      refs_.push_back({kv_->data() + i * page_bytes, static_cast<int32_t>(i * kPage_tokens),
                       static_cast<int32_t>(kPage_tokens)});
    for (uint32_t at = 0; at < n_tokens; at += kPiece_tokens) {
      LEOAM_RETURN_IF_ERROR(check_cancelled(step_.cancel));
      LEOAM_RETURN_IF_ERROR(begin(kPiece_tokens, at));
      LEOAM_RETURN_IF_ERROR(attention_input());
    }
    return {};
  }
  // The same KV in a codec, from now on.
  Status encode(kernels::PageCodec codec) {
    const size_t page_bytes = kernels::page_bytes(step_.kv, codec);
    LEOAM_ASSIGN_OR_RETURN(std::unique_ptr<DeviceBuffer> compact,
                           device_.allocate(refs_.size() * page_bytes));
    std::vector<PageCompaction> jobs;
    for (size_t i = 0; i < refs_.size(); ++i)
      jobs.push_back({kv_->data() + i * step_.kv.page_bytes(), compact->data() + i * page_bytes, codec});
    LEOAM_RETURN_IF_ERROR(device_.compact(step_.kv, jobs));
    // The last stays open.
    for (size_t i = 0; i + 1 < refs_.size(); ++i) {
      refs_[i].data = jobs[i].to;
      refs_[i].codec = codec;
    }
    codec_ = codec;
    compact_ = std::move(compact);
    return {};
  }
  uint64_t token_bytes() const { return kernels::page_bytes(step_.kv, codec_) / kPage_tokens; }
  uint64_t kv_bytes() const { return n_tokens() * token_bytes(); }
  uint32_t n_tokens() const { return static_cast<uint32_t>(refs_.size()) * kPage_tokens; }
  double query_token_operations() const { return 4.0 * shape_.n_heads * kHead; }

  Status begin(uint32_t n, uint32_t first_position) {
    step_.n_tokens = n;
    span_ = {0, n, static_cast<int32_t>(first_position)};
    const std::vector<int32_t> tokens(n);
    return device_.embed(step_, *workspace_, embedding_, tokens.data(), 1.0f);
  }
  Status attention_input() {
    const uint32_t first = static_cast<uint32_t>(span_.first_position) / kPage_tokens;
    const uint32_t last = (static_cast<uint32_t>(span_.first_position) + span_.n_tokens - 1) / kPage_tokens;
    pages_ = {refs_.data() + first, last - first + 1};
    AttentionInputParams params;
    params.norm = norm_.data();
    params.q = &q_;
    params.k = &k_;
    params.v = &v_;
    params.n_rot = kHead;
    params.rope_cos = turn_.data();
    params.rope_sin = turn_.data();
    return device_.attention_input(step_, *workspace_, params);
  }
  Status attention() {
    const uint32_t last = (static_cast<uint32_t>(span_.first_position) + span_.n_tokens - 1) / kPage_tokens;
    pages_ = {refs_.data(), last + 1};
    AttentionParams params;
    params.scale = 0.125f;
    params.o = &o_;
    return device_.attention(step_, *workspace_, params);
  }
  Status feed_forward(size_t index) {
    FeedForwardParams params;
    params.norm = norm_.data();
    params.gate = &feed_forwards_[index].gate;
    params.up = &feed_forwards_[index].up;
    params.down = &feed_forwards_[index].down;
    return device_.feed_forward(step_, *workspace_, params);
  }
  size_t n_feed_forwards() const { return feed_forwards_.size(); }

 private:
  struct FeedForward {
    DeviceMatrix gate, up, down;
  };
  static constexpr uint32_t kHead = 64;
  static constexpr uint32_t kPage_tokens = 32;

  Device& device_;
  const Shape shape_;
  const std::vector<float> norm_;
  const std::vector<float> turn_;  // no rotation matters here: its cost is in none of the figures
  StepShape step_;
  SequenceSpan span_;
  LayerPages pages_;
  std::unique_ptr<DeviceWorkspace> workspace_;
  DeviceMatrix embedding_, q_, k_, v_, o_;
  std::vector<FeedForward> feed_forwards_;
  std::unique_ptr<DeviceBuffer> kv_;
  std::unique_ptr<DeviceBuffer> compact_;
  kernels::PageCodec codec_ = kernels::PageCodec::plain;
  std::vector<kernels::KvPageRef> refs_;
};

constexpr kernels::WeightType kMeasured[kRateClasses] = {kernels::WeightType::q4_1, kernels::WeightType::q4_k,
                                                         kernels::WeightType::q6_k, kernels::WeightType::q8_0,
                                                         kernels::WeightType::f16};

Status measure_matrices(Device& device, const CancelFlag* cancel, Rates* rates) {
  for (const kernels::WeightType type : kMeasured) {
    Layers layers(device, {768, 12, 4, 2048, type}, cancel);
    LEOAM_RETURN_IF_ERROR(layers.prepare());
    LEOAM_RETURN_IF_ERROR(layers.add_feed_forwards(kBeyondCaches_bytes));
    Rates::Matrix& rate = rates->matrices[static_cast<size_t>(rate_class(type))];
    LEOAM_RETURN_IF_ERROR(layers.begin(1, 0));
    LEOAM_ASSIGN_OR_RETURN(const double decode_s, middle(cancel, [&]() -> Status {
                             for (size_t i = 0; i < layers.n_feed_forwards(); ++i)
                               LEOAM_RETURN_IF_ERROR(layers.feed_forward(i));
                             return {};
                           }));
    rate.decode_bytes_per_second = static_cast<double>(layers.feed_forward_bytes()) / decode_s;
    LEOAM_RETURN_IF_ERROR(layers.begin(kPiece_tokens, 0));
    LEOAM_ASSIGN_OR_RETURN(const double prefill_s, middle(cancel, [&] { return layers.feed_forward(0); }));
    rate.prefill_operations_per_second = kPiece_tokens * layers.feed_forward_operations() / prefill_s;
  }
  return {};
}

// Seconds for a byte of KV, in decode of one token.
Result<double> attention_byte_s(Layers& layers, const CancelFlag* cancel) {
  LEOAM_RETURN_IF_ERROR(layers.begin(1, layers.n_tokens() - 1));
  LEOAM_RETURN_IF_ERROR(layers.attention_input());
  LEOAM_ASSIGN_OR_RETURN(const double s, middle(cancel, [&] { return layers.attention(); }));
  return s / static_cast<double>(layers.kv_bytes());
}

constexpr uint32_t kKvHeads = 4;
constexpr uint32_t kFewHeads = 2;  // query heads of a KV head

Status measure_prefill_attention(Layers& layers, const CancelFlag* cancel, Rates* rates) {
  constexpr uint32_t kDepth_tokens = 8192;
  constexpr uint32_t kMeanDepth_tokens = kDepth_tokens - kPiece_tokens / 2;
  LEOAM_RETURN_IF_ERROR(layers.begin(kPiece_tokens, kDepth_tokens - kPiece_tokens));
  LEOAM_RETURN_IF_ERROR(layers.attention_input());
  LEOAM_ASSIGN_OR_RETURN(const double s, middle(cancel, [&] { return layers.attention(); }));
  rates->prefill_attention_operations_per_second =
      layers.query_token_operations() * kPiece_tokens * kMeanDepth_tokens / s;
  return {};
}

// Of pages as they are written, then of each codec, as far as `attention` reaches; `prefill` may be null.
Status measure_attention(Device& device, kernels::KvType kv_type, const CancelFlag* cancel,
                         std::span<Rates::Attention> attention, Rates* prefill) {
  constexpr uint32_t kManyHeads = 8;
  Layers few(device, {64, kKvHeads * kFewHeads, kKvHeads, 64, kernels::WeightType::q8_0, kv_type}, cancel);
  LEOAM_RETURN_IF_ERROR(few.prepare());
  const auto n_tokens =
      static_cast<uint32_t>(kBeyondCaches_bytes / few.token_bytes() / kPiece_tokens * kPiece_tokens);
  LEOAM_RETURN_IF_ERROR(few.add_pages(n_tokens));
  if (prefill) LEOAM_RETURN_IF_ERROR(measure_prefill_attention(few, cancel, prefill));

  Layers many(device, {64, kKvHeads * kManyHeads, kKvHeads, 64, kernels::WeightType::q8_0, kv_type}, cancel);
  LEOAM_RETURN_IF_ERROR(many.prepare());
  LEOAM_RETURN_IF_ERROR(many.add_pages(n_tokens));
  for (size_t codec = 0; codec < attention.size(); ++codec) {
    for (Layers* layers : {&few, &many})
      if (codec != 0) LEOAM_RETURN_IF_ERROR(layers->encode(static_cast<kernels::PageCodec>(codec)));
    LEOAM_ASSIGN_OR_RETURN(const double few_s, attention_byte_s(few, cancel));
    LEOAM_ASSIGN_OR_RETURN(const double many_s, attention_byte_s(many, cancel));
    attention[codec].byte_head_s = std::max(0.0, (many_s - few_s) / (kManyHeads - kFewHeads));
    attention[codec].byte_s = std::max(0.0, few_s - kFewHeads * attention[codec].byte_head_s);
  }
  return {};
}

// A layer so small that only what every layer costs is left.
Status measure_layer(Device& device, const CancelFlag* cancel, Rates* rates) {
  constexpr uint32_t kLayers = 50;
  Layers layers(device, {64, 2, 1, 64, kernels::WeightType::q8_0}, cancel);
  LEOAM_RETURN_IF_ERROR(layers.prepare());
  LEOAM_RETURN_IF_ERROR(layers.add_feed_forwards(0));
  LEOAM_RETURN_IF_ERROR(layers.add_pages(kPiece_tokens));
  LEOAM_RETURN_IF_ERROR(layers.begin(1, 0));
  LEOAM_ASSIGN_OR_RETURN(const double s, middle(cancel, [&]() -> Status {
                           for (uint32_t i = 0; i < kLayers; ++i) {
                             LEOAM_RETURN_IF_ERROR(layers.attention_input());
                             LEOAM_RETURN_IF_ERROR(layers.attention());
                             LEOAM_RETURN_IF_ERROR(layers.feed_forward(0));
                           }
                           return {};
                         }));
  rates->layer_s = s / kLayers;
  return {};
}

}  // namespace

Result<Rates> measure_rates(Device& device, FileSystem& files, const std::string& folder,
                            const CancelFlag* cancel) {
  Rates rates;
  LEOAM_RETURN_IF_ERROR(measure_matrices(device, cancel, &rates));
  LEOAM_RETURN_IF_ERROR(measure_attention(device, kernels::KvType::f16, cancel, rates.attention, &rates));
  LEOAM_RETURN_IF_ERROR(
      measure_attention(device, kernels::KvType::int8, cancel, {&rates.int8_attention, 1}, nullptr));
  LEOAM_RETURN_IF_ERROR(measure_layer(device, cancel, &rates));
  if (!folder.empty()) {
    Status status = measure_disk(files, folder, cancel, &rates);
    if (status.kind() == ErrorKind::cancelled) return status;
    // Without one there is no disk tier, which the plan says.
  }
  return rates;
}

}  // namespace leoam
