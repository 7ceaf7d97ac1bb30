// Replacement: in which order pages leave a tier. A part that can be replaced: another order is another class
// here.
#pragma once

#include <cstdint>
#include <memory>

#include "runtime/kv/page.h"

namespace leoam {

enum class ReplacementKind : int32_t {
  least_recent,  // for contexts that are used in parts, again and again
  most_recent,   // for contexts that are read from end to end in every step: the page just used is the one
                 // that is needed last, so what is in place stays there and saves its share of the reads
};

// Pages that may be dropped, in order of their last use. Thread rule: one thread at a time.
class Replacement {
 public:
  Replacement(ReplacementKind kind, Level level) : kind_(kind), level_(level) {}

  // A page enters, as the newest; it must not be in.
  void add(Page& page);
  void remove(Page& page);
  void touch(Page& page) {
    remove(page);
    add(page);
  }
  bool contains(const Page& page) const { return page.at(level_).newer != nullptr || newest_ == &page; }

  // The first page, in the order of leaving, that `may_go` accepts; null: none.
  template <class MayGo>
  Page* victim(const MayGo& may_go) const {
    if (kind_ == ReplacementKind::most_recent) {
      for (Page* page = newest_; page; page = page->at(level_).older)
        if (may_go(*page)) return page;
    } else {
      for (Page* page = oldest_; page; page = page->at(level_).newer)
        if (may_go(*page)) return page;
    }
    return nullptr;
  }

 private:
  ReplacementKind kind_;
  Level level_;
  Page* newest_ = nullptr;
  Page* oldest_ = nullptr;
};

}  // namespace leoam
