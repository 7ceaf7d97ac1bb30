#include "kernels/cpu_table.h"

namespace leoam::kernels {
namespace {

constexpr CpuTable kTables[] = {
    {CpuLevel::scalar, &kMatmulScalar, kv_append_scalar, attention_decode_scalar, attention_merge_scalar,
     attention_prefill_scalar, rms_norm_scalar, rope_scalar, swiglu_scalar, geglu_scalar, softmax_scalar,
     logits_maximum_scalar, logits_exp_sum_scalar, logits_above_scalar},
    {CpuLevel::avx2, &kMatmulAvx2, kv_append_avx2, attention_decode_avx2, attention_merge_avx2,
     attention_prefill_avx2, rms_norm_avx2, rope_avx2, swiglu_avx2, geglu_avx2, softmax_avx2,
     logits_maximum_avx2, logits_exp_sum_avx2, logits_above_avx2},
    {CpuLevel::avx512, &kMatmulAvx512, kv_append_avx512, attention_decode_avx512, attention_merge_avx512,
     attention_prefill_avx512, rms_norm_avx512, rope_avx512, swiglu_avx512, geglu_avx512, softmax_avx512,
     logits_maximum_avx512, logits_exp_sum_avx512, logits_above_avx512},
};

}  // namespace

const CpuTable& cpu_table(CpuLevel level) {
  return kTables[static_cast<int>(level)];
}

}  // namespace leoam::kernels
