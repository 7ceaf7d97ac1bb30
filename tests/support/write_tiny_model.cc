// write_tiny_model PATH [ARCHITECTURE [LAYERS]]: a tiny random model with a tokenizer and a chat template,
// for tests that run programs.
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "tests/support/tiny_model.h"

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: write_tiny_model PATH [ARCHITECTURE [LAYERS]]\n";
    return 2;
  }
  leoam::testing::TinyModelOptions options;
  options.tokenizer = leoam::testing::TinyTokenizer::byte_level;
  options.chat_template = true;
  options.context_tokens = 2048;
  if (argc > 2) options.architecture = argv[2];
  if (argc > 3) options.n_layers = static_cast<uint32_t>(std::strtoul(argv[3], nullptr, 10));
  const std::vector<uint8_t> bytes = leoam::testing::tiny_model(options).bytes();
  std::ofstream file(argv[1], std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return file.good() ? 0 : 1;
}
