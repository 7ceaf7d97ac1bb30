// Writes the small model of the tests to a file. usage: leoam_test_model FILE
#include <fstream>
#include <iostream>

#include "tests/support/tiny_model.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: leoam_test_model FILE\n";
    return 2;
  }
  leoam::testing::TinyModelOptions options;
  options.tokenizer = leoam::testing::TinyTokenizer::byte_level;
  options.chat_template = true;
  const std::vector<uint8_t> bytes = leoam::testing::tiny_model(options).bytes();
  std::ofstream file(argv[1], std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return file.flush() ? 0 : 1;
}
