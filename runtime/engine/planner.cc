#include "runtime/engine/planner.h"

#include <algorithm>
#include <cmath>

#include "runtime/engine/planned_tiers.h"

namespace leoam {
namespace {

// Pieces of which the time of a prefill is summed up; of more, every k-th stands for k.
constexpr uint64_t kSampledPieces = 2048;

// The first is long enough to amortise reading the weights, and short enough that a cancelled piece is soon
// over. Longer ones read older pages less often.
constexpr uint32_t kPieces_tokens[] = {256, 512, 1024, 2048};

// Reading a saved session's head, logs and index, and making its pages known.
constexpr double kReopen_s = 2.8e-3;
constexpr double kReopenPage_s = 0.15e-6;
constexpr double kReopenToken_s = 0.02e-6;

uint64_t workspace_bytes(const ModelConfig& config, uint64_t piece_tokens) {
  // The residual stream, queries, keys, values, the branch, gate and up, twice for their converted rows.
  const uint64_t row_floats =
      2 * (uint64_t{3} * config.n_embd + uint64_t{3} * config.n_heads * config.head_dim +
           uint64_t{2} * config.n_ff);
  return bounded_sum(bounded_product(row_floats * sizeof(float), piece_tokens),
                     uint64_t{config.n_vocab} * sizeof(float));
}

// How long one session's passes take on a machine of these rates.
class Clock {
 public:
  Clock(const ModelHeader& header, const kernels::KvLayout& layout, kernels::PageCodec codec,
        const PlannedTiers& tiers, const Rates& rates)
      : config_(header.config), tiers_(tiers), rates_(rates) {
    kernels::WeightType type = kernels::WeightType::f16;
    for (const kernels::WeightTypeRow& row : kernels::kWeightTypes)
      if (header.quantization == row.traits.name) type = row.type;
    matrix_ = rates.matrix(type);
    attention_ = layout.type == kernels::KvType::int8 ? rates.int8_attention
                                                      : rates.attention[static_cast<size_t>(codec)];
    const double width = double{1} * config_.n_heads * config_.head_dim;
    const double kv_width = double{1} * config_.n_kv_heads * config_.head_dim;
    const double n_embd = config_.n_embd;
    layer_values_ = n_embd * (2 * width + 2 * kv_width + 3.0 * config_.n_ff);
    head_values_ = n_embd * config_.n_vocab;
    value_bytes_ =
        static_cast<double>(header.weight_bytes) / std::max(1.0, static_cast<double>(header.n_parameters));
    layer_token_bytes_ =
        static_cast<double>(kernels::page_bytes(layout, codec)) / std::max(layout.page_tokens, 1u);
    width_ = width;
    const uint32_t group = config_.n_heads / std::max(config_.n_kv_heads, 1u);
    group_ = group;
  }

  // The pass of one token behind n_tokens.
  double decode_s(uint64_t n_tokens) const {
    const double weight_bytes = value_bytes_ * (config_.n_layers * layer_values_ + head_values_);
    const double kv_bytes = layer_token_bytes_ * visible_tokens(static_cast<double>(n_tokens));
    const double compute_s = weight_bytes / matrix_.decode_bytes_per_second +
                             kv_bytes * (attention_.byte_s + group_ * attention_.byte_head_s) +
                             config_.n_layers * rates_.layer_s;
    return std::max(compute_s, read_s(tiers_.read_bytes(n_tokens, 0)));
  }

  double prefill_s(uint64_t n_tokens, uint64_t piece_tokens) const {
    const uint64_t n_pieces = (n_tokens + piece_tokens - 1) / piece_tokens;
    const uint64_t stride = (n_pieces + kSampledPieces - 1) / kSampledPieces;
    double seconds = 0;
    for (uint64_t piece = 0; piece < n_pieces; piece += stride) {
      const uint64_t n_here = std::min(stride, n_pieces - piece);
      const uint64_t begin = (piece + n_here / 2) * piece_tokens;
      seconds += static_cast<double>(n_here) * piece_s(begin, std::min(piece_tokens, n_tokens - begin));
    }
    return seconds;
  }

  // The last piece of a prefill computes as long as it reads.
  bool hides_reads(uint64_t n_tokens, uint64_t piece_tokens) const {
    const uint64_t n = std::min(piece_tokens, n_tokens);
    return piece_compute_s(n_tokens - n, n) >= read_s(tiers_.read_bytes(n_tokens, n));
  }

  double reopen_s(uint64_t n_tokens) const {
    return kReopen_s + kReopenPage_s * static_cast<double>(tiers_.n_pages(n_tokens, 0)) +
           kReopenToken_s * static_cast<double>(n_tokens);
  }

 private:
  double piece_compute_s(uint64_t begin, uint64_t n) const {
    const double count = static_cast<double>(n);
    const double depth = static_cast<double>(begin) + count / 2;
    return 2 * count * config_.n_layers * layer_values_ / matrix_.prefill_operations_per_second +
           4 * count * width_ * visible_tokens(depth) / rates_.prefill_attention_operations_per_second +
           config_.n_layers * rates_.layer_s;
  }

  double piece_s(uint64_t begin, uint64_t n) const {
    const uint64_t written = tiers_.written_bytes(begin + n) -
                             std::min(tiers_.written_bytes(begin + n), tiers_.written_bytes(begin));
    // Not the larger of the two: little RAM takes in little ahead of its use, and what comes in needs a
    // processor that the device's threads have as well. Measured, a piece takes as long as both.
    return piece_compute_s(begin, n) + read_s(tiers_.read_bytes(begin + n, n)) + write_s(written);
  }

  // Tokens that a query at `depth` sees, all layers together.
  double visible_tokens(double depth) const {
    double tokens = 0;
    for (uint32_t layer = 0; layer < config_.n_layers; ++layer)
      tokens +=
          config_.is_sliding(layer) ? std::min(depth, double{1} * config_.sliding_window_tokens) : depth;
    return tokens;
  }

  // A read takes its share of the disk's full rate, and a latency that it shares with those under way beside
  // it; the two measured depths give both.
  double disk_read_rate() const {
    constexpr double kMany = 32;
    constexpr double kFew = 4;
    const double many_s = 1 / rates_.disk_read_bytes_per_second;
    const double few_s = 1 / rates_.disk_few_read_bytes_per_second;
    const double latency_s = std::max(0.0, few_s - many_s) / (1 / kFew - 1 / kMany);
    const double depth = std::clamp(tiers_.reads_at_once(), 1.0, kMany);
    return 1 / (many_s + latency_s * (1 / depth - 1 / kMany));
  }

  double read_s(uint64_t bytes) const {
    return bytes == 0 ? 0 : static_cast<double>(bytes) / disk_read_rate();
  }
  double write_s(uint64_t bytes) const {
    return bytes == 0 ? 0 : static_cast<double>(bytes) / rates_.disk_write_bytes_per_second;
  }

  const ModelConfig& config_;
  const PlannedTiers& tiers_;
  const Rates& rates_;
  Rates::Matrix matrix_;
  Rates::Attention attention_;
  double layer_values_ = 0;  // weights of a layer
  double head_values_ = 0;
  double value_bytes_ = 0;
  double layer_token_bytes_ = 0;
  double width_ = 0;
  double group_ = 0;
};

kernels::KvLayout layout_of(const ModelConfig& config, const PlanRequest& request) {
  return {request.kv_type, config.n_kv_heads, config.head_dim, request.page_tokens};
}

PlannedTiers tiers_of(const ModelConfig& config, const PlanRequest& request, uint32_t piece_tokens) {
  return {config,       layout_of(config, request),   request.page_codec,
          piece_tokens, request.host_kv_budget_bytes, request.disk_kv_budget_bytes};
}

uint64_t context_of(const ModelConfig& config, const PlanRequest& request) {
  return request.context_tokens == 0 ? config.context_tokens : request.context_tokens;
}

}  // namespace

CodecChoice plan_page_codec(const ModelHeader& header, const PlanRequest& wish, const Rates* rates) {
  constexpr double kAsFast = 1.03;
  PlanRequest request = wish;
  request.kv_type = kernels::KvType::f16;
  const ModelConfig& config = header.config;
  const uint32_t piece_tokens = request.piece_tokens == 0 ? kPieces_tokens[0] : request.piece_tokens;
  CodecChoice choice;
  choice.n_tokens = std::min<uint64_t>(context_of(config, request), INT32_MAX);
  choice.host_kv_budget_bytes = request.host_kv_budget_bytes;
  if (rates) choice.disk_read_bytes_per_second = rates->disk_read_bytes_per_second;
  double least_s = INFINITY;
  for (size_t i = 0; i < kernels::kPageCodecs && kCodecDivergence[i] <= request.most_kv_divergence; ++i) {
    choice.codec = request.page_codec = static_cast<kernels::PageCodec>(i);
    const PlannedTiers tiers = tiers_of(config, request, piece_tokens);
    choice.read_bytes[i] = tiers.read_bytes(choice.n_tokens, 0);
    if (!rates && tiers.fits_ram(choice.n_tokens)) return choice;
    if (!rates || !tiers.fits_with_disk(choice.n_tokens)) continue;
    const Clock clock(header, layout_of(config, request), request.page_codec, tiers, *rates);
    choice.decode_s[i] = clock.decode_s(choice.n_tokens);
    least_s = std::min(least_s, choice.decode_s[i]);
  }
  // Where none fits it stays the smallest.
  for (size_t i = kernels::kPageCodecs; i-- > 0;)
    if (choice.decode_s[i] > 0 && choice.decode_s[i] <= kAsFast * least_s)
      choice.codec = static_cast<kernels::PageCodec>(i);
  return choice;
}

uint32_t plan_piece_tokens(const ModelHeader& header, const PlanRequest& wish, const Rates* rates) {
  PlanRequest request = wish;
  if (wish.choose_kv_type) request.page_codec = plan_page_codec(header, wish, rates).codec;
  const ModelConfig& config = header.config;
  const uint64_t n = context_of(config, request);
  const uint32_t smallest = kPieces_tokens[0];
  if (!rates || n == 0 || n > INT32_MAX || tiers_of(config, request, smallest).fits_ram(n)) return smallest;
  uint32_t best = smallest;
  double best_s = 0;
  for (const uint32_t piece_tokens : kPieces_tokens) {
    const PlannedTiers tiers = tiers_of(config, request, piece_tokens);
    // A longer one needs more.
    if (!tiers.fits_with_disk(n)) break;
    const Clock clock(header, layout_of(config, request), request.page_codec, tiers, *rates);
    if (clock.hides_reads(n, piece_tokens)) return piece_tokens;
    const double seconds = clock.prefill_s(n, piece_tokens);
    if (best_s == 0 || seconds < best_s) {
      best = piece_tokens;
      best_s = seconds;
    }
  }
  return best;
}

Plan make_plan(const ModelHeader& header, const PlanRequest& wish, const Rates* rates) {
  PlanRequest request = wish;
  if (wish.choose_kv_type) {
    request.choose_kv_type = false;
    request.kv_type = kernels::KvType::f16;
    request.page_codec = plan_page_codec(header, wish, rates).codec;
  }
  const ModelConfig& config = header.config;
  const kernels::KvLayout layout = layout_of(config, request);
  Plan plan;
  plan.kv_type = request.kv_type;
  plan.page_codec = request.page_codec;
  plan.piece_tokens =
      request.piece_tokens == 0 ? plan_piece_tokens(header, request, rates) : request.piece_tokens;
  const uint64_t piece_tokens = plan.piece_tokens;
  const PlannedTiers tiers = tiers_of(config, request, plan.piece_tokens);
  plan.context_tokens = context_of(config, request);
  const bool possible = plan.context_tokens <= INT32_MAX;
  const uint64_t n = std::min<uint64_t>(plan.context_tokens, INT32_MAX);
  plan.weight_bytes = header.weight_bytes;
  plan.kv_token_bytes =
      bounded_product(kernels::page_bytes(layout, request.page_codec) / layout.page_tokens, config.n_layers);
  plan.kv_bytes = tiers.kv_bytes(n);
  plan.workspace_bytes = workspace_bytes(config, std::min(piece_tokens, n));
  plan.fits = possible && tiers.fits_ram(n);
  plan.fits_with_disk = possible && tiers.fits_with_disk(n);
  plan.fitting_tokens = PlannedTiers::longest([&](uint64_t tokens) { return tiers.fits_ram(tokens); });
  plan.fitting_with_disk_tokens =
      PlannedTiers::longest([&](uint64_t tokens) { return tiers.fits_with_disk(tokens); });
  plan.host_kv_bytes = tiers.host_bytes(n);
  plan.total_bytes = bounded_sum(plan.weight_bytes, bounded_sum(plan.host_kv_bytes, plan.workspace_bytes));
  plan.session_file_bytes = request.saved ? tiers.session_file_bytes(n, config.n_vocab) : 0;
  plan.disk_kv_bytes = bounded_sum(tiers.scratch_file_bytes(n), plan.session_file_bytes);
  plan.disk_written_bytes = bounded_sum(tiers.written_bytes(n), plan.session_file_bytes);
  plan.token_read_bytes = tiers.read_bytes(n, 0);
  if (!rates || !plan.fits_with_disk || n == 0) return plan;
  const Clock clock(header, layout, request.page_codec, tiers, *rates);
  plan.prefill_tokens_per_second = static_cast<double>(n) / clock.prefill_s(n, piece_tokens);
  plan.decode_tokens_per_second = 1 / clock.decode_s(n);
  plan.reopen_s = clock.reopen_s(n);
  return plan;
}

}  // namespace leoam
