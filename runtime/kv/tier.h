// Tier: one fast tier under a byte budget: the frames of its pages, which of them may be dropped, and which
// have to move down first. A cache of immutable pages: it decides nothing about where else a page is.
#pragma once

#include <algorithm>
#include <cstdint>

#include "runtime/kv/frame_pool.h"
#include "runtime/kv/page.h"
#include "runtime/kv/replacement.h"

namespace leoam {

// Thread rule: one thread at a time (under the lock of its Tiers).
class Tier {
 public:
  Tier(Level level, FramePool::Allocate allocate, ReplacementKind replacement, uint64_t budget_bytes)
      : level_(level),
        frames_(std::move(allocate), level == Level::host),
        clean_(replacement, level),
        budget_bytes_(budget_bytes) {}

  Level level() const { return level_; }
  Residence& of(Page& page) const { return page.at(level_); }

  uint64_t budget_bytes() const { return budget_bytes_; }
  void set_budget(uint64_t bytes) { budget_bytes_ = bytes; }
  uint64_t used_bytes() const { return used_bytes_; }
  uint64_t peak_bytes() const { return peak_bytes_; }
  uint64_t free_bytes() const { return budget_bytes_ > used_bytes_ ? budget_bytes_ - used_bytes_ : 0; }
  // What the tier's memory is used for besides frames.
  void charge(uint64_t bytes) {
    used_bytes_ += bytes;
    peak_bytes_ = std::max(peak_bytes_, used_bytes_);
  }
  void give_back(uint64_t bytes) { used_bytes_ -= bytes; }

  // Room for the page, without its bytes. Fails with out_of_memory.
  Status give_frame(Page& page);
  // The page leaves the tier; it is on no list then.
  void drop(Page& page);

  // Puts the page on the list where it belongs, or on none. `rests`: sealed and not moving; `kept_below`: a
  // slower tier has it.
  void list(Page& page, bool rests, bool kept_below);
  void unlist(Page& page) { list(page, false, false); }
  bool may_drop(const Page& page) const { return clean_.contains(page); }
  void touch(Page& page) {
    if (clean_.contains(page)) clean_.touch(page);
  }
  // Drops the page that is first to leave and that `may_go` accepts, and what follows it of its run; false:
  // there is none.
  template <class MayGo>
  bool drop_run(const MayGo& may_go) {
    const Page* first = clean_.victim(may_go);
    for (Page* page = clean_.victim(may_go); page && in_one_run(*page, *first); page = clean_.victim(may_go))
      drop(*page);
    return first != nullptr;
  }
  // The page that waits longest to move down.
  Page* oldest_dirty() const { return oldest_dirty_; }
  Page* next_dirty(const Page& page) const { return page.at(level_).next_dirty; }

  // Gives back what fragments of frames hold, once that is much, or always.
  void trim(bool always);

 private:
  static bool in_one_run(const Page& a, const Page& b) {
    return a.stream.number == b.stream.number && a.number / kRunPages == b.number / kRunPages;
  }
  bool is_dirty(const Page& page) const { return page.at(level_).previous_dirty || oldest_dirty_ == &page; }

  const Level level_;
  FramePool frames_;
  Replacement clean_;             // sealed, here and below, not pinned, wanted or moving
  Page* oldest_dirty_ = nullptr;  // sealed, here and not below, not moving
  Page* newest_dirty_ = nullptr;
  uint64_t budget_bytes_;
  uint64_t used_bytes_ = 0;
  uint64_t peak_bytes_ = 0;
};

}  // namespace leoam
