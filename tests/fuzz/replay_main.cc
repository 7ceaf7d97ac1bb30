// Runs a fuzz target without a fuzzer: every file of the given folders as it is, then `--variants` damaged
// copies of each (cut short, bytes changed, runs doubled), the same ones in every run. usage: <name>_fuzz
// [--variants N] FOLDER_OR_FILE...

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Bytes = std::vector<uint8_t>;
using Random = std::mt19937;

// A copy of exact size on the heap, so that AddressSanitizer sees a read past the end.
void run_once(const Bytes& input) {
  const Bytes copy(input.begin(), input.end());
  LLVMFuzzerTestOneInput(copy.data(), copy.size());
}

size_t below(Random* random, size_t limit) {
  return (*random)() % limit;
}

Bytes damaged(Bytes input, Random* random) {
  static constexpr uint8_t kEdges[] = {0x00, 0x01, 0x7f, 0x80, 0xff, '{', '%', '"'};
  const size_t n_changes = 1 + below(random, 4);
  for (size_t change = 0; change < n_changes && !input.empty(); ++change) {
    const size_t at = below(random, input.size());
    const size_t run = std::min(input.size() - at, size_t{1} << below(random, 5));
    const auto begin = input.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(random, 5)) {
      case 0:
        input.resize(at);
        break;
      case 1:
        input[at] = static_cast<uint8_t>(input[at] ^ (1u << below(random, 8)));
        break;
      case 2:
        std::fill_n(begin, run, kEdges[below(random, std::size(kEdges))]);
        break;
      case 3:
        input.erase(begin, begin + static_cast<std::ptrdiff_t>(run));
        break;
      default: {
        const Bytes doubled(begin, begin + static_cast<std::ptrdiff_t>(run));
        input.insert(begin, doubled.begin(), doubled.end());
      }
    }
  }
  return input;
}

bool replay(const std::filesystem::path& path, int n_variants) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return false;
  const Bytes input((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  // Named first: when the target crashes, the last line says where.
  std::printf("%s (%zu bytes)\n", path.c_str(), input.size());
  std::fflush(stdout);
  run_once(input);
  Random random(1);
  for (int variant = 0; variant < n_variants; ++variant) run_once(damaged(input, &random));
  return true;
}

std::vector<std::filesystem::path> files_of(const std::string& argument) {
  if (!std::filesystem::is_directory(argument)) return {argument};
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argument))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  int n_variants = 0;
  size_t n_files = 0;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--variants") == 0 && i + 1 < argc) {
      n_variants = std::atoi(argv[++i]);
      continue;
    }
    for (const std::filesystem::path& path : files_of(argv[i])) {
      if (!replay(path, n_variants)) {
        std::printf("cannot read %s\n", path.c_str());
        return 1;
      }
      ++n_files;
    }
  }
  std::printf("%zu files, %d variants of each\n", n_files, n_variants);
  // An empty or missing corpus tests nothing and must not look like a success.
  return n_files > 0 ? 0 : 1;
}
