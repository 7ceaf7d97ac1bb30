// Tiers: what passes ask for, and what they are going to ask for.
#include <algorithm>

#include "runtime/kv/tier_sizes.h"
#include "runtime/kv/tiers.h"

namespace leoam {

Status Tiers::pin(std::span<const PageHandle> pages, const Wait& wait, Retention use) {
  Lock lock(mutex_);
  for (const PageHandle& page : pages) {
    const Residence& here = home_of(*page.get()).of(*page.get());
    if (here.wanted) {
      ++statistics_.n_pages_ahead;
    } else if (here.frame.data) {
      ++statistics_.n_pages_hit;
    } else {
      ++statistics_.n_pages_missed;
    }
  }
  if (pages.empty()) return {};
  LEOAM_RETURN_IF_ERROR(pin_at(lock, home_of(*pages[0].get()), pages, wait));
  for (const PageHandle& page : pages)
    if (page->stream.home == Home::top) set_retention(*page.get(), use);
  for (const PageHandle& page : pages) tell_arrival(*page.get(), wait.own);
  return {};
}

Status Tiers::pin_at(Lock& lock, Tier& tier, std::span<const PageHandle> pages, const Wait& wait) {
  const uint64_t failures = n_write_failures_;
  for (;;) {
    uint64_t missing = 0;
    ++n_holds_;
    for (const PageHandle& handle : pages) {
      Page& page = *handle.get();
      Residence& here = tier.of(page);
      ++here.n_pins;
      here.wanted = false;
      relist(page);
      if (!here.frame.data) missing += page.bytes;
    }
    if (drop_for(tier, missing)) break;
    // All or nothing: two passes that each wait with half of what they need would wait for ever.
    unpin_at(tier, pages);
    LEOAM_RETURN_IF_ERROR(await_room(lock, tier, missing, wait, wait.n_own(), failures));
  }
  Status status = fill_pinned(lock, tier, pages, wait);
  if (!status.ok()) {
    flush_jobs();
    unpin_at(tier, pages);
    tell_change();
  }
  return status;
}

Status Tiers::fill_pinned(Lock& lock, Tier& tier, std::span<const PageHandle> pages, const Wait& wait) {
  const uint64_t failures = n_write_failures_;
  for (;;) {
    bool filled = true;
    uint64_t lacking_bytes = 0;  // RAM for a page on its way to the device
    for (const PageHandle& handle : pages) {
      Page& page = *handle.get();
      Residence& here = tier.of(page);
      if (here.filled) continue;
      filled = false;
      LEOAM_RETURN_IF_ERROR(link_failure_.clone());
      if (page.damaged)
        return error(ErrorKind::corrupt, "page {} of stream {} is damaged", page.number, page.stream.number);
      // The first time there is room.
      if (!here.frame.data) LEOAM_RETURN_IF_ERROR(give_frame(tier, page));
      if (page.movement == Movement::none && !advance(page, tier, true)) {
        lacking_bytes = page.bytes;
        break;
      }
      if (!page.awaited) ++n_awaited_;
      page.awaited = true;
    }
    if (filled) return {};
    if (lacking_bytes > 0)
      LEOAM_RETURN_IF_ERROR(await_room(lock, host_, lacking_bytes, wait, wait.n_own() + 1, failures));
    else
      LEOAM_RETURN_IF_ERROR(stall(lock, wait));
  }
}

bool Tiers::advance(Page& page, const Tier& goal, bool urgent) {
  Residence& in_ram = page.at(Level::host);
  page.sent_for_us = steady_us();
  page.arrived_us = 0;
  page.sent_ahead = !urgent;
  if (&goal == &host_) {
    if (page.at(Level::device).filled)
      start_copy(page, Movement::lowering);
    else
      start_read(page, urgent);
    return true;
  }
  if (in_ram.filled) {
    start_copy(page, Movement::raising);
    return true;
  }
  if (!in_ram.frame.data && (!drop_for(host_, page.bytes) || !give_frame(host_, page).ok())) return false;
  start_read(page, urgent);
  return true;
}

bool Tiers::pin_in_place(std::span<const PageHandle> pages) {
  if (pages.empty()) return true;
  Lock lock(mutex_);
  Tier& tier = home_of(*pages[0].get());
  for (const PageHandle& page : pages)
    if (!tier.of(*page.get()).filled) return false;
  ++n_holds_;
  for (const PageHandle& page : pages) {
    ++tier.of(*page.get()).n_pins;
    relist(*page.get());
  }
  return true;
}

void Tiers::unpin(std::span<const PageHandle> pages) {
  if (pages.empty()) return;
  Lock lock(mutex_);
  unpin_at(home_of(*pages[0].get()), pages);
  tell_change();
}

void Tiers::unpin_at(Tier& tier, std::span<const PageHandle> pages) {
  for (const PageHandle& handle : pages) {
    --tier.of(*handle.get()).n_pins;
    settle(*handle.get());
  }
  --n_holds_;
}

size_t Tiers::want(std::span<const PageHandle> pages, uint64_t* started_bytes) {
  Lock lock(mutex_);
  size_t n = 0;
  for (const PageHandle& handle : pages) {
    Page& page = *handle.get();
    Tier& home = home_of(page);
    Residence& here = home.of(page);
    if (!here.frame.data) {
      // Looking ahead must neither wait nor write: it takes what can be dropped.
      const bool reads = !page.at(Level::host).filled;
      const uint64_t ram_bytes =
          (reads ? page.bytes : 0) + (reads && !transfer_ ? wanted_staging_bytes() : 0);
      if (page.damaged || !drop_to_fit(host_, ram_bytes) || !drop_to_fit(home, page.bytes)) break;
      if ((reads && !prepare_transfer().ok()) || !give_frame(home, page).ok()) break;
      if (page.movement == Movement::none && !advance(page, home, false)) {
        drop(home, page);
        break;
      }
      *started_bytes += page.bytes;
    }
    here.wanted = true;
    relist(page);
    here.last_use = ++n_wanted_;
    ++n;
  }
  flush_jobs();
  return n;
}

void Tiers::unwant(std::span<const PageHandle> pages) {
  Lock lock(mutex_);
  for (const PageHandle& page : pages) {
    home_of(*page.get()).of(*page.get()).wanted = false;
    settle(*page.get());
  }
  tell_change();
}

void Tiers::tell_arrival(Page& page, PassHolds* own) {
  if (page.arrived_us == 0) return;
  if (own) {
    Arrivals& arrivals = own->arrivals;
    (page.sent_ahead ? arrivals.ahead_bytes : arrivals.demand_bytes) += page.bytes;
    arrivals.first_sent_us =
        arrivals.first_sent_us == 0 ? page.sent_for_us : std::min(arrivals.first_sent_us, page.sent_for_us);
    arrivals.last_arrived_us = std::max(arrivals.last_arrived_us, page.arrived_us);
  }
  page.arrived_us = 0;
}

bool Tiers::use(LayerUse* layer, std::span<kernels::KvPageRef> refs, PassHolds* own) {
  Lock lock(mutex_);
  if (layer->seen_epoch != epoch_) {
    for (size_t i = 0; i < layer->pages.size(); ++i) {
      Page& page = *layer->pages[i].get();
      Tier& home = home_of(page);
      const Residence& here = home.of(page);
      if (!here.filled) return false;
      if (!refs.empty()) refs[i].data = here.frame.data;
      home.touch(page);
    }
    for (const PageHandle& page : layer->pages) tell_arrival(*page.get(), own);
    layer->seen_epoch = epoch_;
  }
  uses_.push_back(layer);
  ++n_holds_;
  return true;
}

void Tiers::leave(LayerUse* layer) {
  Lock lock(mutex_);
  std::erase(uses_, layer);
  --n_holds_;
  if (!room_waits_.empty()) tell_change();
}

}  // namespace leoam
