#include "runtime/kv/replacement.h"

namespace leoam {

void Replacement::add(Page& page) {
  List& list = list_of(page);
  Residence& here = page.at(level_);
  here.newer = nullptr;
  here.older = list.newest;
  here.last_use = ++list.n_uses;
  if (list.newest) list.newest->at(level_).newer = &page;
  list.newest = &page;
  if (!list.oldest) list.oldest = &page;
  ++list.n_pages;
}

void Replacement::remove(Page& page) {
  List& list = list_of(page);
  Residence& here = page.at(level_);
  (here.newer ? here.newer->at(level_).older : list.newest) = here.older;
  (here.older ? here.older->at(level_).newer : list.oldest) = here.newer;
  here.newer = here.older = nullptr;
  --list.n_pages;
}

bool Replacement::is_stale(const List& list) const {
  if (&list == &lists_[static_cast<size_t>(Retention::streamed)] || !list.oldest) return false;
  return list.n_uses - list.oldest->at(level_).last_use > kStale_rounds * list.n_pages;
}

}  // namespace leoam
