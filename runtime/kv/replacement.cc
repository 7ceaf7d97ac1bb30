#include "runtime/kv/replacement.h"

namespace leoam {

void Replacement::add(Page& page) {
  Residence& here = page.at(level_);
  here.newer = nullptr;
  here.older = newest_;
  if (newest_) newest_->at(level_).newer = &page;
  newest_ = &page;
  if (!oldest_) oldest_ = &page;
}

void Replacement::remove(Page& page) {
  Residence& here = page.at(level_);
  (here.newer ? here.newer->at(level_).older : newest_) = here.older;
  (here.older ? here.older->at(level_).newer : oldest_) = here.newer;
  here.newer = here.older = nullptr;
}

}  // namespace leoam
