// WholeLayer: pages of a stream that are all in the tier of their home, kept there while they are read.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/kv/tiers.h"

namespace leoam {

// Stays where it is while it holds pages. Thread rule: one thread at a time.
class WholeLayer {
 public:
  WholeLayer() = default;
  WholeLayer(const WholeLayer&) = delete;
  WholeLayer& operator=(const WholeLayer&) = delete;
  ~WholeLayer() { leave(); }

  // As Tiers::use; `seen_epoch`: of `refs`, kept by whoever owns the pages. `holds` counts it until leave.
  bool use(Tiers& tiers, std::span<const PageHandle> pages, uint64_t* seen_epoch,
           std::span<kernels::KvPageRef> refs, PassHolds* holds) {
    use_ = {pages, *seen_epoch};
    if (!tiers.use(&use_, refs, holds)) return false;
    *seen_epoch = use_.seen_epoch;
    tiers_ = &tiers;
    holds_ = holds;
    ++holds_->n;
    return true;
  }
  void leave() {
    if (!tiers_) return;
    tiers_->leave(&use_);
    --holds_->n;
    tiers_ = nullptr;
  }
  bool in_use() const { return tiers_ != nullptr; }
  std::span<const PageHandle> pages() const { return use_.pages; }

 private:
  Tiers* tiers_ = nullptr;  // null: it holds none
  PassHolds* holds_ = nullptr;
  Tiers::LayerUse use_;
};

}  // namespace leoam
