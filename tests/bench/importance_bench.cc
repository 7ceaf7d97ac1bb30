// What choosing tokens costs, beside what it saves: kernels over key codes and chunk bounds, attention over
// granules, for all layers of a model and a context, on one core. All instruction sets take turns in one run.
//
//   importance_bench [rounds [n_shapes]]
#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <random>
#include <vector>

#include "kernels/cpu_table.h"

namespace {

using namespace leoam::kernels;

// In huge pages, as the library has its own large buffers.
struct Aligned {
  static constexpr size_t kHuge = size_t{2} << 20;
  explicit Aligned(size_t n)
      : bytes(n), data(static_cast<uint8_t*>(std::aligned_alloc(kHuge, (n + kHuge - 1) / kHuge * kHuge))) {
    (void)madvise(data, (n + kHuge - 1) / kHuge * kHuge, MADV_HUGEPAGE);
    std::memset(data, 0, n);
  }
  ~Aligned() { std::free(data); }
  Aligned(const Aligned&) = delete;
  Aligned& operator=(const Aligned&) = delete;
  float* floats() const { return reinterpret_cast<float*>(data); }
  size_t bytes;
  uint8_t* data;
};

// Of this thread's own running: other programs on the machine count less.
double now() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Shape {
  const char* name;
  uint32_t n_layers, n_kv_heads, group, head_dim, n_tokens, n_channels;
};

constexpr uint32_t kPageTokens = 32;
constexpr uint32_t kGranulesChosen = 60;

// KV of all layers, with its codes and abstracts, and what one layer and KV head at a time needs.
struct Model {
  explicit Model(const Shape& s)
      : shape(s),
        kv{KvType::f16, s.n_kv_heads, s.head_dim, kPageTokens},
        codes(key_code_layout(kv, s.n_channels)),
        chunks{s.head_dim},
        n_pages(s.n_tokens / kPageTokens),
        n_blocks(n_pages / kCodeBlock_pages),
        n_granules(n_pages * kPageTokens / kGranule_tokens),
        n_heads(s.n_layers * s.n_kv_heads),
        pages(size_t{s.n_layers} * n_pages * kv.page_bytes()),
        blocks(size_t{s.n_layers} * n_blocks * codes.block_bytes()),
        records(size_t{n_heads} * n_pages * chunks.record_bytes()),
        q(size_t{s.n_kv_heads} * s.group * s.head_dim * 4),
        scores(size_t{s.group} * s.n_tokens * 4),
        sums(size_t{s.group} * n_granules * 4),
        mass(size_t{n_granules} * 4),
        rest(size_t{s.group} * n_blocks * kCodeBlock_pages * 4),
        maximum(size_t{n_blocks} * s.group * 4),
        totals(size_t{n_blocks} * s.group * 4),
        bounds(size_t{n_pages} * s.group * 4),
        partials(size_t{s.group} * attention_partial_floats(s.head_dim) * 4),
        scratch(key_code_scratch_bytes(codes, s.group)),
        cold(size_t{64} << 20),
        channels(s.n_channels) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    const CpuTable& best = cpu_table(best_cpu_level());
    std::vector<float> row(size_t{kv.n_kv_heads} * kv.head_dim), middle(row.size());
    for (float& x : middle) x = normal(random);
    for (uint32_t p = 0; p < n_pages; ++p) {
      for (uint32_t t = 0; t < kPageTokens; ++t) {
        for (size_t i = 0; i < row.size(); ++i) row[i] = middle[i] + normal(random);
        best.kv_append({kv, pages.data + p * kv.page_bytes(), t, 1, row.data(), row.data(), row.size()}, 0,
                       kv.n_kv_heads);
      }
    }
    for (uint32_t l = 1; l < s.n_layers; ++l) {
      const size_t bytes = n_pages * kv.page_bytes();
      std::memcpy(pages.data + l * bytes, pages.data, bytes);
    }
    for (size_t i = 0; i < q.bytes / 4; ++i) q.floats()[i] = 0.3f * normal(random);
    for (uint32_t i = 0; i < s.n_channels; ++i) channels[i] = i * s.head_dim / s.n_channels;
    for (uint32_t p = 0; p < n_pages; ++p) page_order.push_back(p);
    std::shuffle(page_order.begin(), page_order.end(), random);
    for (uint32_t l = 0; l < s.n_layers; ++l) {
      for (uint32_t p = 0; p < n_pages; ++p) {
        refs.push_back({page(l, p), static_cast<int32_t>(p * kPageTokens), kPageTokens});
      }
      for (uint32_t b = 0; b < n_blocks; ++b) {
        block_refs.push_back({blocks.data + (size_t{l} * n_blocks + b) * codes.block_bytes(), 0xffff});
      }
    }
    // Granules as a selection has them: in a few pages, about two a page.
    for (uint32_t i = 0; i < kGranulesChosen / 2; ++i)
      chosen.push_back({page_order[i % n_pages], 1u << i % 4 | 1u << (i + 1) % 4});
    std::sort(chosen.begin(), chosen.end());
    for (uint32_t h = 0; h < n_heads; ++h) {
      for (uint32_t p = 0; p < n_pages; ++p) record_refs.push_back(record(h, p));
    }
  }
  const uint8_t* page(uint32_t layer, uint32_t p) const {
    return pages.data + (size_t{layer} * n_pages + p) * kv.page_bytes();
  }
  uint8_t* record(uint32_t head, uint32_t p) const {
    return records.data + (size_t{head} * n_pages + p) * chunks.record_bytes();
  }
  const float* query(uint32_t kv_head) const {
    return q.floats() + size_t{kv_head} * shape.group * shape.head_dim;
  }

  Shape shape;
  KvLayout kv;
  KeyCodeLayout codes;
  ChunkLayout chunks;
  uint32_t n_pages, n_blocks, n_granules, n_heads;
  Aligned pages, blocks, records, q, scores, sums, mass, rest, maximum, totals, bounds, partials, scratch,
      cold;
  std::vector<uint32_t> channels, page_order;
  std::vector<KvPageRef> refs;
  std::vector<KeyCodeBlockRef> block_refs;
  std::vector<std::pair<uint32_t, uint32_t>> chosen;  // page, mask
  std::vector<const uint8_t*> record_refs;
};

using Work = void(const CpuTable& table, Model& m, uint32_t layer, uint32_t kv_head);

void encode(const CpuTable& table, Model& m, uint32_t layer, uint32_t kv_head) {
  for (uint32_t p = 0; p < m.n_pages; ++p) {
    uint8_t* block =
        m.blocks.data + (size_t{layer} * m.n_blocks + p / kCodeBlock_pages) * m.codes.block_bytes();
    table.key_code_encode(
        {m.kv, m.page(layer, p), block, p % kCodeBlock_pages, m.channels.data(), m.shape.n_channels},
        kv_head);
  }
}

void abstracts(const CpuTable& table, Model& m, uint32_t layer, uint32_t kv_head) {
  const uint32_t head = layer * m.kv.n_kv_heads + kv_head;
  for (uint32_t p = 0; p < m.n_pages; ++p)
    table.chunk_of_page(m.kv, m.page(layer, p), kv_head, m.record(head, p));
}

void merges(const CpuTable& table, Model& m, uint32_t layer, uint32_t kv_head) {
  const uint32_t head = layer * m.kv.n_kv_heads + kv_head;
  alignas(64) uint8_t parent[16 + 4 * 1024];
  for (uint32_t p = 0; p + 4 <= m.n_pages; p += 4) {
    table.chunk_merge(m.chunks, &m.record_refs[size_t{head} * m.n_pages + p], 4, parent);
  }
}

void score(const CpuTable& table, Model& m, uint32_t layer, uint32_t kv_head) {
  KeyCodeScoreParams params;
  params.layout = m.codes;
  params.group = m.shape.group;
  params.q = m.query(kv_head);
  params.channels = m.channels.data();
  params.blocks = &m.block_refs[size_t{layer} * m.n_blocks];
  params.n_blocks = m.n_blocks;
  params.scores = m.scores.floats();
  params.maximum = m.maximum.floats();
  params.scratch = m.scratch.data;
  table.key_code_score(params, kv_head);
}

void sum(const CpuTable& table, Model& m, uint32_t layer, uint32_t) {
  table.granule_sum({kPageTokens, m.shape.group, &m.block_refs[size_t{layer} * m.n_blocks], m.n_blocks,
                     m.scores.floats(), m.maximum.floats(), m.sums.floats(), m.totals.floats()});
}

void masses(const CpuTable& table, Model& m, uint32_t, uint32_t) {
  float maximum[64];
  float sums[64];
  table.granule_mass({kPageTokens, m.shape.group, m.n_blocks, m.sums.floats(), m.maximum.floats(),
                      m.totals.floats(), nullptr, nullptr, m.mass.floats(), maximum, sums});
}

void choose(const CpuTable& table, Model& m, uint32_t layer, uint32_t kv_head) {
  score(table, m, layer, kv_head);
  sum(table, m, layer, kv_head);
  masses(table, m, layer, kv_head);
}

void chunk_bounds(const CpuTable& table, Model& m, uint32_t layer, uint32_t kv_head) {
  const uint32_t head = layer * m.kv.n_kv_heads + kv_head;
  float* out = m.bounds.floats();
  table.chunk_score(
      {m.chunks, m.shape.group, m.query(kv_head), &m.record_refs[size_t{head} * m.n_pages], m.n_pages, out});
}

void decode(const CpuTable& table, Model& m, uint32_t layer, uint32_t kv_head) {
  AttentionDecodeParams params;
  params.layout = m.kv;
  params.n_heads = m.kv.n_kv_heads * m.shape.group;
  params.scale = 1;
  params.q = m.q.floats();
  params.position = static_cast<int32_t>(m.shape.n_tokens);
  params.pages = &m.refs[size_t{layer} * m.n_pages];
  params.n_pages = m.n_pages;
  table.attention_decode(params, kv_head, 0, m.n_pages, m.partials.floats());
}

void attend(const CpuTable& table, Model& m, uint32_t layer, uint32_t kv_head,
            const std::vector<KvGranules>& list) {
  (void)layer;
  const AttentionGranulesParams params{m.kv,        m.kv.n_kv_heads * m.shape.group,   1, m.q.floats(),
                                       list.data(), static_cast<uint32_t>(list.size())};
  table.attention_granules(params, kv_head, m.partials.floats());
}

void few_granules(const CpuTable& table, Model& m, uint32_t layer, uint32_t kv_head) {
  std::vector<KvGranules> list;
  for (const auto& [p, mask] : m.chosen) list.push_back({m.page(layer, p), mask});
  attend(table, m, layer, kv_head, list);
}

void all_granules(const CpuTable& table, Model& m, uint32_t layer, uint32_t kv_head) {
  std::vector<KvGranules> list;
  for (uint32_t p = 0; p < m.n_pages; ++p) list.push_back({m.page(layer, p), 15});
  attend(table, m, layer, kv_head, list);
}

void estimates(const CpuTable& table, Model& m, uint32_t layer, uint32_t kv_head) {
  const uint32_t head = layer * m.kv.n_kv_heads + kv_head;
  std::vector<AttentionEstimate> list;
  list.reserve(m.n_pages);
  for (uint32_t p = 0; p < m.n_pages; ++p) list.push_back({m.record(head, p), 32});
  table.attention_estimates({m.shape.head_dim, m.shape.group, 1, m.query(kv_head), list.data(), m.n_pages},
                            m.partials.floats());
}

// What is left of all pages, one granule of each taken.
void rest(const CpuTable& table, Model& m, uint32_t layer, uint32_t kv_head) {
  const uint32_t selected[kCodeBlock_pages] = {1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8};
  const std::vector<float> ones(m.shape.group, 1.0f), zeros(m.shape.group, 0.0f);
  std::vector<AttentionRest> list;
  for (uint32_t b = 0; b < m.n_blocks; ++b) {
    const size_t at = size_t{b} * m.shape.group * kCodeBlock_pages;
    table.granule_rest({kPageTokens, m.shape.group, m.sums.floats() + at * kPageTokens / kGranule_tokens,
                        selected, ones.data(), m.rest.floats() + at});
    list.push_back({m.block_refs[size_t{layer} * m.n_blocks + b].block + m.codes.head_offset(kv_head),
                    m.rest.floats() + at});
  }
  std::memset(m.partials.data, 0, m.partials.bytes);
  table.attention_rest({m.codes, m.shape.group, list.data(), m.n_blocks, zeros.data()}, m.partials.floats());
}

struct Step {
  const char* name;
  Work* work;
  bool slow;  // the scalar reference runs for one layer alone
};

constexpr Step kSteps[] = {
    {"encode all pages", encode, true},
    {"abstracts of all pages", abstracts, true},
    {"merge by fours", merges, true},
    {"score codes", score, true},
    {"sums of granules", sum, true},
    {"masses of granules", masses, false},
    {"score, sums, masses", choose, true},
    {"bounds of all pages", chunk_bounds, true},
    {"attend to all: decode", decode, true},
    {"attend to all: granules", all_granules, true},
    {"attend to 60 granules", few_granules, true},
    {"estimates of all pages", estimates, true},
    {"rest of all pages", rest, true},
};

volatile uint8_t sink;

double timed(const Step& step, const CpuTable& table, Model& m) {
  // What a step of the model does between two uses of these bytes: they have left the caches.
  uint8_t any = 0;
  for (size_t i = 0; i < m.cold.bytes; i += 64) any = static_cast<uint8_t>(any ^ m.cold.data[i]);
  sink = any;
  const bool short_run = step.slow && table.level == CpuLevel::scalar;
  const uint32_t n_layers = short_run ? 1 : m.shape.n_layers;
  const double start = now();
  for (uint32_t l = 0; l < n_layers; ++l) {
    for (uint32_t h = 0; h < m.shape.n_kv_heads; ++h) step.work(table, m, l, h);
  }
  return (now() - start) * m.shape.n_layers / n_layers;
}

void bench(const Shape& shape, int rounds) {
  Model m(shape);
  std::printf(
      "%s: %u layers, %u KV heads, group %u, head_dim %u, %u tokens, %u channels; ms a step, in all layers\n",
      shape.name, shape.n_layers, shape.n_kv_heads, shape.group, shape.head_dim, shape.n_tokens,
      shape.n_channels);
  std::printf("%-28s %10s %10s %10s %9s %9s\n", "", "scalar", "avx2", "avx512", "avx2 x", "avx512 x");
  for (const Step& step : kSteps) {
    std::vector<double> times[3];
    for (int round = 0; round < rounds; ++round) {
      for (int level = 0; level <= static_cast<int>(best_cpu_level()); ++level) {
        times[level].push_back(timed(step, cpu_table(static_cast<CpuLevel>(level)), m));
      }
    }
    double ms[3] = {};
    for (int level = 0; level < 3; ++level) ms[level] = times[level].empty() ? 0 : 1e3 * median(times[level]);
    std::printf("%-28s %10.3f %10.3f %10.3f", step.name, ms[0], ms[1], ms[2]);
    for (const double time : {ms[1], ms[2]}) std::printf(" %9.1f", time > 0 ? ms[0] / time : 0);
    std::printf("\n");
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 9;
  constexpr Shape kShapes[] = {
      {"SmolLM2-135M", 30, 3, 3, 64, 8192, 16},
      {"an 8B model", 4, 8, 4, 128, 8192, 32},
      {"gemma-3-270m", 3, 1, 4, 256, 32768, 64},
  };
  const size_t n_shapes = argc > 2 ? static_cast<size_t>(std::atoi(argv[2])) : std::size(kShapes);
  for (size_t i = 0; i < n_shapes && i < std::size(kShapes); ++i) bench(kShapes[i], rounds);
  return 0;
}
