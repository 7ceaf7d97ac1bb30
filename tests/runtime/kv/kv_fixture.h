// Sequences over tiers on a simulated disk, whose tokens can be told apart, for the tests of the KV room.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <random>
#include <thread>

#include "runtime/device/cpu/cpu_device.h"
#include "runtime/kv/layer_reader.h"
#include "runtime/kv/sequence_kv.h"
#include "tests/support/sim_device.h"
#include "tests/support/simulated_disk.h"

namespace leoam::testing {

class KvTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kPageTokens = 16;

  KvTest()
      : threads_(std::move(ThreadPool::create(1)).value()),
        device_(create_cpu_device(*threads_, kernels::cpu_table(kernels::CpuLevel::scalar))) {}

  // A layer without a window, and one with `window`. Pages of 4 KiB.
  static KvShape shape(uint32_t window) {
    KvShape shape;
    shape.layout = {kernels::KvType::f16, 2, 32, kPageTokens};
    shape.windows = {0, window};
    return shape;
  }

  // From now on passes compute in the memory of a device, above RAM.
  void use_device(const SimDevice::Options& options) {
    tiers_.reset();
    auto sim = std::make_unique<SimDevice>(std::move(device_), options);
    sim_ = sim.get();
    device_ = std::move(sim);
  }

  // `top_bytes`: the budget where passes compute. `host_bytes`: of the RAM below a device.
  void start(uint64_t top_bytes, ReplacementKind replacement = ReplacementKind::most_recent,
             uint64_t disk_bytes = UINT64_MAX, uint64_t host_bytes = 64u << 20) {
    tiers_.reset();
    account_ = std::make_unique<DiskAccount>(disk_bytes);
    TierOptions options;
    options.host_budget_bytes = sim_ ? host_bytes : top_bytes;
    options.device_budget_bytes = sim_ ? top_bytes : 0;
    options.scratch_folder = "/scratch";
    options.replacement = replacement;
    tiers_ = std::make_unique<Tiers>(*device_, disk_, *account_, options);
  }

  SequenceKv make(uint32_t window = 0) { return SequenceKv(*tiers_, shape(window), 256); }

  // One pass over `ids.size()` tokens, each marked with its id in every layer; rolled back when it fails.
  Status grow(SequenceKv& kv, std::span<const uint32_t> ids) {
    LEOAM_RETURN_IF_ERROR(kv.reserve(static_cast<uint32_t>(ids.size())));
    for (uint32_t layer = 0; layer < 2; ++layer) {
      Status status = kv.open_layer(layer, {});
      if (!status.ok()) {
        kv.rollback();
        return status;
      }
      const auto refs = kv.append_pages(layer);
      for (size_t i = 0; i < ids.size(); ++i) {
        const uint64_t position = kv.n_tokens() + i;
        const auto& ref = refs[(position - static_cast<uint64_t>(refs[0].first_position)) / kPageTokens];
        std::memcpy(mark(kv, ref, position), &ids[i], sizeof(uint32_t));
      }
      kv.close_layer(layer);
    }
    kv.commit();
    return {};
  }

  // Reads every layer; every token that a layer must still have carries its id. `ids` are all tokens.
  Status check(SequenceKv& kv, std::span<const uint32_t> ids) {
    EXPECT_EQ(kv.n_tokens(), ids.size());
    for (uint32_t layer = 0; layer < 2; ++layer) {
      PassHolds holds;
      LayerReader reader(kv, layer, &holds);
      uint64_t next = UINT64_MAX;
      while (!reader.at_end()) {
        LEOAM_ASSIGN_OR_RETURN(const std::span<const kernels::KvPageRef> refs, reader.next(nullptr));
        for (const kernels::KvPageRef& ref : refs) {
          const uint64_t first = static_cast<uint64_t>(ref.first_position);
          if (next != UINT64_MAX) {
            EXPECT_EQ(first, next);
          }
          next = first + static_cast<uint64_t>(ref.n_tokens);
          if (first == 0 || next == UINT64_MAX) {
            EXPECT_EQ(first % kPageTokens, 0u);
          }
          for (uint64_t position = first; position < next; ++position) {
            uint32_t id = 0;
            std::memcpy(&id, mark(kv, ref, position), sizeof(id));
            EXPECT_EQ(id, ids[position]) << "layer " << layer << " position " << position;
            if (id != ids[position]) return Status(ErrorKind::internal, "a wrong token");
          }
        }
      }
      EXPECT_EQ(next == UINT64_MAX ? 0 : next, ids.size());
    }
    return {};
  }

  static std::vector<uint32_t> numbers(uint32_t first, uint32_t n) {
    std::vector<uint32_t> out(n);
    for (uint32_t i = 0; i < n; ++i) out[i] = first + i;
    return out;
  }

  static uint64_t page_bytes() { return shape(0).layout.page_bytes(); }

  SimulatedDisk disk_;
  std::unique_ptr<ThreadPool> threads_;
  std::unique_ptr<Device> device_;
  SimDevice* sim_ = nullptr;  // device_, if it is one
  std::unique_ptr<DiskAccount> account_;
  std::unique_ptr<Tiers> tiers_;

 private:
  uint8_t* mark(const SequenceKv& kv, const kernels::KvPageRef& ref, uint64_t position) const {
    const kernels::KvLayout& layout = kv.shape().layout;
    const uint32_t slot = static_cast<uint32_t>(position - static_cast<uint64_t>(ref.first_position));
    return (sim_ ? sim_->real(ref.data) : const_cast<uint8_t*>(ref.data)) + layout.value_offset(1) +
           layout.value_element(slot, 0) * layout.element_bytes();
  }
};

}  // namespace leoam::testing
