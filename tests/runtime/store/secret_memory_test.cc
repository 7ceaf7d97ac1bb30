#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "runtime/store/key.h"
#include "runtime/store/secret_heap.h"

namespace leoam {
namespace {

// What the system says of the mapping that an address lies in: "rd wr mr mw me dd wf".
std::string mapping_flags(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long long begin = 0;
    unsigned long long end = 0;
    if (std::sscanf(line.c_str(), "%llx-%llx ", &begin, &end) == 2 && line.find('-') < line.find(' '))
      inside = reinterpret_cast<uintptr_t>(address) >= begin && reinterpret_cast<uintptr_t>(address) < end;
    if (inside && line.starts_with("VmFlags:")) return line + " ";
  }
  return "";
}

TEST(SecretMemory, of_keys_is_left_out_of_dumps_and_gone_in_a_child) {
  const std::vector<uint8_t> bytes(SecretKey::kKey_bytes, 0x42);
  const SecretKey key = std::move(SecretKey::from_bytes(bytes)).value();
  const std::string flags = mapping_flags(key.bytes().data());
  EXPECT_NE(std::string::npos, flags.find(" dd ")) << flags;
  EXPECT_NE(std::string::npos, flags.find(" wf ")) << flags;
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(std::ranges::all_of(key.bytes(), [](uint8_t byte) { return byte == 0; }) ? 0 : 1);
  int status = 0;
  ASSERT_EQ(child, waitpid(child, &status, 0));
  EXPECT_EQ(0, status);
  EXPECT_TRUE(std::ranges::equal(bytes, key.bytes()));
}

TEST(SecretMemory, of_the_cipher_library_is_left_out_of_dumps_and_wiped) {
  auto* data = static_cast<uint8_t*>(SecretHeap::allocate(100));
  ASSERT_NE(nullptr, data);
  EXPECT_NE(std::string::npos, mapping_flags(data).find(" dd "));
  EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(data) % 16);
  std::memset(data, 0x42, 100);
  SecretHeap::free(data);
  const auto* again = static_cast<uint8_t*>(SecretHeap::allocate(90));
  EXPECT_EQ(data, again);
  // A free block begins with the address of the next one, which may have any byte.
  EXPECT_EQ(again + 90, std::find(again + sizeof(void*), again + 90, uint8_t{0x42}));
  SecretHeap::free(data);
}

TEST(SecretMemory, grows_and_moves_with_its_contents) {
  for (const size_t most : {size_t{1000}, size_t{300000}}) {
    uint8_t* data = nullptr;
    for (size_t bytes = 1; bytes <= most; bytes = bytes * 3 + 1) {
      data = static_cast<uint8_t*>(SecretHeap::reallocate(data, bytes));
      ASSERT_NE(nullptr, data);
      std::memset(data, static_cast<int>(bytes & 0xff), bytes);
      EXPECT_EQ(static_cast<uint8_t>(bytes & 0xff), data[bytes / 2]);
    }
    SecretHeap::free(data);
  }
  EXPECT_EQ(nullptr, SecretHeap::allocate(SIZE_MAX - 10));
}

TEST(SecretMemory, is_shared_by_threads) {
  std::vector<std::thread> threads;
  for (uint8_t thread = 0; thread < 4; ++thread)
    threads.emplace_back([thread] {
      std::vector<uint8_t*> blocks;
      for (size_t round = 0; round < 2000; ++round) {
        const size_t bytes = 1 + round * 37 % 3000;
        auto* block = static_cast<uint8_t*>(SecretHeap::allocate(bytes));
        ASSERT_NE(nullptr, block);
        std::memset(block, thread, bytes);
        blocks.push_back(block);
        if (round % 3 == 0) {
          ASSERT_EQ(thread, blocks.front()[0]);
          SecretHeap::free(blocks.front());
          blocks.erase(blocks.begin());
        }
      }
      for (uint8_t* block : blocks) SecretHeap::free(block);
    });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace leoam
