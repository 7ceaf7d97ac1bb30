#include "runtime/kv/tier.h"

namespace leoam {
namespace {

constexpr uint64_t kSlack_bytes = uint64_t{8} << 20;

}  // namespace

Status Tier::give_frame(Page& page) {
  Residence& here = of(page);
  LEOAM_ASSIGN_OR_RETURN(here.frame, frames_.allocate(page.bytes));
  here.filled = false;
  charge(page.bytes);
  return {};
}

void Tier::drop(Page& page) {
  unlist(page);
  Residence& here = of(page);
  frames_.free(here.frame);
  here.frame = {};
  here.filled = false;
  give_back(page.bytes);
}

void Tier::list(Page& page, bool rests, bool kept_below) {
  Residence& here = of(page);
  rests = rests && here.filled;
  const bool clean = rests && kept_below && here.n_pins == 0 && !here.wanted;
  const bool dirty = rests && !kept_below;
  if (!clean && clean_.contains(page)) clean_.remove(page);
  if (!dirty && is_dirty(page)) {
    (here.previous_dirty ? of(*here.previous_dirty).next_dirty : oldest_dirty_) = here.next_dirty;
    (here.next_dirty ? of(*here.next_dirty).previous_dirty : newest_dirty_) = here.previous_dirty;
    here.next_dirty = here.previous_dirty = nullptr;
  }
  if (clean && !clean_.contains(page)) clean_.add(page);
  if (dirty && !is_dirty(page)) {
    here.previous_dirty = newest_dirty_;
    (newest_dirty_ ? of(*newest_dirty_).next_dirty : oldest_dirty_) = &page;
    newest_dirty_ = &page;
  }
}

void Tier::trim(bool always) {
  // Frames of another size, free in half-used blocks, would show in the process's memory.
  if (always || frames_.slab_bytes() > budget_bytes_ + kSlack_bytes) frames_.trim();
}

}  // namespace leoam
