// Attention to means of chunks over Simd, in batches: scores with channels in the lanes, one step of the
// online softmax, then the weighted sum of mean values.
#pragma once

#include "kernels/attention/attention.h"
#include "kernels/chunk_bounds/chunk_record.h"
#include "kernels/simd/head_parts.h"
#include "kernels/simd/simd.h"

namespace leoam::kernels {
namespace {

constexpr uint32_t kBatch = 64;
// Query heads computed together; larger groups are cut into equal parts.
constexpr uint32_t kMaxHeads = 4;

// Entries with tokens, at most kBatch.
struct EstimateBatch {
  uint32_t n;
  const uint8_t* records[kBatch];
  float value_scales[kBatch];
  alignas(64) float counts[kBatch];
};

LEOAM_INLINE Simd::Float signed_numbers(const uint8_t* at) {
  return Simd::to_float(Simd::load_bytes(reinterpret_cast<const int8_t*>(at)));
}

// scores: rows kBatch apart.
template <uint32_t kHeads>
LEOAM_INLINE void score_means(const EstimateBatch& batch, uint32_t head_dim, const float* q, float scale,
                              float* scores) {
  const size_t offset = ChunkLayout{head_dim}.mean_key_offset();
  for (uint32_t i = 0; i < batch.n; ++i) {
    Simd::Float sums[kHeads];
    LEOAM_UNROLL
    for (uint32_t h = 0; h < kHeads; ++h) sums[h] = Simd::zero();
    for (uint32_t c = 0; c < head_dim; c += Simd::kLanes) {
      const Simd::Float key = signed_numbers(batch.records[i] + offset + c);
      const uint32_t rest = head_dim - c;
      LEOAM_UNROLL
      for (uint32_t h = 0; h < kHeads; ++h) {
        const float* at = q + size_t{h} * head_dim + c;
        sums[h] = Simd::fma(key, rest < Simd::kLanes ? Simd::load_first(at, rest) : Simd::load(at), sums[h]);
      }
    }
    const float unit = chunk_header(batch.records[i]).key_scale * scale;
    LEOAM_UNROLL
    for (uint32_t h = 0; h < kHeads; ++h) scores[h * kBatch + i] = Simd::sum(sums[h]) * unit;
  }
}

// Scores -> factors of values, and the state's maximum and sum. Returns the factor for what the state has
// accumulated.
LEOAM_INLINE float soften_means(const EstimateBatch& batch, float* scores, float* partial) {
  float maximum = partial[kPartialMaximum];
  for (uint32_t i = 0; i < batch.n; ++i) maximum = scores[i] > maximum ? scores[i] : maximum;
  const Simd::Float top = Simd::broadcast(maximum);
  Simd::Float sum = Simd::zero();
  for (uint32_t i = 0; i < batch.n; i += Simd::kLanes) {
    const uint32_t n = batch.n - i < Simd::kLanes ? batch.n - i : Simd::kLanes;
    const Simd::Float weight = exp(Simd::load(scores + i) - top) * Simd::load(batch.counts + i);
    const Simd::Float counted = Simd::select_lanes(weight, 0, n, Simd::zero());
    sum = sum + counted;
    Simd::store(scores + i, counted * Simd::load(batch.value_scales + i));
  }
  const float rescale = exp(partial[kPartialMaximum] - maximum);
  partial[kPartialMaximum] = maximum;
  partial[kPartialSum] = partial[kPartialSum] * rescale + Simd::sum(sum);
  return rescale;
}

// kVectors vectors of output from `channel` on.
template <uint32_t kHeads, uint32_t kVectors>
LEOAM_INLINE void add_means(const EstimateBatch& batch, uint32_t head_dim, uint32_t channel,
                            const float* factors, const float* rescale, float* partials, size_t stride) {
  const size_t offset = ChunkLayout{head_dim}.mean_value_offset() + channel;
  float* output = partials + kPartialOutput + channel;
  Simd::Float sums[kHeads][kVectors];
  LEOAM_UNROLL
  for (uint32_t h = 0; h < kHeads; ++h) {
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v) {
      sums[h][v] = Simd::load(output + h * stride + v * Simd::kLanes) * Simd::broadcast(rescale[h]);
    }
  }
  for (uint32_t i = 0; i < batch.n; ++i) {
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v) {
      const Simd::Float value = signed_numbers(batch.records[i] + offset + v * Simd::kLanes);
      LEOAM_UNROLL
      for (uint32_t h = 0; h < kHeads; ++h) {
        sums[h][v] = Simd::fma(value, Simd::broadcast(factors[h * kBatch + i]), sums[h][v]);
      }
    }
  }
  LEOAM_UNROLL
  for (uint32_t h = 0; h < kHeads; ++h) {
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v) Simd::store(output + h * stride + v * Simd::kLanes, sums[h][v]);
  }
}

template <uint32_t kHeads>
[[gnu::noinline]] void add_batch(const AttentionEstimatesParams& params, const EstimateBatch& batch,
                                 uint32_t first_head, float* partials) {
  const uint32_t dim = params.head_dim;
  const size_t stride = attention_partial_floats(dim);
  alignas(64) float scores[kHeads * kBatch];
  float rescale[kHeads];
  partials += first_head * stride;
  score_means<kHeads>(batch, dim, params.q + size_t{first_head} * dim, params.scale, scores);
  for (uint32_t h = 0; h < kHeads; ++h) {
    rescale[h] = soften_means(batch, scores + h * kBatch, partials + h * stride);
  }
  // Records and outputs are padded to 16 channels.
  constexpr uint32_t kWide = Simd::kRegisters == 32 ? 4 : 2;
  uint32_t c = 0;
  for (; c + kWide * Simd::kLanes <= dim; c += kWide * Simd::kLanes) {
    add_means<kHeads, kWide>(batch, dim, c, scores, rescale, partials, stride);
  }
  for (; c < dim; c += Simd::kLanes) add_means<kHeads, 1>(batch, dim, c, scores, rescale, partials, stride);
}

LEOAM_INLINE void add_batch_to_group(const AttentionEstimatesParams& params, const EstimateBatch& batch,
                                     float* partials) {
  for_each_part<kMaxHeads>(params.group, [&]<uint32_t kHeads>(uint32_t first_head) {
    add_batch<kHeads>(params, batch, first_head, partials);
  });
}

LEOAM_INLINE void attention_estimates_simd(const AttentionEstimatesParams& params, float* partials) {
  const size_t stride = attention_partial_floats(params.head_dim);
  for (size_t i = 0; i < params.group * stride; i += Simd::kLanes) Simd::store(partials + i, Simd::zero());
  for (uint32_t g = 0; g < params.group; ++g) partials[g * stride + kPartialMaximum] = -__builtin_inff();
  EstimateBatch batch;
  batch.n = 0;
  for (uint32_t i = 0; i < params.n_estimates; ++i) {
    const AttentionEstimate& estimate = params.estimates[i];
    if (i + kRecordsAhead < params.n_estimates && params.estimates[i + kRecordsAhead].count > 0) {
      prefetch_record(params.estimates[i + kRecordsAhead].record,
                      ChunkLayout{params.head_dim}.record_bytes());
    }
    if (!(estimate.count > 0)) continue;
    batch.records[batch.n] = estimate.record;
    batch.value_scales[batch.n] = chunk_header(estimate.record).value_scale;
    batch.counts[batch.n] = estimate.count;
    if (++batch.n < kBatch) continue;
    add_batch_to_group(params, batch, partials);
    batch.n = 0;
  }
  if (batch.n > 0) add_batch_to_group(params, batch, partials);
}

}  // namespace
}  // namespace leoam::kernels
