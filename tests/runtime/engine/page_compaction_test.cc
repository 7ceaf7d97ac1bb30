// A device's operations on full pages: compact ones, and the abstracts of these.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "kernels/f16.h"
#include "runtime/base/aligned_buffer.h"
#include "tests/support/sim_device.h"

namespace leoam {
namespace {

class PageCompactionTest : public ::testing::TestWithParam<bool> {
 protected:
  static constexpr size_t kPages = 9;
  static constexpr kernels::PageCodec kCodec = kernels::PageCodec::k8v4;

  PageCompactionTest() {
    device_ = create_cpu_device(*pool_, kernels_);
    if (!GetParam()) return;
    auto sim = std::make_unique<testing::SimDevice>(std::move(device_), testing::SimDevice::Options());
    sim_ = sim.get();
    device_ = std::move(sim);
  }
  uint8_t* real(uint8_t* address) { return sim_ ? const_cast<uint8_t*>(sim_->real(address)) : address; }

  std::unique_ptr<ThreadPool> pool_ = ThreadPool::create(2).value();
  const kernels::CpuTable& kernels_ = kernels::cpu_table(kernels::best_cpu_level());
  const kernels::KvLayout layout_{kernels::KvType::f16, 2, 40, 32};
  std::unique_ptr<Device> device_;
  testing::SimDevice* sim_ = nullptr;
};

TEST_P(PageCompactionTest, PagesAreEncodedAndSummarized) {
  const size_t plain_bytes = layout_.page_bytes();
  const size_t compact_bytes = kernels::page_bytes(layout_, kCodec);
  const auto plain = std::move(device_->allocate(kPages * plain_bytes)).value();
  const auto compact = std::move(device_->allocate(kPages * compact_bytes)).value();
  auto* const numbers = reinterpret_cast<uint16_t*>(real(plain->data()));
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (size_t i = 0; i < kPages * plain_bytes / 2; ++i) numbers[i] = kernels::f32_to_f16(normal(random));
  numbers[5 * plain_bytes / 2 + 77] = 0x7c00;  // infinity
  std::vector<PageCompaction> pages;
  for (size_t p = 0; p < kPages; ++p)
    pages.push_back({plain->data() + p * plain_bytes, compact->data() + p * compact_bytes, kCodec});
  ASSERT_TRUE(device_->compact(layout_, pages).ok());

  kernels::KvLayout decoded = layout_;
  decoded.type = kernels::KvType::f32;
  // The last of each head.
  const uint32_t n_coded = layout_.head_dim / 2;
  std::vector<uint32_t> channels;
  for (uint32_t i = 0; i < layout_.n_kv_heads * n_coded; ++i)
    channels.push_back(layout_.head_dim - n_coded + i % n_coded);
  const size_t block_bytes = kernels::key_code_layout(layout_, n_coded).block_bytes();
  const size_t record_bytes = kernels::ChunkLayout{layout_.head_dim}.record_bytes();
  for (size_t p = 0; p < kPages; ++p) {
    ASSERT_EQ(pages[p].encoded, p != 5) << p;
    if (p == 5) continue;
    const uint8_t* const bytes = real(pages[p].to);
    std::vector<uint8_t> expected(compact_bytes);
    ASSERT_TRUE(kernels::page_encode_scalar(
        {layout_, kCodec, real(plain->data()) + p * plain_bytes, expected.data()}));
    ASSERT_EQ(std::memcmp(bytes, expected.data(), compact_bytes), 0) << p;

    auto memory = std::move(AlignedBuffer::allocate(decoded.page_bytes() + 2 * block_bytes)).value();
    std::memset(memory.data(), 0, memory.bytes());
    uint8_t* const page = memory.data();
    uint8_t* const codes = page + decoded.page_bytes();
    std::vector<uint8_t> records(layout_.n_kv_heads * record_bytes), wanted(records.size());
    for (uint32_t head = 0; head < layout_.n_kv_heads; ++head) {
      kernels::page_decode_scalar({decoded, kCodec, bytes, page}, head);
      kernels_.key_code_encode({decoded, page, codes, 3, &channels[size_t{head} * n_coded], n_coded}, head);
      kernels_.chunk_of_page(decoded, page, head, wanted.data() + head * record_bytes);
    }
    const PageAbstract abstract{pages[p].to, codes + block_bytes, 3,      records.data(), record_bytes,
                                kCodec,      channels.data(),     n_coded};
    ASSERT_TRUE(device_->summarize(layout_, {&abstract, 1}).ok());
    ASSERT_EQ(records, wanted) << p;
    ASSERT_EQ(std::memcmp(codes, codes + block_bytes, block_bytes), 0) << p;
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, PageCompactionTest, ::testing::Bool(),
                         [](const auto& device) { return device.param ? "sim" : "cpu"; });

}  // namespace
}  // namespace leoam
