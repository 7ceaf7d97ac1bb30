// Speed of the matrix product on one thread: weight bytes and arithmetic a second for every type, shape,
// number of tokens and instruction set, beside the read bandwidth of this thread measured in the same rounds.
//
//   matmul_bench [TYPE=q4_1,q8_0] [SHAPE=1536x576] [TOKENS=1,512] [LEVEL=avx512] [ROUNDS=7] [COPIES_MIB=160]
//
// All cases run once a round, rounds follow one another, medians are printed: what drifts drifts for all.
// With one token the copies of a matrix (COPIES_MIB in all) are read one after the other, so that they come
// from memory.

#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/cpu_features.h"
#include "kernels/matmul/matmul.h"

namespace {

using namespace leoam::kernels;  // NOLINT(google-build-using-namespace)

// This thread's own processor time: other programs on the machine do not count.
double now_s() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

constexpr std::align_val_t kPage{size_t{2} << 20};

struct Free {
  void operator()(uint8_t* data) const { ::operator delete(data, kPage); }
};
using Buffer = std::unique_ptr<uint8_t, Free>;

// In huge pages where the system gives them.
Buffer allocate(size_t bytes) {
  auto* data = static_cast<uint8_t*>(::operator new(bytes, kPage));
  if (bytes >= static_cast<size_t>(kPage)) madvise(data, bytes, MADV_HUGEPAGE);
  return Buffer(data);
}

const MatmulTable& table_of(CpuLevel level) {
  if (level == CpuLevel::avx512) return kMatmulAvx512;
  return level == CpuLevel::avx2 ? kMatmulAvx2 : kMatmulScalar;
}

// Random blocks whose bytes are small positive halves where scales stand: no infinities slow the arithmetic.
void fill(uint8_t* data, size_t bytes) {
  uint32_t state = 1;
  for (size_t i = 0; i < bytes; ++i) {
    state = state * 1664525u + 1013904223u;
    data[i] = static_cast<uint8_t>(state >> 24) & 0x37;
  }
}

struct Measured {
  CpuLevel level;
  WeightType type;
  uint32_t n_rows, n_cols, n_tokens;
  Buffer weights;
  size_t matrix_bytes = 0;
  size_t n_copies = 0, next_copy = 0;
  Buffer quantised;
  std::vector<float> x, out;
  std::vector<double> seconds;  // a product, by round
  double pack_s = 0;            // a matrix

  void prepare(size_t copies_bytes) {
    const MatmulTable& table = table_of(level);
    const WeightTypeTraits& traits = *weight_type_traits(static_cast<int32_t>(type));
    matrix_bytes = table.packed_bytes(type, n_rows, n_cols);
    n_copies = n_tokens > 8 ? 1 : std::max<size_t>(1, copies_bytes / matrix_bytes);
    weights = allocate(matrix_bytes * n_copies);
    const size_t file_bytes = size_t{n_rows} * n_cols / traits.block_values * traits.block_bytes;
    const Buffer file = allocate(file_bytes);
    fill(file.get(), file_bytes);
    std::memset(weights.get(), 1, matrix_bytes * n_copies);
    const double start = now_s();
    for (size_t i = 0; i < n_copies; ++i)
      table.pack(type, n_rows, n_cols, 0, n_rows, file.get(), weights.get() + i * matrix_bytes);
    pack_s = (now_s() - start) / static_cast<double>(n_copies);
    x.assign(size_t{n_tokens} * n_cols, 0.0f);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 37) - 18.0f;
    out.assign(size_t{n_tokens} * n_rows, 0.0f);
    const size_t row_bytes = table.activation_row_bytes(n_cols);
    quantised = allocate(row_bytes * n_tokens);
    for (size_t t = 0; t < n_tokens; ++t)
      table.quantize(x.data() + t * n_cols, n_cols, quantised.get() + t * row_bytes);
  }

  void run_once() {
    MatmulParams params;
    params.weights = {type, n_rows, n_cols, weights.get() + next_copy * matrix_bytes};
    next_copy = (next_copy + 1) % n_copies;
    params.x = x.data();
    params.x_stride = n_cols;
    params.xq = quantised.get();
    params.n_tokens = n_tokens;
    params.out = out.data();
    params.out_stride = n_rows;
    table_of(level).matmul(params, 0, n_rows);
  }

  void round() {
    const double start = now_s();
    int n = 0;
    double elapsed = 0;
    do {
      run_once();
      ++n;
      elapsed = now_s() - start;
    } while (elapsed < 0.02);
    seconds.push_back(elapsed / n);
  }
};

// Bytes a second of reading `bytes` once.
double read_bandwidth(const uint8_t* data, size_t bytes) {
  typedef uint64_t Line __attribute__((vector_size(64)));
  Line sums[4] = {};
  const double start = now_s();
  for (size_t i = 0; i + 256 <= bytes; i += 256)
    for (size_t k = 0; k < 4; ++k) sums[k] += *reinterpret_cast<const Line*>(data + i + 64 * k);
  const double elapsed = now_s() - start;
  const Line sum = sums[0] + sums[1] + sums[2] + sums[3];
  volatile uint64_t keep = sum[0] ^ sum[7];
  (void)keep;
  return static_cast<double>(bytes) / elapsed;
}

// Nanoseconds a call of `quantize`.
double quantize_ns(CpuLevel level, uint32_t n_cols) {
  std::vector<float> x(n_cols, 1.5f);
  const Buffer row = allocate(table_of(level).activation_row_bytes(n_cols));
  constexpr int kCalls = 20000;
  const double start = now_s();
  for (int i = 0; i < kCalls; ++i) table_of(level).quantize(x.data(), n_cols, row.get());
  return (now_s() - start) / kCalls * 1e9;
}

// NAME=a,b,c of the arguments, or the default.
std::vector<std::string> list_argument(int argc, char** argv, const char* name, const char* otherwise) {
  std::string_view text = otherwise;
  const std::string prefix = std::string(name) + "=";
  for (int i = 1; i < argc; ++i)
    if (std::strncmp(argv[i], prefix.c_str(), prefix.size()) == 0) text = argv[i] + prefix.size();
  std::vector<std::string> values;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    values.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return values;
}

uint32_t number(const std::string& text) {
  return static_cast<uint32_t>(std::strtoul(text.c_str(), nullptr, 10));
}

bool parse_type(const std::string& name, WeightType* type) {
  for (int32_t id = 0; id <= 30; ++id) {
    const WeightTypeTraits* traits = weight_type_traits(id);
    if (traits == nullptr || name != traits->name) continue;
    *type = static_cast<WeightType>(id);
    return true;
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  const uint32_t n_rounds = number(list_argument(argc, argv, "ROUNDS", "7")[0]);
  const size_t copies_bytes = size_t{number(list_argument(argc, argv, "COPIES_MIB", "160")[0])} << 20;
  std::vector<Measured> cases;
  for (const std::string& type_name : list_argument(argc, argv, "TYPE", "q4_0,q4_1,q5_0,q8_0,q4_k,q6_k")) {
    for (const std::string& shape : list_argument(argc, argv, "SHAPE", "1536x576,576x1536,4096x4096")) {
      for (const std::string& tokens : list_argument(argc, argv, "TOKENS", "1,4,512")) {
        for (const std::string& level_name : list_argument(argc, argv, "LEVEL", "avx512,avx2")) {
          Measured measured;
          const size_t x = shape.find('x');
          if (!parse_cpu_level(level_name.c_str(), &measured.level) ||
              !parse_type(type_name, &measured.type) || x == std::string::npos) {
            std::fprintf(stderr, "unknown level, type or shape: %s %s %s\n", level_name.c_str(),
                         type_name.c_str(), shape.c_str());
            return 2;
          }
          measured.n_rows = number(shape.substr(0, x));
          measured.n_cols = number(shape.substr(x + 1));
          measured.n_tokens = number(tokens);
          const uint32_t block = weight_type_traits(static_cast<int32_t>(measured.type))->block_values;
          if (measured.level > best_cpu_level() || measured.n_cols % block != 0) continue;
          cases.push_back(std::move(measured));
        }
      }
    }
  }

  const Buffer memory = allocate(copies_bytes);
  std::memset(memory.get(), 1, copies_bytes);
  std::vector<double> bandwidth;
  for (Measured& measured : cases) {
    // One case at a time holds its copies; the bandwidth is measured beside each of its rounds.
    measured.prepare(copies_bytes);
    measured.run_once();
    std::vector<double> beside;
    for (uint32_t round = 0; round < n_rounds; ++round) {
      beside.push_back(read_bandwidth(memory.get(), copies_bytes));
      measured.round();
    }
    bandwidth.insert(bandwidth.end(), beside.begin(), beside.end());
    const double seconds = median(measured.seconds);
    const double gbs = static_cast<double>(measured.matrix_bytes) / seconds / 1e9;
    const double gops = 2.0 * measured.n_rows * measured.n_cols * measured.n_tokens / seconds / 1e9;
    std::printf(
        "%-6s %-4s %6u x %-6u %4u tokens %10.1f us %7.1f GB/s (%3.0f %% of the read bandwidth) %7.1f GOP/s  "
        "pack %5.2f GB/s\n",
        cpu_level_name(measured.level), weight_type_traits(static_cast<int32_t>(measured.type))->name,
        measured.n_rows, measured.n_cols, measured.n_tokens, seconds * 1e6, gbs,
        gbs * 1e9 / median(beside) * 100, gops,
        static_cast<double>(measured.matrix_bytes) / measured.pack_s / 1e9);
    std::fflush(stdout);
    measured.weights.reset();
  }
  if (!bandwidth.empty()) std::printf("read bandwidth, one thread: %.1f GB/s\n", median(bandwidth) / 1e9);
  for (const CpuLevel level : {CpuLevel::scalar, CpuLevel::avx2, CpuLevel::avx512})
    if (level <= best_cpu_level())
      std::printf("%-6s quantize 576 columns: %.0f ns\n", cpu_level_name(level), quantize_ns(level, 576));
  return 0;
}
