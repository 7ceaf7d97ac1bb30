// The kernels of one CPU level, one function pointer an operation. A level without its own variant of an
// operation has the next lower one's. A later AMX level adds a row here and files beside its operations.
#pragma once

#include "kernels/activation/activation.h"
#include "kernels/attention/attention.h"
#include "kernels/chunk_bounds/chunk_bounds.h"
#include "kernels/cpu_features.h"
#include "kernels/key_codes/key_codes.h"
#include "kernels/kv_append/kv_append.h"
#include "kernels/matmul/matmul.h"
#include "kernels/norm/rms_norm.h"
#include "kernels/page_codec/page_codec.h"
#include "kernels/rope/rope.h"
#include "kernels/sampling/sampling.h"
#include "kernels/softmax/softmax.h"

namespace leoam::kernels {

struct CpuTable {
  CpuLevel level;
  const MatmulTable* matmul;
  KvAppendFunction* kv_append;
  PageEncodeFunction* page_encode;
  PageDecodeFunction* page_decode;
  AttentionDecodeFunction* attention_decode;
  AttentionGranulesFunction* attention_granules;
  AttentionGranulesFunction* attention_tokens;
  AttentionEstimatesFunction* attention_estimates;
  AttentionRestFunction* attention_rest;
  AttentionMergeFunction* attention_merge;
  AttentionPrefillFunction* attention_prefill;
  AttentionMassFunction* attention_mass;
  KeyCodeEncodeFunction* key_code_encode;
  KeyCodeScoreFunction* key_code_score;
  GranuleSumFunction* granule_sum;
  GranuleMassFunction* granule_mass;
  GranuleRestFunction* granule_rest;
  ChunkOfPageFunction* chunk_of_page;
  ChunkMergeFunction* chunk_merge;
  ChunkScoreFunction* chunk_score;
  RmsNormFunction* rms_norm;
  RopeFunction* rope;
  GatedActivationFunction* swiglu;
  GatedActivationFunction* geglu;
  SoftmaxFunction* softmax;
  LogitsMaximumFunction* logits_maximum;
  LogitsExpSumFunction* logits_exp_sum;
  LogitsAboveFunction* logits_above;
};

// `level` must not exceed best_cpu_level().
const CpuTable& cpu_table(CpuLevel level);

}  // namespace leoam::kernels
