#include "runtime/engine/planned_tiers.h"

#include <algorithm>

#include "kernels/attention/attention.h"
#include "runtime/kv/layer_compaction.h"
#include "runtime/kv/page.h"
#include "runtime/kv/tier_sizes.h"

namespace leoam {
namespace {

// A file grows by an eighth, between these.
constexpr uint64_t kLeastGrowth_bytes = uint64_t{1} << 20;
constexpr uint64_t kMostGrowth_bytes = uint64_t{64} << 20;
// Of a session file, beside pages: head, two logs, index.
constexpr uint64_t kSessionHead_bytes = 65536;
constexpr uint64_t kLogToken_bytes = 8;
constexpr uint64_t kIndexPage_bytes = 64;

}  // namespace

uint64_t bounded_sum(uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

uint64_t bounded_product(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

PlannedTiers::PlannedTiers(const ModelConfig& config, const kernels::KvLayout& layout,
                           kernels::PageCodec codec, uint64_t piece_tokens, uint64_t host_budget_bytes,
                           uint64_t disk_budget_bytes)
    : page_tokens_(std::max<uint64_t>(layout.page_tokens, 1)),
      page_bytes_(std::max<uint64_t>(kernels::page_bytes(layout, codec), 1)),
      plain_extra_bytes_(layout.page_bytes() - std::min<uint64_t>(layout.page_bytes(), page_bytes_)),
      stored_bytes_(PageFile::stored_bytes(page_bytes_)),
      piece_tokens_(std::max<uint64_t>(piece_tokens, 1)),
      window_tokens_(config.sliding_window_tokens),
      host_budget_(host_budget_bytes == 0 ? UINT64_MAX : host_budget_bytes),
      disk_budget_(disk_budget_bytes),
      has_disk_(disk_budget_bytes >= kIoBlock_bytes + stored_bytes_) {
  for (uint32_t layer = 0; layer < config.n_layers; ++layer)
    ++(config.is_sliding(layer) ? n_sliding_layers_ : n_global_layers_);
}

uint64_t PlannedTiers::n_pages(uint64_t n_tokens, uint64_t passing_tokens) const {
  const uint64_t full = pages_of(n_tokens);
  // A window may start anywhere in a page, and what a pass adds drops nothing before it is committed.
  const uint64_t sliding = std::min(full, window_pages() + pages_of(std::min(passing_tokens, n_tokens)));
  return n_global_layers_ * full + n_sliding_layers_ * sliding;
}

uint64_t PlannedTiers::plain_bytes(uint64_t n_tokens, uint64_t passing_tokens) const {
  // The window may begin anywhere in a page, and what a pass adds stays plain until the next one.
  const uint64_t n_plain = pages_of(LayerCompaction::kPlainSink_tokens) +
                           pages_of(LayerCompaction::kPlainWindow_tokens) + 1 + pages_of(passing_tokens);
  const uint64_t full = pages_of(n_tokens);
  const uint64_t sliding = n_pages(n_tokens, passing_tokens) - n_global_layers_ * full;
  return bounded_product(bounded_sum(n_global_layers_ * std::min(full, n_plain), sliding),
                         plain_extra_bytes_);
}

uint64_t PlannedTiers::ram_bytes(uint64_t n_tokens) const {
  return bounded_sum(bounded_product(n_pages(n_tokens, piece_tokens_), page_bytes_ + kPageOverhead_bytes),
                     plain_bytes(n_tokens, piece_tokens_));
}

uint64_t PlannedTiers::staging_bytes() const {
  return staging_bytes_of(host_budget_, page_bytes_, Reads::whole);
}

bool PlannedTiers::fits_ram(uint64_t n_tokens) const {
  return bounded_sum(ram_bytes(n_tokens), has_disk_ ? staging_bytes() : 0) <= host_budget_;
}

uint64_t PlannedTiers::least_ram_bytes(uint64_t n_tokens) const {
  const uint64_t piece = std::min(piece_tokens_, n_tokens);
  const uint64_t run = kernels::kAttentionCut_tokens / page_tokens_;
  // One layer's open pages, the run that is attended to, and every other layer's open end.
  const uint64_t n_held = pages_of(piece) + 1 + run + n_global_layers_ + n_sliding_layers_;
  const uint64_t n = n_pages(n_tokens, piece_tokens_);
  return bounded_sum(bounded_sum(bounded_product(n, kPageOverhead_bytes), staging_bytes()),
                     bounded_product(std::min(n_held, n), page_bytes_ + plain_extra_bytes_));
}

bool PlannedTiers::fits_with_disk(uint64_t n_tokens) const {
  if (fits_ram(n_tokens)) return true;
  const uint64_t least = least_ram_bytes(n_tokens);
  if (!has_disk_ || least > host_budget_) return false;
  const uint64_t n_in_ram = (host_budget_ - least) / page_bytes_;
  const uint64_t n_on_disk = (disk_budget_ - kIoBlock_bytes) / stored_bytes_;
  return n_pages(n_tokens, piece_tokens_) <= bounded_sum(n_in_ram, n_on_disk);
}

uint64_t PlannedTiers::host_bytes(uint64_t n_tokens) const {
  return std::min(bounded_sum(ram_bytes(n_tokens), writes(n_tokens) ? staging_bytes() : 0), host_budget_);
}

uint64_t PlannedTiers::file_bytes(uint64_t head_bytes, uint64_t bytes) {
  const uint64_t goal = bounded_sum(head_bytes, bytes);
  uint64_t end = head_bytes;
  while (end < goal) {
    const uint64_t step =
        std::clamp(end / 8, kLeastGrowth_bytes, kMostGrowth_bytes) / kIoBlock_bytes * kIoBlock_bytes;
    if (step == kMostGrowth_bytes)
      return bounded_sum(end, bounded_product((goal - end + step - 1) / step, step));
    end += step;
  }
  return end;
}

uint64_t PlannedTiers::scratch_file_bytes(uint64_t n_tokens) const {
  if (!writes(n_tokens)) return 0;
  const uint64_t full = n_tokens / page_tokens_;
  const uint64_t n =
      n_global_layers_ * full +
      n_sliding_layers_ * std::min(full, window_pages() + pages_of(std::min(piece_tokens_, n_tokens)));
  return std::min(file_bytes(kIoBlock_bytes, bounded_product(n, stored_bytes_)), disk_budget_);
}

uint64_t PlannedTiers::written_bytes(uint64_t n_tokens) const {
  if (!writes(n_tokens)) return 0;
  // What no window reached any more when writing began was dropped, and never written.
  const uint64_t before = longest([&](uint64_t n) { return !writes(n); });
  const uint64_t full = n_tokens / page_tokens_;
  const uint64_t dropped = pages_of(before) - std::min(pages_of(before), window_pages());
  const uint64_t n = n_global_layers_ * full + n_sliding_layers_ * (full - std::min(full, dropped));
  return bounded_product(n, stored_bytes_);
}

uint64_t PlannedTiers::session_file_bytes(uint64_t n_tokens, uint32_t n_vocab) const {
  const uint64_t n = n_pages(n_tokens, 0);
  const uint64_t index = bounded_product(n, kIndexPage_bytes);
  const uint64_t rest =
      kSessionHead_bytes + 2 * n_tokens * kLogToken_bytes + uint64_t{n_vocab} * sizeof(float);
  return file_bytes(kSessionHead_bytes,
                    bounded_sum(bounded_product(n, stored_bytes_), bounded_sum(index, rest)));
}

uint64_t PlannedTiers::read_bytes(uint64_t n_tokens, uint64_t passing_tokens) const {
  if (!has_disk_ || fits_ram(n_tokens)) return 0;
  const uint64_t n = n_pages(n_tokens, passing_tokens);
  const uint64_t own = (n_global_layers_ + n_sliding_layers_) * pages_of(passing_tokens);
  const uint64_t aside = bounded_sum(bounded_sum(bounded_product(n, kPageOverhead_bytes), staging_bytes()),
                                     plain_bytes(n_tokens, passing_tokens));
  const uint64_t n_in_ram = (host_budget_ - std::min(host_budget_, aside)) / page_bytes_;
  const uint64_t n_old = n - std::min(n, own);
  const uint64_t n_missing = n_old - std::min(n_old, n_in_ram);
  // Pages on their way pass through RAM and push out as many of those that stay; some of what is asked for
  // ahead is among these.
  const uint64_t n_passing =
      std::min(n_missing, ahead_bytes_of(host_budget_, Reads::whole) / 4 * 3 / page_bytes_);
  return bounded_product(std::min(n_old, bounded_sum(n_missing, n_passing)), stored_bytes_);
}

}  // namespace leoam
