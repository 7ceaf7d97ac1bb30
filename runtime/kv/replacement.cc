#include "runtime/kv/replacement.h"

namespace leoam {

void Replacement::add(Page& page) {
  page.newer = nullptr;
  page.older = newest_;
  if (newest_) newest_->newer = &page;
  newest_ = &page;
  if (!oldest_) oldest_ = &page;
}

void Replacement::remove(Page& page) {
  (page.newer ? page.newer->older : newest_) = page.older;
  (page.older ? page.older->newer : oldest_) = page.newer;
  page.newer = page.older = nullptr;
}

}  // namespace leoam
