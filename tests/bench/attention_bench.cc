// Attention kernels against the limits of one core, measured in the same run: decode in GB/s of KV against a
// streaming read of the same memory and in tokens of one KV head, prefill in GFLOP/s against chains of FMA
// that wait for nothing.
//
//   attention_bench [rounds [all|decode|prefill [n_shapes]]]
#include <immintrin.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "kernels/attention/attention.h"
#include "kernels/cpu_features.h"
#include "kernels/kv_append/kv_append.h"
#include "kernels/page_codec/page_codec.h"

namespace {

using namespace leoam::kernels;

struct Aligned {
  explicit Aligned(size_t bytes)
      : data(static_cast<uint8_t*>(std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096))) {
    std::memset(data, 0, bytes);
  }
  ~Aligned() { std::free(data); }
  Aligned(const Aligned&) = delete;
  Aligned& operator=(const Aligned&) = delete;
  uint8_t* data;
};

// Of this thread's own running: other programs on the machine count less.
double now() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double seconds(const std::function<void()>& work) {
  const double start = now();
  work();
  return now() - start;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

volatile float sink;

float stream_sum(const uint8_t* data, size_t bytes) {
  __m128 sums[8] = {};
  for (size_t i = 0; i + 128 <= bytes; i += 128) {
    for (size_t k = 0; k < 8; ++k) {
      sums[k] = _mm_xor_ps(sums[k], _mm_load_ps(reinterpret_cast<const float*>(data + i) + 4 * k));
    }
  }
  for (int k = 1; k < 8; ++k) sums[0] = _mm_xor_ps(sums[0], sums[k]);
  return _mm_cvtss_f32(sums[0]);
}

constexpr int kFmaRounds = 400000;
constexpr int kFmaChains = 12;

__attribute__((target("avx512f"))) double fma_flops_avx512() {
  __m512 chains[kFmaChains];
  for (auto& chain : chains) chain = _mm512_set1_ps(1.0f);
  const __m512 factor = _mm512_set1_ps(0.999f);
  for (int i = 0; i < kFmaRounds; ++i) {
#pragma GCC unroll 12
    for (int k = 0; k < kFmaChains; ++k) chains[k] = _mm512_fmadd_ps(chains[k], factor, factor);
  }
  for (int k = 1; k < kFmaChains; ++k) chains[0] = _mm512_add_ps(chains[0], chains[k]);
  sink = _mm512_cvtss_f32(chains[0]);
  return 2.0 * 16 * kFmaChains * kFmaRounds;
}

__attribute__((target("avx2,fma"))) double fma_flops_avx2() {
  __m256 chains[kFmaChains];
  for (auto& chain : chains) chain = _mm256_set1_ps(1.0f);
  const __m256 factor = _mm256_set1_ps(0.999f);
  for (int i = 0; i < kFmaRounds; ++i) {
#pragma GCC unroll 12
    for (int k = 0; k < kFmaChains; ++k) chains[k] = _mm256_fmadd_ps(chains[k], factor, factor);
  }
  for (int k = 1; k < kFmaChains; ++k) chains[0] = _mm256_add_ps(chains[0], chains[k]);
  sink = _mm256_cvtss_f32(chains[0]);
  return 2.0 * 8 * kFmaChains * kFmaRounds;
}

const char* type_name(KvType type, PageCodec codec) {
  constexpr const char* kCodecs[] = {"plain", "k8v8", "k8v4", "k4v4"};
  if (codec != PageCodec::plain) return kCodecs[static_cast<size_t>(codec)];
  return type == KvType::f32 ? "f32" : type == KvType::f16 ? "f16" : "int8";
}

// KV of some layers, the pages of each in shuffled places.
struct Kv {
  Kv(const KvLayout& shape, PageCodec codec, uint32_t n_layers, uint32_t n_tokens)
      : layout(shape),
        bytes(size_t{n_layers} * (n_tokens / shape.page_tokens) * page_bytes(shape, codec)),
        memory(bytes) {
    const size_t page_size = page_bytes(shape, codec);
    Aligned plain(shape.page_bytes());
    const uint32_t n_pages = n_tokens / layout.page_tokens;
    std::mt19937 random(1);
    std::uniform_real_distribution<float> uniform(-1, 1);
    std::vector<float> row(size_t{layout.n_kv_heads} * layout.head_dim);
    std::vector<size_t> places(size_t{n_layers} * n_pages);
    std::iota(places.begin(), places.end(), 0);
    std::shuffle(places.begin(), places.end(), random);
    layers.resize(n_layers);
    for (uint32_t layer = 0; layer < n_layers; ++layer) {
      for (uint32_t p = 0; p < n_pages; ++p) {
        uint8_t* page = memory.data + places[size_t{layer} * n_pages + p] * page_size;
        layers[layer].push_back({page, static_cast<int32_t>(p * layout.page_tokens),
                                 static_cast<int32_t>(layout.page_tokens), codec});
        if (layer == 0) {
          for (uint32_t t = 0; t < layout.page_tokens; ++t) {
            for (float& x : row) x = uniform(random);
            kv_append_scalar({layout, codec == PageCodec::plain ? page : plain.data, t, 1, row.data(),
                              row.data(), row.size()},
                             0, layout.n_kv_heads);
          }
          if (codec != PageCodec::plain) page_encode_scalar({layout, codec, plain.data, page});
        } else {
          std::memcpy(page, layers[0][p].data, page_size);
        }
      }
    }
  }
  KvLayout layout;
  size_t bytes;
  Aligned memory;
  std::vector<std::vector<KvPageRef>> layers;
};

struct Variant {
  const char* name;
  CpuLevel level;
  AttentionDecodeFunction* decode;
  AttentionPrefillFunction* prefill;
  double (*fma_flops)();
};

constexpr Variant kVariants[] = {
    {"avx512", CpuLevel::avx512, attention_decode_avx512, attention_prefill_avx512, fma_flops_avx512},
    {"avx2", CpuLevel::avx2, attention_decode_avx2, attention_prefill_avx2, fma_flops_avx2},
};

struct Shape {
  uint32_t n_kv_heads, group, head_dim;
  KvType type;
  uint32_t n_layers;
  PageCodec codec = PageCodec::plain;
};

void bench_decode(const Shape& shape, int rounds) {
  constexpr uint32_t kDepth = 4096;
  const Kv kv({shape.type, shape.n_kv_heads, shape.head_dim, 32}, shape.codec, shape.n_layers, kDepth);
  const uint32_t n_heads = shape.n_kv_heads * shape.group;
  Aligned q(size_t{n_heads} * shape.head_dim * 4);
  for (uint32_t i = 0; i < n_heads * shape.head_dim; ++i) {
    reinterpret_cast<float*>(q.data)[i] = static_cast<float>(i % 7) * 0.1f;
  }
  Aligned partials(shape.group * attention_partial_floats(shape.head_dim) * 4);
  std::vector<double> stream;
  std::vector<double> times[std::size(kVariants)];
  for (int round = 0; round < rounds; ++round) {
    stream.push_back(seconds([&] { sink = stream_sum(kv.memory.data, kv.bytes); }));
    for (size_t v = 0; v < std::size(kVariants); ++v) {
      if (kVariants[v].level > best_cpu_level()) continue;
      times[v].push_back(seconds([&] {
        for (const auto& pages : kv.layers) {
          AttentionDecodeParams params;
          params.layout = kv.layout;
          params.n_heads = n_heads;
          params.scale = 0.125f;
          params.q = reinterpret_cast<const float*>(q.data);
          params.position = kDepth - 1;
          params.pages = pages.data();
          params.n_pages = static_cast<uint32_t>(pages.size());
          for (uint32_t h = 0; h < shape.n_kv_heads; ++h) {
            kVariants[v].decode(params, h, 0, params.n_pages, reinterpret_cast<float*>(partials.data));
          }
        }
      }));
    }
  }
  const double gigabytes = static_cast<double>(kv.bytes) * 1e-9;
  const double stream_rate = gigabytes / median(stream);
  for (size_t v = 0; v < std::size(kVariants); ++v) {
    if (times[v].empty()) continue;
    const double rate = gigabytes / median(times[v]);
    const double tokens = static_cast<double>(kDepth) * shape.n_layers * shape.n_kv_heads * 1e-6;
    std::printf(
        "decode  %-6s kv_heads %u group %u head_dim %3u %-4s: %6.2f GB/s of %6.2f, %.2f; %6.1f Mtokens/s\n",
        kVariants[v].name, shape.n_kv_heads, shape.group, shape.head_dim, type_name(shape.type, shape.codec),
        rate, stream_rate, rate / stream_rate, tokens / median(times[v]));
  }
}

void bench_prefill(const Shape& shape, int rounds, uint32_t depth) {
  constexpr uint32_t kTokens = 512;
  const Kv kv({shape.type, shape.n_kv_heads, shape.head_dim, 32}, shape.codec, 1, depth + kTokens);
  const uint32_t n_heads = shape.n_kv_heads * shape.group;
  const size_t row = size_t{n_heads} * shape.head_dim;
  std::vector<float> q(kTokens * row);
  std::vector<float> out(kTokens * row);
  for (size_t i = 0; i < q.size(); ++i) q[i] = static_cast<float>(i % 11) * 0.1f - 0.5f;
  Aligned scratch(attention_prefill_scratch_bytes(kv.layout, n_heads, kPrefillTile_tokens));
  AttentionPrefillParams params;
  params.layout = kv.layout;
  params.n_heads = n_heads;
  params.scale = 0.125f;
  params.q = q.data();
  params.q_stride = row;
  params.n_tokens = kTokens;
  params.first_position = static_cast<int32_t>(depth);
  params.pages = kv.layers[0].data();
  params.n_pages = static_cast<uint32_t>(kv.layers[0].size());
  params.out = out.data();
  params.out_stride = row;
  std::vector<double> peaks[std::size(kVariants)];
  std::vector<double> times[std::size(kVariants)];
  for (int round = 0; round < rounds; ++round) {
    for (size_t v = 0; v < std::size(kVariants); ++v) {
      if (kVariants[v].level > best_cpu_level()) continue;
      double flops = 0;
      const double fma_time = seconds([&] { flops = kVariants[v].fma_flops(); });
      peaks[v].push_back(flops * 1e-9 / fma_time);
      times[v].push_back(seconds([&] {
        for (uint32_t h = 0; h < shape.n_kv_heads; ++h) {
          for (uint32_t t = 0; t < kTokens; t += kPrefillTile_tokens) {
            kVariants[v].prefill(params, h, t, t + kPrefillTile_tokens, scratch.data);
          }
        }
      }));
    }
  }
  const double keys = static_cast<double>(kTokens) * depth + 0.5 * kTokens * (kTokens + 1);
  const double gigaflop = 4.0 * keys * n_heads * shape.head_dim * 1e-9;
  for (size_t v = 0; v < std::size(kVariants); ++v) {
    if (times[v].empty()) continue;
    const double rate = gigaflop / median(times[v]);
    const double peak = median(peaks[v]);
    std::printf(
        "prefill %-6s kv_heads %u group %u head_dim %3u %-4s depth %4u: %6.1f GFLOP/s of %6.1f, %.2f\n",
        kVariants[v].name, shape.n_kv_heads, shape.group, shape.head_dim, type_name(shape.type, shape.codec),
        depth, rate, peak, rate / peak);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 7;
  constexpr Shape kShapes[] = {
      {3, 3, 64, KvType::f16, 30},
      {3, 3, 64, KvType::f16, 30, PageCodec::k8v8},
      {3, 3, 64, KvType::f16, 30, PageCodec::k8v4},
      {3, 3, 64, KvType::f16, 30, PageCodec::k4v4},
      {3, 3, 64, KvType::int8, 30},
      {3, 3, 64, KvType::f32, 15},
      {8, 4, 128, KvType::f16, 6},
      {8, 4, 128, KvType::f16, 6, PageCodec::k8v8},
      {8, 4, 128, KvType::f16, 6, PageCodec::k8v4},
      {8, 4, 128, KvType::f16, 6, PageCodec::k4v4},
      {8, 4, 128, KvType::int8, 6},
      {1, 4, 256, KvType::f16, 24},
      {4, 1, 64, KvType::f16, 24},
      {4, 1, 64, KvType::f16, 24, PageCodec::k8v4},
      {2, 7, 64, KvType::f16, 48},
      {2, 7, 64, KvType::f16, 48, PageCodec::k8v4},
  };
  const std::string which = argc > 2 ? argv[2] : "all";
  const size_t n_shapes = argc > 3 ? static_cast<size_t>(std::atoi(argv[3])) : std::size(kShapes);
  for (size_t i = 0; i < n_shapes && which != "prefill"; ++i) bench_decode(kShapes[i], rounds);
  for (size_t i = 0; i < n_shapes && which != "decode"; ++i) bench_prefill(kShapes[i], rounds, 4096);
  if (which != "decode") bench_prefill(kShapes[0], rounds, 0);
  return 0;
}
