// SelectionCheck: policies over the pages of one layer, beside the attention that they claim to know.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "kernels/f16.h"
#include "runtime/device/cpu/cpu_device.h"
#include "runtime/kv/layer_abstracts.h"
#include "runtime/kv/policy/policy.h"
#include "tests/support/simulated_disk.h"

namespace leoam::testing {

class SelectionCheck {
 public:
  static constexpr uint32_t kGroup = 3;

  // `n_coded`: channels with codes; 0: all.
  explicit SelectionCheck(const kernels::KvLayout& layout, uint32_t n_coded = 0)
      : layout_(layout),
        n_coded_(n_coded == 0 ? layout.head_dim : n_coded),
        threads_(std::move(ThreadPool::create(1)).value()),
        kernels_(kernels::cpu_table(kernels::best_cpu_level())),
        device_(create_cpu_device(*threads_, kernels_)),
        account_(UINT64_MAX) {
    TierOptions options;
    options.host_budget_bytes = uint64_t{256} << 20;
    options.scratch_folder = "/scratch";
    tiers_ = std::make_unique<Tiers>(*device_, disk_, account_, options);
    abstracts_ = std::make_unique<LayerAbstracts>(make_abstracts());
    masses_ = std::make_unique<LayerMasses>(*tiers_, layout_);
  }

  LayerAbstracts& abstracts() { return *abstracts_; }
  // Others of the same shape.
  LayerAbstracts make_abstracts() { return {*tiers_, kernels_, layout_, n_coded_, {1, 2}}; }
  const kernels::CpuTable& kernels() const { return kernels_; }
  Tiers& tiers() { return *tiers_; }
  PolicyMeans means() { return {*threads_, kernels_}; }
  uint32_t n_tokens() const { return n_pages() * layout_.page_tokens; }
  // Of a token that has been asked about.
  float& mass(uint32_t kv_head, uint32_t token) {
    return masses_->of_page(kv_head, token / layout_.page_tokens)[token % layout_.page_tokens];
  }
  // All tokens are there again.
  void forget_masses() { masses_->truncate(0); }
  uint32_t n_heads() const { return layout_.n_kv_heads * kGroup; }
  uint32_t n_pages() const { return static_cast<uint32_t>(pages_.size()); }

  // The bytes of a page as a layout of 64-byte aligned memory.
  uint8_t* add_page() {
    pages_.push_back(AlignedBuffer::allocate(layout_.page_bytes()).value());
    return pages_.back().data();
  }
  // set(token, kv_head, channel) -> key; values are zeros.
  template <class Key>
  void add_page(const Key& key) {
    uint8_t* const page = add_page();
    const auto first = static_cast<uint32_t>(pages_.size() - 1) * layout_.page_tokens;
    for (uint32_t head = 0; head < layout_.n_kv_heads; ++head)
      for (uint32_t t = 0; t < layout_.page_tokens; ++t)
        for (uint32_t c = 0; c < layout_.head_dim; ++c) {
          const uint16_t half = kernels::f32_to_f16(key(first + t, head, c));
          std::memcpy(page + layout_.key_offset(head) + 2 * layout_.key_element(c, t), &half, 2);
        }
  }
  void summarize() {
    while (abstracts_->n_pages() < n_pages()) {
      const uint32_t begin = abstracts_->n_pages();
      const uint32_t n =
          std::min(n_pages() - begin, kernels::kCodeBlock_pages - begin % kernels::kCodeBlock_pages);
      std::vector<PageAbstract> jobs;
      ASSERT_TRUE(abstracts_->append(n, {}, &jobs).ok());
      for (uint32_t i = 0; i < n; ++i) jobs[i].page = pages_[begin + i].data();
      ASSERT_TRUE(abstracts_->make(*device_, jobs, {}).ok());
    }
  }
  float key(uint32_t token, uint32_t kv_head, uint32_t channel) const {
    uint16_t half;
    std::memcpy(&half,
                pages_[token / layout_.page_tokens].data() + layout_.key_offset(kv_head) +
                    2 * layout_.key_element(channel, token % layout_.page_tokens),
                2);
    return kernels::f16_to_f32(half);
  }

  // Queries [n_heads][head_dim], of which all scores are computed; the first and the last page are fixed.
  void ask(std::vector<float> q) {
    q_ = std::move(q);
    scores_.assign(n_heads(), {});
    keys_.resize(layout_.head_dim);
    for (uint32_t head = 0; head < n_heads(); ++head)
      for (uint32_t token = 0; token < n_pages() * layout_.page_tokens; ++token) {
        double sum = 0;
        for (uint32_t c = 0; c < layout_.head_dim; ++c)
          sum += double{q_[size_t{head} * layout_.head_dim + c]} * double{key(token, head / kGroup, c)};
        scores_[head].push_back(sum * double{kScale});
      }
    fixed_maximum_.assign(n_heads(), 0);
    fixed_sum_.assign(n_heads(), 0);
    for (uint32_t head = 0; head < n_heads(); ++head) {
      const double log = log_sum(head, [this](uint32_t token) {
        const uint32_t page = token / layout_.page_tokens;
        return page == 0 || page + 1 == n_pages();
      });
      fixed_maximum_[head] = static_cast<float>(log);
      fixed_sum_[head] = 1;
    }
    query_.n_heads = n_heads();
    query_.scale = kScale;
    query_.fixed = {q_.data(), fixed_maximum_.data(), fixed_sum_.data()};
    query_.first_page = 1;
    query_.end_page = n_pages() - 1;
    query_.n_tokens = n_tokens();
    query_.masses = masses_.get();
    ASSERT_TRUE(masses_->grow(n_tokens(), {}).ok());
  }
  // Runs a policy.
  void choose(Policy& policy, uint64_t budget_tokens, AbstractReader& reader) {
    query_.budget_tokens = budget_tokens;
    query_.n_granules = budget_tokens / kernels::kGranule_tokens;
    selection_.heads.resize(layout_.n_kv_heads);
    selection_.outside.assign(n_heads(), -1);
    ASSERT_TRUE(policy.select(query_, reader, &selection_).ok());
  }
  // With a floor, widened where the coverage is below.
  void select(Policy& policy, uint64_t budget_tokens, double floor = 0) {
    PassHolds holds;
    AbstractReader reader(*tiers_, *abstracts_, &holds, nullptr);
    choose(policy, budget_tokens, reader);
    bool narrow = false;
    std::vector<float> inside;
    for (uint32_t head = 0; head < n_heads(); ++head) {
      inside.push_back(static_cast<float>(log_inside(head)));
      narrow = narrow || coverage(head) < floor;
    }
    if (!narrow) return;
    ASSERT_TRUE(policy.widen(inside, floor, reader, &selection_).ok());
  }
  const Selection& selection() const { return selection_; }
  // [n_tokens]: which tokens a KV head attends to besides the fixed ones.
  std::vector<bool> selected(uint32_t kv_head) const {
    const Selection::Head& head = selection_.heads[kv_head];
    const uint32_t page_granules = layout_.page_tokens / kernels::kGranule_tokens;
    std::vector<bool> selected(n_tokens());
    uint64_t n = 0;
    for (size_t entry = 0; entry < head.granules.size(); ++entry)
      for (uint32_t slot = 0; slot < layout_.page_tokens; ++slot) {
        const uint32_t granule = slot / kernels::kGranule_tokens;
        const uint8_t tokens =
            head.token_masks.empty() ? 0xff : head.token_masks[entry * page_granules + granule];
        if ((head.granules[entry].mask >> granule & 1) == 0 ||
            (tokens >> slot % kernels::kGranule_tokens & 1) == 0)
          continue;
        selected[head.granules[entry].page * layout_.page_tokens + slot] = true;
        ++n;
      }
    EXPECT_EQ(n, head.n_tokens);
    return selected;
  }
  double coverage(uint32_t head) const {
    return 1 / (1 + std::exp(double{selection_.outside[head]} - log_inside(head)));
  }
  double true_share(uint32_t head) const {
    return std::exp(log_inside(head) - log_sum(head, [](uint32_t) { return true; }));
  }

 private:
  static constexpr float kScale = 0.25f;

  template <class Counts>
  double log_sum(uint32_t head, const Counts& counts) const {
    double greatest = -INFINITY;
    for (uint32_t token = 0; token < scores_[head].size(); ++token)
      if (counts(token)) greatest = std::max(greatest, scores_[head][token]);
    double sum = 0;
    for (uint32_t token = 0; token < scores_[head].size(); ++token)
      if (counts(token)) sum += std::exp(scores_[head][token] - greatest);
    return greatest + std::log(sum);
  }
  double log_inside(uint32_t head) const {
    const std::vector<bool> selected = this->selected(head / kGroup);
    return log_sum(head, [&](uint32_t token) {
      const uint32_t page = token / layout_.page_tokens;
      return page == 0 || page + 1 == n_pages() || selected[token];
    });
  }

  kernels::KvLayout layout_;
  const uint32_t n_coded_;
  std::unique_ptr<ThreadPool> threads_;
  const kernels::CpuTable& kernels_;
  SimulatedDisk disk_;
  std::unique_ptr<Device> device_;
  DiskAccount account_;
  std::unique_ptr<Tiers> tiers_;
  std::unique_ptr<LayerAbstracts> abstracts_;
  std::unique_ptr<LayerMasses> masses_;
  std::vector<AlignedBuffer> pages_;
  std::vector<float> q_;
  std::vector<float> keys_;
  std::vector<std::vector<double>> scores_;  // [n_heads][n_tokens]
  std::vector<float> fixed_maximum_, fixed_sum_;
  SelectionQuery query_;
  Selection selection_;
};

}  // namespace leoam::testing
